"""A video copied packet by packet with its sound moved in time: no picture and no sample is touched.

Times only ever grow: sound is moved later by delaying the sound, and earlier by delaying the pictures, so
that nothing is cut off.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.error import FFmpegError

from sonic_stream.errors import BadInputError
from sonic_stream.media.video import check_output, whole_or_nothing, write_error
from sonic_stream.media.video_file import VideoFile

SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
_FORMATS: Final = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}
_MOV: Final = ("mp4", "mov")


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that the file name asks for."""
    return _FORMATS.get(path.suffix.lower(), "mp4")


def retimed(source: VideoFile, out: str | Path, sound_later_s: float) -> Path:
    """Writes `source` to `out` with its sound `sound_later_s` later (negative: earlier).

    Errors: `BadInputError` for an unusable output or one that is the input, or a container that cannot hold
    these streams; `SonicError` when the disk is full. Nothing half-written is left.
    """
    out = check_output(out, SUFFIXES)
    if out.exists() and out.samefile(source.path):
        raise BadInputError(f"The output '{out}' is the input; name another file.")
    later = Fraction(round(sound_later_s * 1_000_000), 1_000_000)
    shifts = {"video": max(-later, Fraction(0)), "audio": max(later, Fraction(0))}
    with whole_or_nothing(out) as temporary:
        try:
            _copy(source.path, temporary, container_of(out), shifts)
        except ValueError as failure:  # FFmpeg's "invalid argument": no room for such a stream
            raise BadInputError(
                f"A {out.suffix} file cannot hold the streams of {source.name} ({failure}); name an .mkv."
            ) from failure
        except OSError as failure:  # FFmpeg's errors with a number are OSErrors as well
            raise write_error(out, failure) from failure
        except FFmpegError as failure:
            raise BadInputError(f"{source.name} cannot be copied ({failure}).") from failure
    return out


def _copy(source: Path, target: Path, kind: str, shifts: dict[str, Fraction]) -> None:
    options = {"movflags": "+faststart"} if kind in _MOV else {}
    with (
        av.open(f"file:{source}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as taken,
        av.open(f"file:{target}", "w", format=kind, container_options=options) as made,
    ):
        copies: dict[int, Any] = {}
        for stream in (*taken.streams.video[:1], *taken.streams.audio[:1]):
            copies[stream.index] = made.add_stream_from_template(stream)
        for packet in taken.demux([taken.streams[index] for index in copies]):
            if packet.dts is None:  # the end mark of a stream
                continue
            shift = shifts[packet.stream.type] / packet.time_base
            packet.dts += round(shift)
            if packet.pts is not None:
                packet.pts += round(shift)
            packet.stream = copies[packet.stream_index]
            made.mux(packet)
