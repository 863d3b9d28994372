"""Parts for offline tests: a stand-in engine and portrait, and sound files of exact lengths."""

from __future__ import annotations

import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonic_stream.engine import FakeEngine, HopInput, HopResult
from sonic_stream.media.image import load_image
from sonic_stream.offline import Parts
from sonic_stream.timebase import FRAME_TICKS, Ticks
from sonic_stream.types import CHANNELS, Colours, Controls, Identity, MotionFrame, PortraitSettings


def plain_identity(image: bytes, settings: PortraitSettings) -> Identity:
    """Decodes the portrait, as the real one does, and looks for no face."""
    zero = np.zeros(3, np.float32)
    return Identity(
        id="test", settings=settings, crop=load_image(image), crop_box=(0.0, 0.0, 1.0),
        landmarks=np.zeros((478, 2), np.float32), shape=zero, expression=zero,
        vertices=np.zeros((1, 3), np.float32), rotation=np.eye(3, dtype=np.float32), scale=1.0,
        translation=np.zeros(2, np.float32), matte=np.zeros((2, 2), np.uint8),
        colours=Colours(zero, zero, zero, 0.5), fit_error=0.01, lids_fit=True,
        advice=("The head is turned by 12 degrees.",),
    )  # fmt: skip


class TellingEngine(FakeEngine):
    """The stand-in engine, which also plays stored motion and can be slow."""

    def __init__(self, slow_s: float = 0.0, **options: int) -> None:
        super().__init__(**options)
        self.slow_s = slow_s
        self.controls: list[Controls] = []

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        if self.slow_s:
            time.sleep(self.slow_s)
        self.controls += [hop.controls for hop in batch]
        results = super().step(batch)
        return [
            replace(result, motion=hop.motion) if hop.motion else result
            for hop, result in zip(batch, results, strict=True)
        ]


class ToneVoiceModel:
    """Opens the mouth by the loudness of the hop, two hops late."""

    lookahead: Ticks = 2 * FRAME_TICKS

    def reset(self, slot: int, seed: int) -> None:
        self._heard = [0.0, 0.0]

    def step(self, slots, pts, hops, controls) -> list[MotionFrame]:
        self._heard.append(float(np.abs(hops[0]).mean()))
        coeffs = np.zeros(len(CHANNELS), np.float32)
        coeffs[0] = self._heard.pop(0) * controls[0].dynamic_scale
        return [MotionFrame(pts[0] - self.lookahead, coeffs, 1.0)]


def make_parts(engine: Callable[[], FakeEngine] = TellingEngine) -> Parts:
    return Parts(lambda device: engine(), plain_identity, ToneVoiceModel)


def write_wav(path: Path, seconds: float, rate: int = 16_000, channels: int = 1) -> Path:
    """A tone with bursts; stereo is louder on the right."""
    t = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 2 * t) > 0)
    samples = np.stack([tone * (c + 1) for c in range(channels)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def parts() -> Parts:
    return make_parts()


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    path = folder / "portrait.png"
    Image.fromarray(np.full((128, 128, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def tone(tmp_path: Path) -> Callable[..., Path]:
    """Makes a wav of a length: `tone(1.5, rate=8000, channels=2)`."""
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)

    def make(seconds: float, rate: int = 16_000, channels: int = 1) -> Path:
        return write_wav(folder / f"tone-{seconds}-{rate}-{channels}.wav", seconds, rate, channels)

    return make


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with portraits a, b and sounds one, two."""
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    for grey, name in ((90, "a"), (150, "b")):
        Image.fromarray(np.full((128, 128, 3), grey, np.uint8)).save(folder / f"{name}.png")
    for seconds, name in ((0.4, "one"), (0.7, "two")):
        write_wav(folder / f"{name}.wav", seconds)
    return folder
