"""A video with its pictures encoded anew and its sound copied, packet by packet.

For tools that change pictures only. Where the container cannot hold the sound's coding it becomes AAC. The
file grows under a hidden name and is whole or not there at all. A writer belongs to one thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import av
import numpy as np
from av.error import FFmpegError

from sonic_stream.errors import BadInputError
from sonic_stream.media.audio import open_audio
from sonic_stream.media.remux import container_of
from sonic_stream.media.video import check_output, whole_or_nothing, write_error
from sonic_stream.media.video_file import VideoFile
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32, U8

SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".mkv")
DEFAULT_CRF: Final = 17
_CLOCK_HZ: Final = 90_000
"""Ticks of picture times: whole numbers for 24, 25, 29.97, 30, 50, 59.94 and 60 a second."""
_KEPT_SOUNDS: Final = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
_AAC_BITS_PER_S: Final = 256_000
_AAC_SAMPLES: Final = 1024
_AHEAD_S: Final = 1.0


class Reencoder:
    """Writes pictures at their own times, about `rate` a second, beside the sound of `source`.

    Use it as a context manager: leaving it whole makes the file, leaving it by an error leaves nothing.
    Pictures with odd sides lose their last row or column, which H.264 cannot hold. Errors: `BadInputError`
    for an unusable output, `SonicError` when the disk is full.
    """

    def __init__(self, source: VideoFile, out: str | Path, rate: Fraction, crf: int = DEFAULT_CRF) -> None:
        self.path = check_output(out, SUFFIXES)
        if self.path.exists() and self.path.samefile(source.path):
            raise BadInputError(f"The output '{out}' is the input; name another file.")
        self._source, self._rate, self._crf = source, rate, crf
        self.width, self.height = (side - side % 2 for side in (source.info.width, source.info.height))
        self.pictures = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as until_open:
            temporary = until_open.enter_context(whole_or_nothing(self.path))
            self._open(temporary, until_open)
            self._cleanup = until_open.pop_all()
        return self

    def _open(self, temporary: Path, stack: contextlib.ExitStack) -> None:
        kind = container_of(self.path)
        options = {} if kind == "matroska" else {"movflags": "+faststart"}
        self._made = av.open(f"file:{temporary}", "w", format=kind, container_options=options)
        video = self._made.add_stream(
            "libx264",
            rate=self._rate,
            options={"preset": "veryfast", "crf": str(self._crf), "profile": "high"},
        )
        video.width, video.height, video.pix_fmt = self.width, self.height, "yuv420p"
        context = video.codec_context
        context.time_base = Fraction(1, _CLOCK_HZ)
        # BT.709, limited range, told to the player: otherwise skin turns slightly orange or green.
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 1
        self._video = video
        self._sound: Iterator[tuple[float, list[av.Packet[Any]]]] = iter(())
        self._next_sound: tuple[float, list[av.Packet[Any]]] | None = None
        if self._source.info.sound_begin_s is not None:
            taken = stack.enter_context(
                av.open(f"file:{self._source.path}", options={"protocol_whitelist": "file"})
            )
            stream = taken.streams.audio[0]
            keep = stream.codec_context.name in _KEPT_SOUNDS or kind == "matroska"
            self._sound = self._copied(taken, stream) if keep else self._encoded()
            self._next_sound = next(self._sound, None)

    def _copied(self, taken: Any, stream: Any) -> Iterator[tuple[float, list[av.Packet[Any]]]]:
        copy = self._made.add_stream_from_template(stream)

        def packets() -> Iterator[tuple[float, list[av.Packet[Any]]]]:
            for packet in taken.demux(stream):
                if packet.dts is not None:
                    at_s = float(packet.dts * packet.time_base)
                    packet.stream = copy
                    yield at_s, [packet]

        return packets()

    def _encoded(self) -> Iterator[tuple[float, list[av.Packet[Any]]]]:
        coder = self._made.add_stream("aac", rate=TICK_RATE, layout="stereo", options={"aac_coder": "fast"})
        coder.bit_rate = _AAC_BITS_PER_S
        begin = round((self._source.info.sound_begin_s or 0.0) * TICK_RATE)

        def packets() -> Iterator[tuple[float, list[av.Packet[Any]]]]:
            at = begin
            pending: F32 = np.zeros((2, 0), np.float32)
            for block in open_audio(self._source.path).heard():
                pending = np.concatenate([pending, np.broadcast_to(block, (2, block.shape[1]))], axis=1)
                while pending.shape[1] >= _AAC_SAMPLES:
                    yield at / TICK_RATE, coder.encode(_sound_frame(pending[:, :_AAC_SAMPLES], at))
                    pending, at = pending[:, _AAC_SAMPLES:], at + _AAC_SAMPLES
            if pending.shape[1]:
                yield at / TICK_RATE, coder.encode(_sound_frame(pending, at))
            yield at / TICK_RATE, coder.encode(None)

        return packets()

    def write(self, image: U8, time_s: float) -> None:
        """The picture shown from `time_s` on; times grow."""
        even = np.ascontiguousarray(image[: self.height, : self.width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", src_color_range="JPEG"
        )
        frame.pts, frame.time_base = round(time_s * _CLOCK_HZ), Fraction(1, _CLOCK_HZ)
        self._mux(self._video.encode(frame))
        self.pictures += 1
        self._write_sound(time_s + _AHEAD_S)

    def _write_sound(self, until_s: float) -> None:
        while self._next_sound is not None and self._next_sound[0] <= until_s:
            self._mux(self._next_sound[1])
            self._next_sound = next(self._sound, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write_sound(float("inf"))
                self._mux(self._video.encode(None))
                self._made.close()
        except OSError as failure:  # FFmpeg's errors with a number are OSErrors as well
            error = write_error(self.path, failure)
            raise error from failure
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                with contextlib.suppress(FFmpegError, OSError):
                    self._made.close()
            self._cleanup.__exit__(type(error) if error else None, error, None)

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        try:
            for packet in packets:
                self._made.mux(packet)
        except OSError as failure:
            raise write_error(self.path, failure) from failure


def _sound_frame(samples: F32, at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = TICK_RATE, at, Fraction(1, TICK_RATE)
    return frame
