"""Pictures and sound -> a folder of numbered PNG files with their sound, whole or not at all.

`00000.png`, `00001.png`, ... without loss, `sound.wav` (16 bit, 48 kHz) and `pictures.json`, which says how
they belong together. The folder grows under a hidden name beside its target and takes the target's name only
when it is complete. A writer belongs to one thread.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import shutil
import wave
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np

from sonic_stream.errors import BadInputError
from sonic_stream.media.video import AudioTrack, write_error
from sonic_stream.timebase import FPS, TICK_RATE, Ticks
from sonic_stream.types import F32, U8

SOUND: Final = "sound.wav"
ABOUT: Final = "pictures.json"
_COMPRESSION: Final = 1
"""Zlib's fastest: half the time of the usual level for files a tenth larger."""


def is_folder(out: str | Path) -> bool:
    """Whether `out` asks for a folder of pictures: it ends in a slash."""
    return str(out).endswith(("/", os.sep))


def check_folder(path: str | Path) -> Path:
    """`path` if a folder can be made there, or an empty one is (tried out; nothing is left behind).

    Errors: `BadInputError` naming what is in the way.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise BadInputError(f"The output '{path}/' is to be a folder, but a file of that name is there.")
        if path.is_dir() and any(path.iterdir()):
            raise BadInputError(f"The folder '{path}' is not empty; name a new one for the pictures.")
        if not path.resolve().parent.is_dir():
            raise BadInputError(f"The folder '{path.parent}' of the output does not exist; make it first.")
        trial = _temporary(path)
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        raise BadInputError(f"The output '{path}/' cannot be written ({error.strerror}).") from None
    except ValueError:  # a path with a zero byte
        raise BadInputError(f"{str(path)!r} is not a path.") from None
    return path


def _temporary(path: Path) -> Path:
    full = path.resolve()
    return full.with_name(f".{full.name[:80]}.{secrets.token_hex(4)}.part")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


class PictureFolder:
    """Writes pictures of `width` x `height` one after the other, with their sound; used like `VideoWriter`.

    Errors: `BadInputError` before any work for an unusable path, `SonicError` when the disk is full.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, fps: int = FPS, audio: AudioTrack | None = None
    ) -> None:
        self.path = check_folder(path)
        self.width, self.height, self.fps = width, height, fps
        self.pictures = 0
        self._audio = audio
        self._heard: Ticks = 0
        self._wave: wave.Wave_write | None = None

    def __enter__(self) -> Self:
        self._folder = _temporary(self.path)
        # A second Ctrl-C can cut the cleaning up short; what is left then goes with the interpreter.
        self._last_chance = partial(_remove, self._folder)
        atexit.register(self._last_chance)
        try:
            self._folder.mkdir()
            if self._audio:
                self._wave = wave.open(str(self._folder / SOUND), "wb")
                self._wave.setparams((self._audio.channels, 2, TICK_RATE, 0, "NONE", ""))
        except OSError as error:
            self._forget()
            raise write_error(self.path, error) from error
        return self

    def write(self, image: U8) -> None:
        """The next picture, uint8 [height, width, 3] RGB, and the sound up to its end."""
        assert image.shape == (self.height, self.width, 3), image.shape
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
        try:
            (self._folder / f"{self.pictures:05d}.png").write_bytes(data.tobytes())
            self.pictures += 1
            self._write_sound(self.pictures * (TICK_RATE // self.fps))
        except OSError as error:
            raise write_error(self.path, error) from error

    def _write_sound(self, until: Ticks | None) -> None:
        """Writes sound up to about tick `until`, or all there is."""
        while self._wave and self._audio and (until is None or self._heard < until):
            block = next(self._audio.blocks, None)
            if block is None:
                return
            self._heard += block.shape[1]
            self._wave.writeframes(_pcm(block))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write_sound(None)
                about = {
                    "fps": self.fps,
                    "pictures": self.pictures,
                    "width": self.width,
                    "height": self.height,
                    "sound": SOUND if self._audio else None,
                }
                (self._folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
            if self._wave:
                self._wave.close()
            if error is None:
                self._folder.replace(self.path)
        except OSError as failure:
            if error is None:
                raise write_error(self.path, failure) from failure
        finally:
            self._forget()

    def _forget(self) -> None:
        """Removes what is left under the hidden name: nothing, when the folder has its own."""
        if self._wave:
            with contextlib.suppress(OSError):
                self._wave.close()
        _remove(self._folder)
        atexit.unregister(self._last_chance)


def _pcm(block: F32) -> bytes:
    """Interleaved 16-bit samples of float32 [C, N]."""
    return np.clip(np.round(block.T * 32767), -32768, 32767).astype("<i2").tobytes()
