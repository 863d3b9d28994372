"""Motion smoothing of finished videos: trembling and flicker out, and more pictures a second.

Coefficients are the better thing to interpolate where there are any (`render --fps 50`); this is for videos
of which there are only the pixels. The sound is copied as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.face.tracker import FaceTracker
from sonic_stream.media.reencode import SUFFIXES, Reencoder
from sonic_stream.media.video import check_output
from sonic_stream.media.video_file import TimedPicture, open_video
from sonic_stream.offline.background import Background
from sonic_stream.offline.calibrate_lips import FaceFollower
from sonic_stream.offline.smooth_between import resampled
from sonic_stream.offline.smooth_steady import FLOW_PX, REACH, Shot, grey_of, is_cut, steady
from sonic_stream.types import F32, U8

RATES: Final = (1.0, 240.0)
FACE_BY_S: Final = 10.0
"""A video that shows no face by then is refused, before time is spent on it."""
LEAST_PICTURES: Final = 2 * REACH + 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SmoothReport:
    """What became of a video."""

    path: Path
    pictures_before: int
    pictures: int
    cuts: int
    jitter_ratio: float | None
    """Trembling after over before, in still stretches; None where there was none to measure, or the face
    was lost."""


def smooth(
    video: str | Path,
    out: str | Path,
    *,
    fps: float | Fraction | None = None,
    measure: bool = False,
    progress: Progress | None = None,
    tracker: FaceTracker | None = None,
) -> SmoothReport:
    """Writes `video` to `out` (H.264), steadied, at `fps` pictures a second (None: at its own times).

    With `measure` the face is tracked again in the result. Errors: `NoFaceError` for a video without a face,
    `BadInputError` for other unusable input; nothing half-written is left.
    """
    out = check_output(out, SUFFIXES)
    rate = check_rate(fps)
    file = open_video(video)
    if out.exists() and out.samefile(file.path):
        raise BadInputError(f"The output '{out}' is the input; name another file.")
    told = _Told(progress, file.info.count or 0)
    shots = _Shots(file.pictures(), file.name, told, tracker)
    before = _Points()
    steadied = steady(before.watched(shots))
    pictures: Iterable[TimedPicture] = (
        resampled(steadied, rate) if rate else (shot.picture for shot in steadied)
    )
    with (
        Reencoder(file, out, rate or file.info.rate) as writer,
        Background[TimedPicture](lambda one: writer.write(one.image, one.time_s), "encode") as encoder,
    ):
        for picture in pictures:
            encoder.put(picture)
        shots.check_face()
    ratio = None
    if measure:
        after = _Points()
        for _ in after.watched(_Shots(open_video(out).pictures(), str(out), _Told(None, 0), tracker)):
            pass
        ratio = jitter_ratio(before, after)
    return SmoothReport(out, shots.count, writer.pictures, shots.cuts, ratio)


def check_rate(fps: float | Fraction | None) -> Fraction | None:
    """`fps` as a fraction. Errors: `BadInputError` naming the valid range."""
    if fps is None:
        return None
    if not np.isfinite(float(fps)) or not RATES[0] <= fps <= RATES[1]:
        raise BadInputError(f"fps is {fps}, but has to be a number from {RATES[0]:g} to {RATES[1]:g}.")
    # 29.97 and its kin mean n * 1000 / 1001 exactly.
    whole = round(float(fps) * 1.001)
    if float(fps) != round(float(fps)) and abs(whole / 1.001 - float(fps)) < 0.002:
        return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(1001)


class _Told:
    """Counts pictures for the user."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total = progress, total

    def __call__(self, done: int) -> None:
        if self._progress:
            self._progress(done, max(self._total, done))


class _Shots:
    """The pictures of a video with their faces and cuts."""

    def __init__(
        self, pictures: Iterable[TimedPicture], name: str, told: _Told, tracker: FaceTracker | None
    ) -> None:
        self._pictures, self._name, self._told = pictures, name, told
        self._follower = FaceFollower(tracker)
        self.count = self.cuts = self._faces = 0

    def __iter__(self) -> Iterator[Shot]:
        last: U8 | None = None
        begin_s: float | None = None
        for picture in self._pictures:
            begin_s = picture.time_s if begin_s is None else begin_s
            grey, _ = grey_of(picture.image, FLOW_PX)
            cut = last is not None and is_cut(last, grey)
            if cut:
                self._follower.forget()
            face = self._follower.step(picture)
            self.count += 1
            self.cuts += cut
            self._faces += face is not None
            if not self._faces and picture.time_s - begin_s > FACE_BY_S:
                self.check_face()
            yield Shot(picture, face, cut or last is None)
            last = grey
            self._told(self.count)

    def check_face(self) -> None:
        if not self._faces:
            raise NoFaceError(
                f"{self._name} shows no face (looked at {self.count} pictures); smoothing is made for "
                "talking heads, and what mouth and eyes do has to be known."
            )


class _Points:
    """Landmarks of a film over time, from its first picture on: containers may move the whole."""

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.points: list[F32] = []

    def watched(self, shots: Iterable[Shot]) -> Iterator[Shot]:
        begin_s: float | None = None
        for shot in shots:
            begin_s = shot.picture.time_s if begin_s is None else begin_s
            if shot.face is not None:
                self.times_s.append(shot.picture.time_s - begin_s)
                self.points.append(shot.face.points[:, :2])
            yield shot


def jitter(points: F32) -> tuple[F32, F32]:
    """Trembling and speed by picture of landmarks [T, L, 2]: [T - 2] each, in face heights.

    Trembling is the mean length of the second differences; speed that of the first differences of the
    landmarks' means over seven pictures.
    """
    height = float(np.linalg.norm(points[:, 10] - points[:, 152], axis=1).mean())
    second = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=2).mean(axis=1)
    padded = np.concatenate([points[:1].repeat(3, 0), points, points[-1:].repeat(3, 0)])
    slow = np.mean([padded[i : len(points) + i] for i in range(7)], axis=0)
    speed = np.linalg.norm((slow[2:] - slow[:-2]) / 2, axis=2).mean(axis=1)
    return np.asarray(second / height, np.float32), np.asarray(speed / height, np.float32)


STILL_SHARE: Final = 0.25
"""The stillest part of a video's pictures, in which trembling is measured ..."""
STILL: Final = 0.008
"""... as far as the face moves less than this there, in face heights a picture."""


def jitter_ratio(before: _Points, after: _Points) -> float | None:
    """Trembling after over before where the face is still, at the pictures that both have."""
    where = {round(time_s * 1000): i for i, time_s in enumerate(after.times_s)}
    both = [
        (i, where[ms]) for i, time_s in enumerate(before.times_s) if (ms := round(time_s * 1000)) in where
    ]
    if len(both) < LEAST_PICTURES:
        return None
    first, second = (
        np.stack([points[k] for k in at])
        for points, at in ((before.points, [a for a, _ in both]), (after.points, [b for _, b in both]))
    )
    was, speed = jitter(first)
    now, _ = jitter(second)
    still = speed <= min(STILL, float(np.quantile(speed, STILL_SHARE)))
    if still.sum() < LEAST_PICTURES:
        return None
    return float(now[still].mean() / max(float(was[still].mean()), 1e-9))
