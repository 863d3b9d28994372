"""Lip calibration: how far lips and sound of a finished video are apart, and putting that right.

The lips are tracked again in the pictures and compared with the motion that the shipped voice model asks of
the sound. Offsets up to `MENDABLE_S` are mended: in a finished video by moving its sound in time (neither
pictures nor samples change), before a render by moving the stored coefficients. Larger ones are only told,
because they mean another cause, which a person should look at.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.audio import AudioFile, open_audio
from sonic_stream.media.framing import HopFramer
from sonic_stream.media.remux import SUFFIXES, retimed
from sonic_stream.media.video import check_output
from sonic_stream.media.video_file import TimedPicture, VideoFile, open_video
from sonic_stream.offline.calibrate_fit import Lag, cubic, find_lag
from sonic_stream.offline.calibrate_lips import LipTrack, track_lips
from sonic_stream.offline.motion_file import StoredMotion
from sonic_stream.offline.parts import Parts
from sonic_stream.timebase import FPS, FRAME_TICKS, HOP_SAMPLES, ticks
from sonic_stream.types import CHANNEL_INDEX, F32, MOUTH_CHANNELS, Controls

MENDABLE_S: Final = 0.05
GOOD_S: Final = 0.010
"""What nobody sees, and about what a measurement is good for."""
SURE: Final = 0.5
"""Confidence from which an offset is acted upon."""
USUAL_LIMIT_S: Final = 120.0
"""How much of a video is looked at: an offset is the same everywhere."""

Progress = Callable[[int, int], None]
_SLACK_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found in a video."""

    lag: Lag
    pictures: int
    """Pictures that showed a face."""

    @property
    def offset_s(self) -> float:
        """Positive: the lips come after the sound."""
        return self.lag.offset_s

    @property
    def sure(self) -> bool:
        return self.lag.confidence >= SURE

    @property
    def mendable(self) -> bool:
        return self.sure and abs(self.offset_s) <= MENDABLE_S + _SLACK_S

    def sentence(self) -> str:
        """The finding in words."""
        offset_ms = self.offset_s * 1000
        when = "after" if offset_ms > 0 else "before"
        spread = f" +- {self.lag.spread_s * 1000:.0f}" if np.isfinite(self.lag.spread_s) else ""
        found = f"The lips come {abs(offset_ms):.0f}{spread} ms {when} the sound"
        told = f"correlation {self.lag.correlation:.2f}, confidence {self.lag.confidence:.2f}"
        if not self.sure:
            return f"{found}, but that is not sure ({told}); a longer or clearer stretch of speech may tell."
        if abs(self.offset_s) <= GOOD_S:
            return f"{found} ({told}): nothing to mend."
        if self.mendable:
            return f"{found} ({told})."
        return (
            f"{found} ({told}); that is more than the {MENDABLE_S * 1000:.0f} ms that are mended unasked: "
            "check that this sound belongs to these pictures."
        )


@dataclass(frozen=True, slots=True)
class Mended:
    """A video put right: `before` and `after`, measured in the same pictures."""

    path: Path
    before: Calibration
    after: Calibration


def heard_motion(blocks: Iterable[F32], parts: Parts) -> F32:
    """The coefficients float32 [T, channels], 25 a second, that 48 kHz mono `blocks` ask for."""
    model, controls = parts.voice_model(), Controls()
    model.reset(0, controls.seed)
    framer = HopFramer()
    rows: list[F32] = []

    def hops() -> Iterator[F32]:
        for block in blocks:
            yield from (hop.samples for hop in framer.push(block))
        yield from (hop.samples for hop in framer.push(np.zeros(0, np.float32), last=True))
        for _ in range(model.lookahead // FRAME_TICKS):
            yield np.zeros(HOP_SAMPLES, np.float32)

    for number, samples in enumerate(hops()):
        frame = model.step([0], [number * FRAME_TICKS], samples[None], [controls])[0]
        if frame.pts >= 0:
            rows.append(np.array(frame.coeffs, np.float32))
    return np.array(rows, np.float32).reshape(-1, len(CHANNEL_INDEX))


def compare(track: LipTrack, asked: F32, sound_begin_s: float, name: str) -> Calibration:
    """The offset of tracked lips against asked-for motion that begins at `sound_begin_s`.

    Errors: `SonicError` when too little moves or sounds to compare.
    """
    seen = {"aperture": track.aperture, "width": track.width}
    lag = find_lag(track.times_s, seen, asked, sound_begin_s)
    if lag is None:
        raise SonicError(
            f"Lips and sound of {name} cannot be compared: a second or more with speech and moving lips is "
            "needed."
        )
    return Calibration(lag, len(track.times_s))


def calibrate(
    video: str | Path,
    out: str | Path | None = None,
    *,
    by_s: float | None = None,
    limit_s: float = USUAL_LIMIT_S,
    progress: Progress | None = None,
    parts: Parts | None = None,
) -> Calibration | Mended:
    """Measures the offset of `video`; with `out` also writes it mended, and measures that.

    `by_s` says how late the lips are and is followed whatever is measured. Errors: `NoFaceError` and
    `BadInputError` for a video without a face or sound, `SonicError` when the offset is too large or unsure
    to be mended unasked; nothing is written then.
    """
    parts = parts or Parts()
    file = open_video(video)
    if out is not None:
        out = check_output(out, SUFFIXES)
        if out.exists() and out.samefile(file.path):
            raise BadInputError(f"The output '{out}' is the input; name another file.")
    begin_s = _sound_begin_s(file)
    sound = open_audio(file.path)
    sound.check()
    total = min(round(limit_s * file.info.rate), file.info.count or 0)

    def told(done: int) -> None:
        if progress:
            progress(done, max(total, done))

    track = track_lips(_until(file.pictures(), file.info.begin_s + limit_s), file.name, told)
    end_s = float(track.times_s[-1]) + 2.0
    asked = heard_motion(_first(sound, end_s - begin_s), parts)
    before = compare(track, asked, begin_s, file.name)
    if out is None:
        return before
    if by_s is None and not before.mendable:
        raise SonicError(
            f"{before.sentence()} Nothing was written; to move the sound all the same, say by how much "
            "(--by-ms)."
        )
    made = open_video(retimed(file, out, before.offset_s if by_s is None else by_s))
    # The pictures are the same, so that the lips need not be tracked again; only their times may be others.
    track = replace(track, times_s=track.times_s + (made.info.begin_s - file.info.begin_s))
    asked = heard_motion(_first(open_audio(made.path), end_s - begin_s), parts)
    return Mended(made.path, before, compare(track, asked, _sound_begin_s(made), made.name))


def moved(motion: StoredMotion, later_s: float) -> StoredMotion:
    """`motion` with the mouth `later_s` later (negative: earlier), at the same length.

    Between rows it is interpolated, and no channel leaves the range it had. Head, eyes and brows stay.
    """
    rows = motion.coeffs.copy()
    at = np.clip(np.arange(len(rows)) - later_s * FPS, 0, len(rows) - 1)
    for name in MOUTH_CHANNELS:
        column = rows[:, CHANNEL_INDEX[name]]
        rows[:, CHANNEL_INDEX[name]] = np.clip(cubic(column, at), column.min(), column.max())
    return StoredMotion(rows, motion.lookahead)


def _until(pictures: Iterator[TimedPicture], end_s: float) -> Iterator[TimedPicture]:
    return itertools.takewhile(lambda picture: picture.time_s < end_s, pictures)


def _first(sound: AudioFile, length_s: float) -> Iterator[F32]:
    left = ticks(max(length_s, 0.0))
    for block in sound.blocks():
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def _sound_begin_s(file: VideoFile) -> float:
    if file.info.sound_begin_s is None:
        raise BadInputError(f"{file.name} has no sound that lips could follow; give a video with speech.")
    return file.info.sound_begin_s
