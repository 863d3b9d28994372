"""Video files -> pictures with their times, one after the other, with flat memory whatever their length.

A `VideoFile` is only a checked path; each reader opens the file for itself. Times are seconds on the file's
own clock, which its sound shares (`sound_begin_s`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Colorspace

from sonic_stream.errors import BadInputError
from sonic_stream.types import U8

MAX_SIDE_PX: Final = 8192
MIN_SIDE_PX: Final = 16
_VALID: Final = "mp4, mov, webm, mkv or avi is needed"
# Containers only, no playlists: a video must not make us open other files or addresses.
_DEMUXERS: Final = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
_ATTACHED: Final = 0x400
"""FFmpeg's mark of a cover picture, which is no video."""
# FFmpeg's numbers of the matrices; 6 (SMPTE 170M) has the values of BT.601.
_MATRICES: Final = {
    1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M, 9: Colorspace.BT2020,
}  # fmt: skip
_HD_HEIGHT_PX: Final = 720
_USUAL_RATE: Final = Fraction(25)
_RATES: Final = (Fraction(1), Fraction(1000))


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video's header says, and where its sound begins."""

    width: int
    height: int
    """Of the upright picture, px."""
    rate: Fraction
    """Pictures a second, on average."""
    count: int | None
    """Pictures, about; None where the file does not say."""
    begin_s: float
    """When the first picture is shown."""
    sound_begin_s: float | None
    """When the first sample is heard; None without sound."""


@dataclass(frozen=True, slots=True)
class TimedPicture:
    """`image` uint8 [H, W, 3] RGB, upright, shown from `time_s` on."""

    time_s: float
    image: U8


class VideoFile:
    """A video that can be read; made by `open_video`."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.path = path
        self.name = f"'{path}'"
        self.info = info

    def pictures(self) -> Iterator[TimedPicture]:
        """All pictures in the order they are shown. Damaged ones are left out."""
        with _open(self.path, self.name) as container:
            stream = _video_stream(container, self.name)
            stream.thread_type = "AUTO"
            last_s = -float("inf")
            for frame in _frames(container, stream):
                if frame.pts is None or frame.time_base is None:
                    time_s = last_s + float(1 / self.info.rate) if np.isfinite(last_s) else 0.0
                else:
                    time_s = float(frame.pts * frame.time_base)
                image = _upright(frame)
                if time_s <= last_s or image.shape[:2] != (self.info.height, self.info.width):
                    continue  # shown at no time of its own, or of another size: not part of the video
                last_s = time_s
                yield TimedPicture(time_s, image)


def open_video(path: str | Path) -> VideoFile:
    """The video at `path`, its header looked at and its first picture decoded.

    Errors: `BadInputError` when it is absent, empty, or not a file with pictures.
    """
    path = Path(path)
    name = f"'{path}'"
    try:
        if path.is_dir():
            raise BadInputError(f"{name} is a folder; {_VALID}.")
        if not path.exists():
            raise BadInputError(f"There is no video {name}; give the path of an existing one.")
        if not path.is_file():
            raise BadInputError(f"{name} is not a regular file, which a video has to be; save it first.")
        if path.stat().st_size == 0:
            raise BadInputError(f"{name} is empty; {_VALID}.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise BadInputError(f"The video {name} cannot be read ({error.strerror}).") from None
    except ValueError:  # a path with a zero byte
        raise BadInputError(f"{str(path)!r} is not a path.") from None
    with _open(path, name) as container:
        stream = _video_stream(container, name)
        sides = stream.width, stream.height
        if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in sides):
            raise BadInputError(
                f"The video {name} has {sides[0]} x {sides[1]} pixels; sides of {MIN_SIDE_PX} to "
                f"{MAX_SIDE_PX} are possible."
            )
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        rate = rate if _RATES[0] <= rate <= _RATES[1] else _USUAL_RATE
        count = stream.frames or None
        if count is None and container.duration:
            count = max(round(container.duration / av.time_base * rate), 1)
        first = next(_frames(container, stream), None)
        if first is None:
            raise BadInputError(f"The video {name} holds no picture that can be decoded; {_VALID}.")
        begin_s = float(first.pts * first.time_base) if first.pts and first.time_base else 0.0
        height, width = _upright(first).shape[:2]
    return VideoFile(path, VideoInfo(width, height, rate, count, begin_s, _sound_begin_s(path, name)))


def _open(path: Path, name: str) -> av.container.InputContainer:
    try:
        # "file:" keeps a name such as "http:x" a name; broken tags must not stop the pictures.
        return av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file", "format_whitelist": _DEMUXERS},
            metadata_errors="replace",
        )
    except (FFmpegError, UnicodeError):
        raise BadInputError(f"{name} is not a video that can be read, or is cut off; {_VALID}.") from None


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    for stream in container.streams.video:
        if not int(stream.disposition) & _ATTACHED:
            return stream
    raise BadInputError(f"{name} has no pictures; {_VALID}.")


def _frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError:  # the container breaks off: what came before is used
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.VideoFrame)
            yield frame


def _upright(frame: av.VideoFrame) -> U8:
    """RGB of a frame by its own matrix (BT.601 or 709), turned as its file asks."""
    # Where nothing is said: what players then assume.
    usual = Colorspace.ITU709 if frame.height >= _HD_HEIGHT_PX else Colorspace.ITU601
    matrix = _MATRICES.get(int(frame.colorspace), usual)
    image = np.asarray(frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray(), np.uint8)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _sound_begin_s(path: Path, name: str) -> float | None:
    with _open(path, name) as container:
        if not container.streams.audio:
            return None
        packets = container.demux(container.streams.audio[0])
        while True:
            try:
                for frame in next(packets).decode():
                    if frame.pts is not None and frame.time_base is not None:
                        return float(frame.pts * frame.time_base)
                    return 0.0
            except StopIteration:
                return None
            except FFmpegError:
                continue
