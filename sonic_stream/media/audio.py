"""Sound files -> streams of float32 samples at 48 kHz, with flat memory whatever their length.

An `AudioFile` is only a checked path: each reader opens the file for itself, so that the model's ear
(mono) and the listener's (as recorded) can run at different speeds without a buffer between them.
Sound tracks of video files are read as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import StreamResampler, check_rate
from sonic_stream.timebase import TICK_RATE, Ticks, seconds
from sonic_stream.types import F32

MIN_SECONDS: Final = 0.2
SHORT_SECONDS: Final = 0.5
SILENT_PEAK: Final = 5e-4
"""-66 dBFS: nothing anybody could mean to be heard."""
ABSURD_PEAK: Final = 16.0
"""Float sound this far over full scale is integers stored as floats."""
_VALID: Final = "wav, mp3, flac, m4a, ogg or opus is needed"
# Containers only, no playlists: a sound file must not make us open other files or addresses.
_DEMUXERS: Final = (
    "wav,w64,mp3,flac,ogg,mov,matroska,webm,aac,aiff,caf,au,amr,ac3,eac3,asf,avi,mpegts,mpeg,flv,ape,wv,tta"
)
_HALF: Final = 2**-0.5


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a whole pass over a sound file found."""

    sample_rate: int
    """Hz, in the file."""
    channels: int
    """Of what listeners hear: 1 or 2 (more are mixed down to 2)."""
    ticks: Ticks
    """Exact length: its samples at 48 kHz."""
    peak: float
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return seconds(self.ticks)


@dataclass
class _Pass:
    """What one reading of the file learns on its way."""

    sample_rate: int = 0
    channels: int = 0
    samples: int = 0
    damaged: int = 0
    cut_off: bool = False
    promised_s: float | None = None
    peak: float = 0.0


class AudioFile:
    """A sound file that can be read; made by `open_audio`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"'{path}'"
        self._stamp = _stamp(path)

    def check(self, allow_silence: bool = False) -> AudioInfo:
        """Reads the file once from end to end.

        Errors: `BadInputError` when it is silent, shorter than `MIN_SECONDS`, or holds values that are
        no sound. A file that ends early or is damaged in places is used as far as it goes, with a note.
        """
        found = _Pass()
        for block in self._decoded(found):
            found.peak = max(found.peak, float(np.abs(block).max(initial=0.0)))
        if not found.samples:
            raise BadInputError(f"{self.name} holds no sound (no sample could be decoded); {_VALID}.")
        length = round(Fraction(found.samples * TICK_RATE, found.sample_rate))
        if length < MIN_SECONDS * TICK_RATE:
            raise BadInputError(
                f"The sound {self.name} lasts {seconds(length):.2f} s; at least {MIN_SECONDS} s are needed."
            )
        if found.peak > ABSURD_PEAK:
            raise BadInputError(
                f"The sound {self.name} reaches {found.peak:.6g}, but float sound lies between -1 and 1; "
                "export it again as 16-bit PCM."
            )
        if found.peak < SILENT_PEAK and not allow_silence:
            level = f"peak {20 * np.log10(found.peak):.0f} dBFS" if found.peak > 0 else "all samples are 0"
            raise BadInputError(f"The sound {self.name} is silent ({level}); give a recording with a voice.")
        return AudioInfo(
            found.sample_rate, found.channels, length, found.peak, _notes(found, seconds(length))
        )

    def recorded(self) -> Iterator[F32]:
        """The samples as they stand in the file: float32 [C, N] at its own rate, C = 1 or 2."""
        return self._decoded(_Pass())

    def blocks(self) -> Iterator[F32]:
        """The sound as the model hears it: float32 [N] mono within -1..1 at 48 kHz, exactly
        `AudioInfo.ticks` samples in all, in blocks of well under a second."""
        for block in self._at_48k(mono=True):
            yield np.clip(block[0], -1.0, 1.0)

    def heard(self) -> Iterator[F32]:
        """The sound as recorded: float32 [C, N] at 48 kHz, C = 1 or 2, the same length as `blocks`."""
        return self._at_48k(mono=False)

    def _at_48k(self, mono: bool) -> Iterator[F32]:
        found = _Pass()
        resamplers: list[StreamResampler] = []
        for block in self._decoded(found):
            channels = block.mean(axis=0, keepdims=True) if mono else block
            if not resamplers:
                resamplers = [StreamResampler(found.sample_rate, TICK_RATE) for _ in channels]
            made = np.stack([r.push(channel) for r, channel in zip(resamplers, channels, strict=True)])
            if made.shape[1]:
                yield made
        if resamplers:
            made = np.stack([r.push(np.zeros(0, np.float32), last=True) for r in resamplers])
            if made.shape[1]:
                yield made

    def _decoded(self, found: _Pass) -> Iterator[F32]:
        """Float32 [C, N] at the file's own rate, C constant; fills `found` on the way."""
        self._refuse_if_changed()
        with _open(self.path, self.name) as container:
            stream = container.streams.audio[0]
            found.promised_s = _promised_s(self.path, container, stream)
            found.cut_off = container.format.name == "ogg" and not _ogg_ends(self.path)
            for frame in _frames(container, stream, found):
                block = _planar(frame)
                if not found.samples:
                    found.sample_rate = check_rate(frame.sample_rate)
                    found.channels = min(block.shape[0], 2)
                elif frame.sample_rate != found.sample_rate:
                    raise BadInputError(
                        f"The sound {self.name} changes its sample rate from {found.sample_rate} to "
                        f"{frame.sample_rate} Hz in the middle; export it again as one recording."
                    )
                block = _mixed(block, [c.name for c in frame.layout.channels], found.channels)
                finite = np.isfinite(block).all(axis=0)
                if not finite.all():
                    at_s = (found.samples + int(np.argmin(finite))) / found.sample_rate
                    raise BadInputError(
                        f"The sound {self.name} holds values that are not numbers (first at {at_s:.3f} s); "
                        "export it again as 16-bit PCM."
                    )
                found.samples += block.shape[1]
                yield block
        self._refuse_if_changed()

    def _refuse_if_changed(self) -> None:
        """The file is read several times, and its lips and its sound must be of one recording."""
        if _stamp(self.path) != self._stamp:
            raise BadInputError(
                f"The sound {self.name} was changed or removed while it was in use; start again when it is"
                " finished."
            )


def open_audio(path: str | Path) -> AudioFile:
    """The sound file at `path`, its header looked at.

    Errors: `BadInputError` when it is absent, empty, or not a file with a sound track.
    """
    path = Path(path)
    name = f"'{path}'"
    try:
        if path.is_dir():
            raise BadInputError(f"{name} is a folder; a sound file ({_VALID}).")
        if not path.exists():
            raise BadInputError(f"There is no sound file {name}; give the path of an existing one.")
        if not path.is_file():
            raise BadInputError(f"{name} is not a regular file, which a sound has to be; save it first.")
        if path.stat().st_size == 0:
            raise BadInputError(f"{name} is empty; {_VALID}.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise BadInputError(f"The sound {name} cannot be read ({error.strerror}).") from None
    except ValueError:  # a path with a zero byte
        raise BadInputError(f"{str(path)!r} is not a path.") from None
    with _open(path, name):
        pass
    return AudioFile(path)


def _stamp(path: Path) -> tuple[int, int, int]:
    """What tells whether a file is still the same; zeros where it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0, 0
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _open(path: Path, name: str) -> av.container.InputContainer:
    """The file opened; it has a sound track."""
    try:
        # "file:" keeps a name such as "http:x" a name; broken tags must not stop the sound.
        container = av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file", "format_whitelist": _DEMUXERS},
            metadata_errors="replace",
        )
    except (FFmpegError, UnicodeError):
        raise BadInputError(
            f"{name} is not a sound file that can be read, or is cut off; {_VALID}."
        ) from None
    if not container.streams.audio:
        container.close()
        raise BadInputError(f"{name} has no sound track; {_VALID}.")
    return container


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream, found: _Pass
) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:  # the container breaks off: what came before is used
            found.damaged += 1
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            found.damaged += 1
            continue
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            if frame.samples:
                yield frame


def _planar(frame: av.AudioFrame) -> F32:
    """Float32 [C, N], full scale 1, of a frame in any of FFmpeg's sample formats."""
    raw: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(-1, frame.layout.nb_channels).T
    if raw.dtype == np.uint8:
        return (raw.astype(np.float32) - 128.0) / 128.0
    if np.issubdtype(raw.dtype, np.integer):
        full_scale = 2.0 ** (8 * raw.dtype.itemsize - 1)
        return (raw / full_scale).astype(np.float32)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite and is then refused
        return np.ascontiguousarray(raw, np.float32)


def _mixed(block: F32, names: list[str], channels: int) -> F32:
    """`block` [C, N] brought to `channels` (1 or 2), louder by nothing."""
    if block.shape[0] == channels:
        return block
    if block.shape[0] == 1:
        return np.repeat(block, channels, axis=0)
    weights = np.zeros((2, block.shape[0]), np.float32)
    for i, name in enumerate(names):
        if name.startswith("LFE"):
            continue
        side = _HALF if i > 1 else 1.0
        if name.endswith("L"):
            weights[0, i] = side
        elif name.endswith("R"):
            weights[1, i] = side
        else:
            weights[:, i] = _HALF
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    stereo: F32 = weights @ block
    return stereo if channels == 2 else stereo.mean(axis=0, keepdims=True)


def _promised_s(path: Path, container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """The length a header states, in seconds; None where FFmpeg would only guess it from bit rates."""
    if container.format.name == "wav":
        return _wav_promise_s(path)
    if container.format.name == "mp3":
        with path.open("rb") as file:
            head = file.read(1 << 18)
        if not any(tag in head for tag in (b"Xing", b"Info", b"VBRI")):
            return None
    elif container.format.name in ("aac", "mpegts", "mpeg", "ac3", "eac3"):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None


def _wav_promise_s(path: Path) -> float | None:
    """What a wav header states; FFmpeg quietly corrects it to the file's size."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return None
        file.seek(12)
        bytes_per_s = 0
        for _ in range(64):
            head = file.read(8)
            if len(head) < 8:
                return None
            kind, size = head[:4], int.from_bytes(head[4:], "little")
            if kind == b"data":
                # 0 and values near 2^32 mean "not known": a program wrote into a pipe.
                return size / bytes_per_s if bytes_per_s and 0 < size < 0xFFFFFF00 else None
            if kind == b"fmt " and size >= 16:
                fmt = file.read(16)
                bytes_per_s = int.from_bytes(fmt[8:12], "little")
                size -= 16
            file.seek(size + size % 2, 1)
    return None


def _ogg_ends(path: Path) -> bool:
    """Whether the last page of an Ogg file is marked as the last (RFC 3533, header type bit 2)."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - (1 << 17), 0))  # a page is under 64 KB
        tail = file.read()
    at = tail.rfind(b"OggS")
    return 0 <= at < len(tail) - 5 and bool(tail[at + 5] & 4)


def _notes(found: _Pass, length_s: float) -> tuple[str, ...]:
    notes = []
    if found.promised_s is not None and length_s < found.promised_s - max(0.15, 0.002 * found.promised_s):
        notes.append(
            f"The sound ends after {length_s:.2f} s although its header promises {found.promised_s:.2f} s; "
            "what is there is used."
        )
    elif found.cut_off:
        notes.append(f"The sound has no end mark and may be cut off; the {length_s:.2f} s there are used.")
    elif found.damaged:
        notes.append(f"The sound is damaged in {found.damaged} places; what can be decoded is used.")
    if length_s < SHORT_SECONDS:
        notes.append(f"The sound lasts only {length_s:.2f} s.")
    return tuple(notes)
