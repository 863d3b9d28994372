"""What the lips in pictures do: tracked gap and width over time.

Knows no sound. The face is found once and then followed from picture to picture; where it is lost it is
looked for again once a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonic_stream.errors import NoFaceError
from sonic_stream.face.tracker import (
    CHIN,
    EYE_OUTER_LEFT,
    EYE_OUTER_RIGHT,
    FOREHEAD,
    FaceTracker,
    TrackedFace,
    shared_tracker,
)
from sonic_stream.media.video_file import TimedPicture
from sonic_stream.types import F32

LIP_UPPER, LIP_LOWER = 13, 14
CORNER_RIGHT, CORNER_LEFT = 61, 291
SEARCH_AGAIN_S: Final = 1.0
"""A search for a lost face costs as much as following one for seconds."""
LEAST_SHARE: Final = 0.2
"""Of the pictures that must show a face."""

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LipTrack:
    """Lips over time, only where a face was found; all arrays [N]."""

    times_s: Curve
    aperture: Curve
    """Gap of the inner lips over the face height."""
    width: Curve
    """Distance of the mouth's corners over that of the eyes' outer corners."""
    pictures: int
    """Looked at in all."""


class FaceFollower:
    """Finds a face in a film and keeps to it: `step` takes its pictures in order."""

    def __init__(self, tracker: FaceTracker | None = None) -> None:
        self._tracker = tracker or shared_tracker()
        self._face: TrackedFace | None = None
        self._next_search_s = -np.inf

    def forget(self) -> None:
        """After a cut: whoever comes next is looked for at once."""
        self._face, self._next_search_s = None, -np.inf

    def step(self, picture: TimedPicture) -> TrackedFace | None:
        """The face in `picture`, or None."""
        if self._face is not None:
            self._face = self._tracker.follow(picture.image, self._face)
        if self._face is None and picture.time_s >= self._next_search_s:
            found = self._tracker.search(picture.image)
            self._face = found[0] if found else None
            self._next_search_s = picture.time_s + SEARCH_AGAIN_S
        return self._face


def lips_of(points: F32) -> tuple[float, float]:
    """Aperture and width of one face's mouth, as in `LipTrack`, from landmarks [478, 3]."""
    down = points[CHIN, :2] - points[FOREHEAD, :2]
    height = max(float(np.linalg.norm(down)), 1e-6)
    gap = float((points[LIP_LOWER, :2] - points[LIP_UPPER, :2]) @ down) / height**2
    eyes = float(np.linalg.norm(points[EYE_OUTER_LEFT, :2] - points[EYE_OUTER_RIGHT, :2]))
    corners = float(np.linalg.norm(points[CORNER_LEFT, :2] - points[CORNER_RIGHT, :2]))
    return gap, corners / max(eyes, 1e-6)


def track_lips(
    pictures: Iterable[TimedPicture],
    name: str,
    progress: Callable[[int], None] | None = None,
    tracker: FaceTracker | None = None,
) -> LipTrack:
    """The lips in `pictures` (of the video called `name`); `progress` is told how many are done.

    Errors: `NoFaceError` when hardly any picture shows a face.
    """
    follower = FaceFollower(tracker)
    rows: list[tuple[float, float, float]] = []
    done = 0
    for done, picture in enumerate(pictures, start=1):
        face = follower.step(picture)
        if face is not None:
            rows.append((picture.time_s, *lips_of(face.points)))
        if progress:
            progress(done)
    if len(rows) < LEAST_SHARE * done or not rows:
        seen = f"only {len(rows)} of {done} pictures show one" if rows else "none was found"
        raise NoFaceError(f"{name} shows no face that can be followed ({seen}); a talking head is needed.")
    times_s, aperture, width = np.array(rows, np.float64).T
    return LipTrack(times_s, aperture, width, done)
