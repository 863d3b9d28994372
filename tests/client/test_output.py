"""Pictures in step with the loudspeaker, and the microphone's whole way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import av
import numpy as np
import pytest

from client import commands
from client.main import _parsed
from client.output import Output
from client.peer import Picture, Sound
from client.receiving import MediaTimes
from sonic_stream.errors import MissingPieceError

BEGIN_S = 1_700_000_000.0


class Loudspeaker:
    """Stands in for `Speaker`: what is put is heard `delay_s` later."""

    delay_s = 0.1

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    def put(self, samples: np.ndarray) -> None:
        self.heard.append(samples)

    def close(self) -> None: ...


class Screen:
    def __init__(self, last: int = 1_000_000) -> None:
        self.shown: list[int] = []
        self.is_open, self._last = True, last

    def show(self, image: np.ndarray) -> bool:
        self.shown.append(int(image[0, 0, 0]))
        return len(self.shown) < self._last

    def close(self) -> None:
        self.is_open = False


def known(rate_hz: int) -> MediaTimes:
    times = MediaTimes(rate_hz)
    times.map(0)
    times.report(0, int((BEGIN_S + 2_208_988_800) * (1 << 32)))
    return times


def picture(at_s: float, grey: int) -> Picture:
    image = np.full((16, 16, 3), grey, np.uint8)
    return Picture(
        av.VideoFrame.from_ndarray(image, format="rgb24"), round(at_s * 90_000), 0.0, known(90_000)
    )


def sound(at_s: float) -> Sound:
    return Sound(np.zeros(960, np.float32), round(at_s * 48_000), 0.0, known(48_000))


def test_without_a_loudspeaker_pictures_are_shown_as_they_come():
    screen = Screen()
    output = Output([screen])
    for number in range(3):
        output.picture(picture(number * 0.04, 10 * number))
    assert screen.shown == [0, 10, 20] and output.pictures == 3


async def test_a_picture_waits_until_its_sound_is_heard():
    screen, speaker = Screen(), Loudspeaker()
    output = Output([screen], speaker)  # type: ignore[arg-type]
    output.sound(sound(1.0))  # ends at 1.02, so 0.92 is heard now
    assert output.wait_s(picture(1.0, 1)) == pytest.approx(0.08, abs=1e-3)
    assert output.wait_s(picture(0.9, 1)) < 0
    for number, at_s in enumerate((0.84, 0.88, 0.92, 0.96, 1.0)):
        output.picture(picture(at_s, number))
    await asyncio.sleep(0.005)
    assert screen.shown == [2]  # the two before it were overtaken, the two after it are not due
    speaker.delay_s = 0.02
    await asyncio.sleep(0.05)
    assert screen.shown == [2, 4]
    output.close()
    assert not screen.is_open


async def test_closing_the_window_ends():
    output = Output([Screen(last=2)])
    for number in range(3):
        output.picture(picture(number * 0.04, 0))
    assert output.wants_to_end.is_set()


def test_a_camera_that_cannot_be_opened_ends_in_words():
    class Broken(Screen):
        def show(self, image: np.ndarray) -> bool:
            raise MissingPieceError("No virtual camera can be opened.")

    output = Output([Broken()])
    output.picture(picture(0, 0))
    assert output.wants_to_end.is_set() and isinstance(output.failure, MissingPieceError)


class Talker:
    """Stands in for sounddevice: a microphone that hears half a second of tone every second."""

    PortAudioError = RuntimeError

    def query_devices(self) -> list[dict[str, Any]]:
        return [{"name": "Talker", "max_input_channels": 1, "max_output_channels": 0}]

    def RawInputStream(self, callback: Any, **settings: Any) -> Any:  # noqa: N802 - the library's name
        over = threading.Event()

        def talk() -> None:
            begin = time.monotonic()
            for number in range(100_000):
                if over.wait(max(0.0, begin + number * 0.02 - time.monotonic())):
                    return
                loud = (number // 25) % 2
                wave = np.sin(2 * np.pi * 300 * (np.arange(960) + number * 960) / 48_000) * 9000 * loud
                with contextlib.suppress(RuntimeError):
                    callback(wave.astype("<i2").tobytes(), 960, None, None)

        class Stream:
            def start(self) -> None:
                threading.Thread(target=talk, daemon=True).start()

            def close(self) -> None:
                over.set()

        return Stream()


async def test_a_microphone_drives_a_face_and_is_recorded(address, tmp_path, monkeypatch):
    monkeypatch.setattr("client.sources.sound_library", Talker)
    out = tmp_path / "live.mp4"
    words = ("live", "--portrait", "anna", "--out", str(out), "--seconds", "4", "--server", address)
    await commands.live(_parsed(words))
    sounds, greys = [], []
    with av.open(str(out)) as container:
        for frame in container.decode(*container.streams):
            if isinstance(frame, av.VideoFrame):
                greys.append(int(frame.to_ndarray(format="gray")[192, 192]))
            else:
                sounds.append(frame.to_ndarray()[0])
    assert np.abs(np.concatenate(sounds)).max() > 0.1 and max(greys) > 60
