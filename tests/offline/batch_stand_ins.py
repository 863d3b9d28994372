"""Stand-ins for batches, and a batch that kills itself: `python batch_stand_ins.py JOBS OUT KILL_AT`.

KILL_AT is the picture, counted over all rows, at which the process kills itself; -1 lets it end.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sonic_stream.config import settle
from sonic_stream.engine import FakeEngine, HopInput, HopResult
from sonic_stream.media.image import load_image
from sonic_stream.offline import Parts
from sonic_stream.offline.batch import Event, run_batch
from sonic_stream.offline.batch_jobs import Row, read_jobs
from sonic_stream.offline.batch_manifest import NAME
from sonic_stream.types import Colours, Identity, PortraitSettings


class SlowEngine(FakeEngine):
    """The stand-in engine, taking its time."""

    def __init__(self, slow_s: float = 0.0) -> None:
        super().__init__()
        self.slow_s = slow_s

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        time.sleep(self.slow_s)
        return super().step(batch)


def plain_identity(image: bytes, settings: PortraitSettings) -> Identity:
    """Decodes the portrait and looks for no face."""
    zero = np.zeros(3, np.float32)
    return Identity(
        id="test", settings=settings, crop=load_image(image), crop_box=(64.0, 64.0, 100.0),
        landmarks=np.zeros((478, 2), np.float32), shape=zero, expression=zero,
        vertices=np.zeros((1, 3), np.float32), rotation=np.eye(3, dtype=np.float32), scale=1.0,
        translation=np.zeros(2, np.float32), matte=np.zeros((2, 2), np.uint8),
        colours=Colours(zero, zero, zero, 0.5), fit_error=0.01, lids_fit=True,
    )  # fmt: skip


def make_parts(engine: Callable[[], FakeEngine] = FakeEngine) -> Parts:
    return Parts(engine=lambda _: engine(), identify=plain_identity)


def write_portrait(path: Path, grey: int) -> None:
    Image.fromarray(np.full((128, 128, 3), grey, np.uint8)).save(path)


def write_wav(path: Path, seconds: float) -> None:
    samples = 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * 16_000)) / 16_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def listed(folder: Path, text: str, name: str = "jobs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path: Path) -> list[Row]:
    return read_jobs(path, settle)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != NAME
    }


def lasting(record: dict) -> dict:
    """What of a record does not depend on when it was made."""
    return {key: value for key, value in record.items() if key not in ("started", "wall_s")}


FOUR = """portrait,audio,output,seed
a.png,one.wav,1.mp4,1
b.png,two.wav,2.mp4,2
a.png,two.wav,,3
b.png,one.wav,4.mp4,
"""


def main() -> None:
    jobs, out, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    out.mkdir(exist_ok=True)
    drawn = 0

    def count(event: Event) -> None:
        nonlocal drawn
        drawn += event.kind == "progress"
        if drawn == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    run_batch(read_jobs(jobs, settle), out, jobs=3, on_event=count, parts=make_parts())


if __name__ == "__main__":
    main()
