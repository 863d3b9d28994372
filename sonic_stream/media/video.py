"""Pictures and sound -> a video file that plays everywhere, whole or not at all.

mp4: H.264 High, yuv420p (BT.709), AAC at 48 kHz, index at the front. WebM: VP9 and Opus. The file grows
under a hidden temporary name beside its target and takes the target's name only when it is complete. A
writer belongs to one thread.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
from av.error import FFmpegError

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.timebase import FPS, TICK_RATE, Ticks
from sonic_stream.types import F32, U8

DEFAULT_CRF: Final = 18
DEFAULT_PRESET: Final = "veryfast"
MIN_SIDE_PX, MAX_SIDE_PX = 16, 8192


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of video file: its container and encoders."""

    name: str
    container: str
    container_options: Mapping[str, str]
    video: str
    video_options: Mapping[str, str]
    crf: int
    """Quality where none is asked for; valid is 1 to `most_crf`."""
    most_crf: int
    sound: str
    sound_options: Mapping[str, str]
    sound_samples: int
    """Samples in one packet of sound."""
    sound_layout: str
    """Sample format: planar or interleaved float."""
    bits_per_s: Mapping[int, int]
    """Of the sound, by channels."""


_MP4: Final = Format(
    "mp4", "mp4", {"movflags": "+faststart"},
    "libx264", {"preset": DEFAULT_PRESET, "profile": "high"}, DEFAULT_CRF, 51,
    # FFmpeg's default search ("twoloop") leaves bursts of noise in clean speech: 24 dB against 63 dB.
    "aac", {"aac_coder": "fast"}, 1024, "fltp", {1: 160_000, 2: 256_000},
)  # fmt: skip
_WEBM: Final = Format(
    "WebM", "webm", {},
    "libvpx-vp9", {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"}, 24, 63,
    "libopus", {}, 960, "flt", {1: 96_000, 2: 160_000},
)  # fmt: skip
FORMATS: Final[Mapping[str, Format]] = {".mp4": _MP4, ".m4v": _MP4, ".mov": _MP4, ".webm": _WEBM}
"""By the ending of the file's name."""
SUFFIXES: Final = tuple(FORMATS)
_FULL: Final = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The sound to go with the pictures: `blocks` of float32 [channels, N] at 48 kHz."""

    blocks: Iterator[F32]
    channels: int


def check_output(path: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """`path` if a file can be made there (tried out; nothing is left behind).

    Errors: `BadInputError` naming what is wrong with the folder, the name or the rights.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        valid = " or ".join(suffixes)
        folder = ", or in / for a folder of PNG pictures" if suffixes == SUFFIXES else ""
        raise BadInputError(f"The output '{path}' should end in {valid}{folder}.")
    try:
        if path.is_dir():
            raise BadInputError(f"The output '{path}' is a folder; name a file in it.")
        if not path.parent.is_dir():
            raise BadInputError(f"The folder '{path.parent}' of the output does not exist; make it first.")
        if path.exists() and not os.access(path, os.W_OK):
            raise BadInputError(f"The output '{path}' exists and may not be overwritten; name another file.")
        trial = _temporary(path)
        with trial.open("xb"):
            pass
        trial.unlink()
    except OSError as error:
        raise BadInputError(f"The output '{path}' cannot be written ({error.strerror}).") from None
    except ValueError:  # a path with a zero byte
        raise BadInputError(f"{str(path)!r} is not a path.") from None
    return path


def check_crf(path: str | Path, crf: int | None) -> int:
    """`crf` as the format of `path` takes it, its own where None is given.

    Errors: `BadInputError` naming the valid range.
    """
    kind = FORMATS[Path(path).suffix.lower()]
    if crf is None:
        return kind.crf
    if not 1 <= crf <= kind.most_crf:
        raise BadInputError(
            f"crf is {crf}, but {kind.name} takes 1 (best) to {kind.most_crf}; {kind.crf} is its default."
        )
    return crf


def write_error(path: Path, error: OSError) -> SonicError:
    """What a failed write to `path` means, in a sentence."""
    number = error.errno or 0
    why = _FULL.get(number) or os.strerror(abs(number))
    return SonicError(f"Writing '{path}' stopped: {why}; nothing was kept of it.")


@contextlib.contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` when the block ends, and goes when it fails."""
    temporary = _temporary(path)
    # A second Ctrl-C can cut the cleaning up short; what is left then goes with the interpreter.
    last_chance = partial(_remove, temporary)
    atexit.register(last_chance)
    try:
        yield temporary
        try:
            temporary.replace(path)
        except OSError as error:
            raise write_error(path, error) from error
    finally:
        _remove(temporary)
        atexit.unregister(last_chance)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")


class VideoWriter:
    """Writes pictures of `width` x `height` at `fps`, one after the other, with their sound.

    Sound is taken from `audio` as pictures come, never more than a second ahead, so memory stays flat
    whatever the length. Use it as a context manager: leaving it whole makes the file, leaving it by an
    error or Ctrl-C leaves nothing. Errors: `BadInputError` before any work for an unusable path or size,
    `SonicError` when the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: int = FPS,
        audio: AudioTrack | None = None,
        crf: int | None = None,
        preset: str = DEFAULT_PRESET,
    ) -> None:
        if any(side % 2 or not MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width, height)):
            raise BadInputError(
                f"A video of {width} x {height} is not possible;"
                f" sides are even, {MIN_SIDE_PX} to {MAX_SIDE_PX}."
            )
        if TICK_RATE % fps:
            raise BadInputError(f"{fps} pictures a second are not possible; they must divide {TICK_RATE}.")
        self.path = check_output(path)
        self.width, self.height, self.fps = width, height, fps
        self.pictures = 0
        self._audio = audio
        self._format = FORMATS[self.path.suffix.lower()]
        crf = check_crf(self.path, crf)
        self._options = {**self._format.video_options, "crf": str(crf)}
        if "preset" in self._options:
            self._options["preset"] = preset
        self._heard: Ticks = 0
        self._pending: F32 = np.zeros((audio.channels if audio else 1, 0), np.float32)
        self._sound_over = audio is None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as until_open:
            temporary = until_open.enter_context(whole_or_nothing(self.path))
            self._open(temporary)
            self._cleanup = until_open.pop_all()
        return self

    def _open(self, temporary: Path) -> None:
        kind = self._format
        self._container = av.open(
            f"file:{temporary}", "w", format=kind.container, container_options=dict(kind.container_options)
        )
        self._container.metadata["comment"] = "Made with Sonic Stream"
        video = self._container.add_stream(kind.video, rate=self.fps, options=self._options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = self.width, self.height, "yuv420p"
        context = video.codec_context
        context.time_base = Fraction(1, self.fps)
        # BT.709, limited range, told to the player: otherwise skin turns slightly orange or green.
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 1
        self._video = video
        self._sound: av.AudioStream | None = None
        if self._audio:
            layout = "mono" if self._audio.channels == 1 else "stereo"
            sound = self._container.add_stream(
                kind.sound, rate=TICK_RATE, layout=layout, options=dict(kind.sound_options)
            )
            assert isinstance(sound, av.AudioStream)
            sound.bit_rate = kind.bits_per_s[self._audio.channels]
            self._sound = sound

    def write(self, image: U8) -> None:
        """The next picture, uint8 [height, width, 3] RGB, and the sound up to its end."""
        assert image.shape == (self.height, self.width, 3), image.shape
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", src_color_range="JPEG"
        )
        frame.pts = self.pictures
        frame.time_base = Fraction(1, self.fps)
        self._mux(self._video.encode(frame))
        self.pictures += 1
        self._write_sound(self.pictures * (TICK_RATE // self.fps))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write_sound(None)
                if self._sound:
                    self._mux(self._sound.encode(None))
                self._mux(self._video.encode(None))
                self._close()
        except OSError as failure:  # FFmpeg's errors with a number are OSErrors as well
            error = write_error(self.path, failure)
            raise error from failure
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                with contextlib.suppress(FFmpegError, OSError):
                    self._close()
            self._cleanup.__exit__(type(error) if error else None, error, None)

    def _close(self) -> None:
        self._container.close()

    def _write_sound(self, until: Ticks | None) -> None:
        """Encodes sound up to tick `until`, or all there is."""
        if self._sound is None or self._audio is None:
            return
        while not self._sound_over and (until is None or self._heard < until):
            block = next(self._audio.blocks, None)
            if block is None:
                self._sound_over = True
            else:
                self._pending = np.concatenate([self._pending, block], axis=1)
            size = self._format.sound_samples
            while self._pending.shape[1] >= size or (self._sound_over and self._pending.shape[1]):
                self._encode_sound(self._pending[:, :size])
                self._pending = self._pending[:, size:]

    def _encode_sound(self, samples: F32) -> None:
        assert self._sound is not None and self._audio is not None
        layout = "mono" if self._audio.channels == 1 else "stereo"
        kind = self._format.sound_layout
        values = samples if kind.endswith("p") else samples.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values), format=kind, layout=layout)
        frame.sample_rate = TICK_RATE
        frame.pts = self._heard
        frame.time_base = Fraction(1, TICK_RATE)
        self._heard += samples.shape[1]
        self._mux(self._sound.encode(frame))

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        try:
            for packet in packets:
                self._container.mux(packet)
        except OSError as failure:
            raise write_error(self.path, failure) from failure
