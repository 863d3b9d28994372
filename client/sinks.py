"""Where pictures and sound go: a virtual camera, a window, a loudspeaker.

A `VideoSink` takes pictures one by one and is closed at the end; it opens with the first picture, whose size
it keeps. Sinks belong to the event loop's thread (windows want the main one).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import deque
from typing import Any, Protocol

import numpy as np

from client.sources import sound_device, sound_library
from sonic_stream.errors import MissingPieceError
from sonic_stream.timebase import FPS, PACKET_TICKS, TICK_RATE
from sonic_stream.types import F32, U8

SPEAKER_PREROLL = 3
"""Packets that a loudspeaker waits for before it begins, so that network jitter is not heard."""
SPEAKER_LIMIT = 12
"""Packets that may wait for it; the oldest goes when there are more."""
WINDOW_TITLE = "Sonic Stream"
_ESCAPE = 27


class VideoSink(Protocol):
    """Takes pictures, uint8 [H, W, 3] RGB."""

    def show(self, image: U8) -> bool:
        """False when whoever watches wants to end."""
        ...

    def close(self) -> None: ...


class CameraSink:
    """A virtual camera that other programs can choose (pyvirtualcam). Errors: `MissingPieceError`."""

    def __init__(self, device: str | None = None, library: Any = None) -> None:
        self._library = library or _camera_library()
        self._wanted = device
        self._camera: Any = None
        self._size = (0, 0)

    @property
    def name(self) -> str:
        """Of the device in use; empty before the first picture."""
        return str(self._camera.device) if self._camera is not None else ""

    def show(self, image: U8) -> bool:
        if self._camera is None:
            self._open(image.shape[1], image.shape[0])
        if (image.shape[1], image.shape[0]) == self._size:  # a camera cannot change its size
            self._camera.send(np.ascontiguousarray(image))
        return True

    def _open(self, width: int, height: int) -> None:
        try:
            self._camera = self._library.Camera(width=width, height=height, fps=FPS, device=self._wanted)
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise MissingPieceError(f"No virtual camera can be opened ({reason}). {_driver()}") from None
        self._size = (width, height)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def _camera_library() -> Any:
    try:
        return importlib.import_module("pyvirtualcam")
    except (ImportError, OSError):
        raise MissingPieceError(
            "A virtual camera needs the package pyvirtualcam: pip install 'sonic-stream[client]'."
        ) from None


def _driver() -> str:
    """What has to be installed on this system."""
    if sys.platform.startswith("linux"):
        return (
            "Load its driver with: sudo apt-get install v4l2loopback-dkms && sudo modprobe v4l2loopback"
            " exclusive_caps=1. A browser source on the page's ?obs view needs no driver."
        )
    return "Install OBS (obsproject.com) once and start its virtual camera once; that installs the driver."


class WindowSink:
    """A window on the desktop; Escape, q or its cross ends. Errors: `MissingPieceError` without a desktop."""

    def __init__(self, library: Any = None) -> None:
        if library is None and not has_desktop():
            raise MissingPieceError(
                "There is no desktop to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); use"
                " --out FILE.mp4 or --camera."
            )
        self._cv2: Any = library or importlib.import_module("cv2")
        self._is_open = False

    def show(self, image: U8) -> bool:
        if not self._is_open:
            self._cv2.namedWindow(WINDOW_TITLE, self._cv2.WINDOW_KEEPRATIO)
            self._cv2.resizeWindow(WINDOW_TITLE, image.shape[1], image.shape[0])
            self._is_open = True
        self._cv2.imshow(WINDOW_TITLE, image[:, :, ::-1])
        key = self._cv2.waitKey(1) & 0xFF
        crossed = self._cv2.getWindowProperty(WINDOW_TITLE, self._cv2.WND_PROP_VISIBLE) < 1
        return not (crossed or key in (_ESCAPE, ord("q")))

    def close(self) -> None:
        if self._is_open:
            self._cv2.destroyWindow(WINDOW_TITLE)
            self._is_open = False


def has_desktop() -> bool:
    """Without one, OpenCV's windows end the whole process instead of raising."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Speaker:
    """A loudspeaker (or a virtual cable) that plays packets; `delay_s` is how long they wait in it.

    Errors: `MissingPieceError`, `BadInputError` for the device.
    """

    def __init__(self, device: str | None = None, library: Any = None) -> None:
        library = library or sound_library()
        number = sound_device(library, device, "output")
        self._waiting: deque[F32] = deque(maxlen=SPEAKER_LIMIT)
        self._rest: F32 = np.zeros(0, np.float32)
        self._runs = False
        self.ran_dry = 0
        try:
            self._stream = library.OutputStream(
                samplerate=TICK_RATE,
                blocksize=PACKET_TICKS,
                channels=1,
                dtype="float32",
                device=number,
                latency="low",
                callback=self._play,
            )
            self._stream.start()
        except library.PortAudioError as error:
            raise MissingPieceError(f"The loudspeaker cannot be opened ({error}).") from None

    @property
    def delay_s(self) -> float:
        """From `put` to the ear, now."""
        waiting = len(self._waiting) * PACKET_TICKS + len(self._rest)
        if not self._runs:
            waiting = max(waiting, SPEAKER_PREROLL * PACKET_TICKS)
        return waiting / TICK_RATE + float(self._stream.latency)

    def put(self, samples: F32) -> None:
        """The next sound, float32 [N] mono."""
        self._waiting.append(samples)
        if len(self._waiting) >= SPEAKER_PREROLL:
            self._runs = True

    def _play(self, out: Any, frames: int, when: Any, flags: Any) -> None:
        """Called on PortAudio's thread; deques may be used from two threads."""
        parts, have = [self._rest], len(self._rest)
        while self._runs and have < frames and self._waiting:
            parts.append(self._waiting.popleft())
            have += len(parts[-1])
        if self._runs and have < frames:
            self._runs = False
            self.ran_dry += 1
            parts.append(np.zeros(frames - have, np.float32))
        elif have < frames:
            parts.append(np.zeros(frames - have, np.float32))
        joined = np.concatenate(parts)
        out[:, 0] = joined[:frames]
        self._rest = joined[frames:]

    def close(self) -> None:
        self._stream.close()
