"""Microphone, loudspeaker, camera and window, each with a stand-in for its library."""

from __future__ import annotations

import asyncio
import io
import sys
import types
from typing import Any

import numpy as np
import pytest

from client.sinks import CameraSink, Speaker, WindowSink
from client.sources import MicrophoneTrack, as_s16, packets, sound_device, sound_library, stdin_pcm
from sonic_stream.errors import BadInputError, MissingPieceError


class Stream:
    latency = 0.01

    def __init__(self, callback: Any, **settings: Any) -> None:
        self.callback, self.settings = callback, settings
        self.state = "made"

    def start(self) -> None:
        self.state = "runs"

    def close(self) -> None:
        self.state = "closed"


class SoundLibrary:
    """Stands in for sounddevice: two microphones and a loudspeaker."""

    class PortAudioError(Exception): ...

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": "Built-in Microphone", "max_input_channels": 1, "max_output_channels": 0},
            {"name": "Speakers", "max_input_channels": 0, "max_output_channels": 2},
            {"name": "USB Headset", "max_input_channels": 1, "max_output_channels": 0},
        ]

    def RawInputStream(self, **settings: Any) -> Stream:  # noqa: N802 - the library's name
        self.streams.append(Stream(**settings))
        return self.streams[-1]

    OutputStream = RawInputStream


def test_a_device_is_found_by_number_and_by_part_of_its_name():
    library = SoundLibrary()
    assert sound_device(library, None, "input") is None
    assert sound_device(library, "headset", "input") == 2
    assert sound_device(library, "1", "output") == 1
    with pytest.raises(BadInputError, match=r"no microphone 'phone booth'; there are 0 \(Built-in"):
        sound_device(library, "phone booth", "input")


def test_without_portaudio_it_says_what_to_install(monkeypatch):
    def absent(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("client.sources.importlib.import_module", absent)
    with pytest.raises(MissingPieceError, match="libportaudio2"):
        sound_library()


async def test_a_microphone_gives_numbered_packets_and_never_a_backlog():
    library = SoundLibrary()
    track = MicrophoneTrack("headset", library)
    stream = library.streams[0]
    assert stream.state == "runs" and stream.settings["device"] == 2
    data = np.arange(960, dtype=np.int16)
    for _ in range(3):
        stream.callback(data.tobytes(), 960, None, None)
    await asyncio.sleep(0)
    frames = [await track.recv() for _ in range(3)]
    assert [frame.pts for frame in frames] == [0, 960, 1920]
    assert np.array_equal(frames[0].to_ndarray()[0], data)
    for _ in range(15):
        stream.callback(data.tobytes(), 960, None, None)
    await asyncio.sleep(0)
    assert (await track.recv()).pts == (3 + 5) * 960  # the oldest five were given up
    track.stop()
    assert stream.state == "closed"


def test_a_loudspeaker_waits_for_a_little_stock_and_loses_no_sample():
    library = SoundLibrary()
    speaker = Speaker(None, library)
    play = library.streams[0].callback
    sound = np.arange(1, 960 * 6 + 1, dtype=np.float32) / 10_000

    def heard(frames: int) -> np.ndarray:
        out = np.ones((frames, 1), np.float32)
        play(out, frames, None, None)
        return out[:, 0]

    speaker.put(sound[:960])
    assert not heard(500).any()
    for at in range(960, len(sound), 960):
        speaker.put(sound[at : at + 960])
    assert speaker.delay_s == pytest.approx(0.12 + 0.01)
    got = np.concatenate([heard(500) for _ in range(12)])
    assert np.array_equal(got[: len(sound)], sound) and not got[len(sound) :].any()
    assert speaker.ran_dry == 1
    speaker.close()


class Camera:
    device = "/dev/video7"

    def __init__(self, width: int, height: int, fps: float, device: str | None) -> None:
        if device == "none":
            raise RuntimeError("'v4l2loopback' backend: no device")
        self.size, self.fps, self.frames, self.is_open = (width, height), fps, [], True
        made.append(self)

    def send(self, frame: np.ndarray) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        self.is_open = False


made: list[Camera] = []


def test_a_camera_gets_every_picture_in_its_own_size():
    library = types.SimpleNamespace(Camera=Camera)
    sink = CameraSink(None, library)
    image = np.zeros((48, 64, 3), np.uint8)
    assert sink.show(image) and sink.show(image)
    assert sink.name == "/dev/video7"
    assert sink.show(np.zeros((96, 96, 3), np.uint8))  # of another size: left out
    sink.close()
    camera = made[-1]
    assert (camera.size, camera.fps, len(camera.frames), camera.is_open) == ((64, 48), 25, 2, False)


def test_without_a_camera_driver_it_says_what_to_do():
    sink = CameraSink("none", types.SimpleNamespace(Camera=Camera))
    with pytest.raises(MissingPieceError, match=r"No virtual camera can be opened \('v4l2loopback'"):
        sink.show(np.zeros((48, 64, 3), np.uint8))


class Desktop:
    """Stands in for cv2's windows."""

    WINDOW_KEEPRATIO, WND_PROP_VISIBLE = 0, 4

    def __init__(self) -> None:
        self.key, self.visible, self.shown = -1, 1.0, []

    def namedWindow(self, *_: Any) -> None: ...  # noqa: N802

    resizeWindow = destroyWindow = namedWindow  # noqa: N815

    def imshow(self, name: str, image: np.ndarray) -> None:
        self.shown.append(image)

    def waitKey(self, ms: int) -> int:  # noqa: N802
        return self.key

    def getWindowProperty(self, *_: Any) -> float:  # noqa: N802
        return self.visible


def test_a_window_shows_the_right_colours_and_ends_by_escape_or_cross():
    desktop = Desktop()
    window = WindowSink(desktop)
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 255
    assert window.show(red)
    assert desktop.shown[0][0, 0].tolist() == [0, 0, 255]  # cv2 wants BGR
    desktop.key = 27
    assert not window.show(red)
    desktop.key, desktop.visible = -1, 0.0
    assert not window.show(red)
    window.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="desktops elsewhere are always there")
def test_without_a_desktop_a_window_is_refused_in_words(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(MissingPieceError, match="no desktop"):
        WindowSink()


async def test_standard_input_is_passed_on_whole():
    data = bytes(range(256)) * 301
    got = b"".join([chunk async for chunk in stdin_pcm(io.BytesIO(data))])
    assert got == data


def test_packets_are_20_ms_and_hold_the_whole_file(voice_file):
    cut = list(packets(str(voice_file)))
    assert {len(packet) for packet in cut[:-1]} == {1920}
    assert len(b"".join(cut)) == 2 * 48_000 * 16 // 10


def test_full_scale_does_not_wrap():
    assert as_s16(np.array([-1.0, 1.0, 0.5], np.float32)) == np.array([-32768, 32767, 16384], "<i2").tobytes()
