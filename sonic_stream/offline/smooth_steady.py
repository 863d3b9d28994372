"""Takes the shaking out of a film: what trembles is moved back, what moves is left alone.

Between neighbouring pictures the motion of skin, hair and background is measured by optical flow (OpenCV
DIS), pooled into a coarse field that says nothing about mouth and eyes: these ride with the face about them,
so that closures and blinks keep their own movement. The path of every place of that field is smoothed by a
local quadratic (after "MeshFlow", Liu et al., ECCV 2016, which smooths such paths to steady cameras), and
each picture is warped once by the difference; pixels of different pictures are never mixed here, so teeth
stay sharp. Then neighbouring pictures are laid onto each other along those courses, and averaged where they
differ by no more than noise does: that takes the flicker out of skin and hair, also of a head that moves, and
leaves alone what moves in itself.

A steadied picture needs `REACH` later pictures. Memory is flat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np

from sonic_stream.face.regions import EYE_LEFT, EYE_RIGHT, LIPS_OUTER
from sonic_stream.face.tracker import CHIN, TrackedFace
from sonic_stream.media.video_file import TimedPicture
from sonic_stream.types import F32, U8

REACH: Final = 4
"""Pictures before and after that a path's smooth course is found from."""
_TAPER: Final = 2.0
"""Standard deviation, in pictures, of their weights: nods to 2 Hz stay (96 %), trembling goes (to 11 %)."""
FLOW_PX: Final = 512
"""Longer side of the pictures that flow is measured in."""
CELL_PX: Final = 16
POOL_CELLS: Final = 2.0
"""Standard deviation of the pooling, in cells: a tenth of a face that fills a usual crop."""
LIKE: Final = 10.0
"""Grey levels by which a place may differ from where the flow says it was."""
LARGEST: Final = 0.015
"""A picture is moved by no more than this share of the longer side."""
STAYS: Final = 0.02
"""Movements below this many px are none."""
CUT_DIFFERENCE: Final = 28.0
CUT_LIKENESS: Final = 0.6
"""Two pictures that differ this much in grey, and are this little alike, are of two scenes."""
QUIET_REACH: Final = 2
NOISE: Final = (0.8, 5.0)
"""Least and largest noise that is averaged, grey levels."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture with its face (None where there is none); `begins` a new scene."""

    picture: TimedPicture
    face: TrackedFace | None
    begins: bool


class _Flow:
    """Dense motion of grey pictures, in px of the pictures given."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, first: U8, second: U8) -> F32:
        return np.asarray(self._dis.calc(first, second, None), np.float32)  # type: ignore[call-overload]


def grey_of(image: U8, longer_px: int) -> tuple[U8, float]:
    """The picture in grey, made smaller to `longer_px` if it is larger, and by how much."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, longer_px / max(grey.shape))
    if scale < 1:
        size = round(grey.shape[1] * scale), round(grey.shape[0] * scale)
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8), scale


def is_cut(before: U8, after: U8) -> bool:
    """Whether two grey pictures belong to different scenes."""
    first, second = (
        cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        for grey in (before, after)
    )
    if float(np.abs(first - second).mean()) < CUT_DIFFERENCE:
        return False
    first, second = first - first.mean(), second - second.mean()
    along = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) < CUT_LIKENESS * max(along, 1e-6)


@cache
def course(before: int, after: int) -> F32:
    """Weights, float32 [before + 1 + after], that give a quadratic's value in the middle picture."""
    at = np.arange(-before, after + 1, dtype=np.float64)
    weight = np.exp(-0.5 * (at / _TAPER) ** 2)
    degree = min(2, before + after)
    terms = np.stack([at**power for power in range(degree + 1)], axis=1)
    solved = np.linalg.solve(terms.T @ (weight[:, None] * terms), terms.T * weight)
    return np.asarray(solved[0], np.float32)


def steady(shots: Iterable[Shot]) -> Iterator[Shot]:
    """The shots with trembling and flicker taken out, one for one, at their own times."""
    return _quieted(_steadied(shots))


@dataclass(frozen=True, slots=True)
class _Placed:
    shot: Shot
    path: F32
    """Where each cell has got to since the scene began, px, float32 [rows, columns, 2]."""


def _steadied(shots: Iterable[Shot]) -> Iterator[_Placed]:
    flow = _Flow()
    window: deque[_Placed] = deque()
    first = 0  # index in `window` of the next one to give out
    last_grey: U8 | None = None
    for shot in shots:
        grey, scale = grey_of(shot.picture.image, FLOW_PX)
        if last_grey is None or shot.begins:
            while first < len(window):
                yield _warped(window, first)
                first += 1
            window.clear()
            first = 0
            rows, columns = (max(side // CELL_PX, 2) for side in grey.shape)
            path = np.zeros((rows, columns, 2), np.float32)
        else:
            step = _pooled(flow(grey, last_grey), grey, last_grey, shot.face, scale)
            # Flow from this picture back to the one before, so the way itself is its negative.
            path = window[-1].path - step / scale
        last_grey = grey
        window.append(_Placed(shot, path))
        if len(window) - first > REACH:
            yield _warped(window, first)
            first += 1
            if first > REACH:
                window.popleft()
                first -= 1
    while first < len(window):
        yield _warped(window, first)
        first += 1


def _pooled(flow: F32, grey: U8, last: U8, face: TrackedFace | None, scale: float) -> F32:
    """Flow by cell, from places that have something to see, are found again, and are no mouth or eye."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    energy = cv2.GaussianBlur(across * across + down * down, (0, 0), 2)
    x, y = np.meshgrid(np.arange(grey.shape[1], dtype=np.float32), np.arange(grey.shape[0], dtype=np.float32))
    found = cv2.remap(
        last, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    unlike = cv2.blur(cv2.absdiff(found, grey).astype(np.float32), (5, 5))
    weight = energy / (energy + 400.0) * np.exp(-((unlike / LIKE) ** 2)) + 1e-4
    if face is not None:
        mask = np.zeros(grey.shape, np.uint8)
        points = face.points[:, :2] * scale
        height = face.height * scale
        for ring, grown in ((LIPS_OUTER, 0.1), (EYE_LEFT, 0.05), (EYE_RIGHT, 0.05)):
            outline = [points[list(ring)].astype(np.int32)]
            cv2.fillPoly(mask, outline, 1)
            cv2.polylines(mask, outline, True, 1, max(1, round(2 * grown * height)))
        # The chin follows the jaw, not the head.
        cv2.circle(mask, tuple(points[CHIN].astype(int).tolist()), max(1, round(0.15 * height)), 1, -1)
        weight[mask > 0] *= 1e-3
    rows, columns = (max(side // CELL_PX, 2) for side in grey.shape)
    stacked = np.dstack([flow[..., 0] * weight, flow[..., 1] * weight, weight])
    cells = cv2.resize(stacked, (columns, rows), interpolation=cv2.INTER_AREA)
    cells = cv2.GaussianBlur(cells, (0, 0), POOL_CELLS)
    return np.asarray(cells[..., :2] / cells[..., 2:], np.float32)


def _warped(window: deque[_Placed], index: int) -> _Placed:
    """The shot at `index` of the window, moved to where its path's smooth course is, with that course."""
    placed = window[index]
    low, high = max(index - REACH, 0), min(index + REACH, len(window) - 1)
    weights = course(index - low, high - index)
    smooth = sum(weight * window[i].path for weight, i in zip(weights, range(low, high + 1), strict=True))
    image = placed.shot.picture.image
    limit = LARGEST * max(image.shape[:2])
    move = np.clip(np.asarray(smooth) - placed.path, -limit, limit)
    course_there = np.asarray(placed.path + move, np.float32)
    if float(np.abs(move).max()) < STAYS:
        return _Placed(placed.shot, course_there)
    picture = TimedPicture(placed.shot.picture.time_s, _sampled(image, -move))
    return _Placed(Shot(picture, placed.shot.face, placed.shot.begins), course_there)


def _sampled(image: U8, away: F32) -> U8:
    """What `image` shows `away` (px by cell, [rows, columns, 2]) from each place."""
    height, width = image.shape[:2]
    dense = cv2.resize(away, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        image, x + dense[..., 0], y + dense[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _quieted(shots: Iterable[_Placed]) -> Iterator[Shot]:
    """Averages each picture with its neighbours where they differ by noise alone."""
    window: deque[_Placed] = deque()
    first = 0
    for placed in shots:
        if placed.shot.begins:
            while first < len(window):
                yield _averaged(window, first)
                first += 1
            window.clear()
            first = 0
        window.append(placed)
        if len(window) - first > QUIET_REACH:
            yield _averaged(window, first)
            first += 1
            if first > QUIET_REACH:
                window.popleft()
                first -= 1
    while first < len(window):
        yield _averaged(window, first)
        first += 1


def _averaged(window: deque[_Placed], index: int) -> Shot:
    placed = window[index]
    shot, grey = placed.shot, _grey(placed.shot.picture.image)
    low, high = max(index - QUIET_REACH, 0), min(index + QUIET_REACH, len(window) - 1)
    others = [window[i] for i in range(low, high + 1) if i != index]
    # Half of all pixels differ by less than the noise; a still, clean picture is left alone.
    if not others or _noise(grey, _grey(others[len(others) // 2].shot.picture.image)) < NOISE[0]:
        return shot
    laid = [_laid(other, placed.path) for other in others]
    limit = 2.5 * min(max(_noise(grey, _grey(laid[len(laid) // 2])), NOISE[0]), NOISE[1])
    total = shot.picture.image.astype(np.float32)
    weights = np.ones(grey.shape, np.float32)
    for image in laid:
        local = cv2.blur(cv2.absdiff(grey, _grey(image)).astype(np.float32), (5, 5))
        weight = np.exp(-((local / limit) ** 4))
        total += weight[..., None] * image
        weights += weight
    image = np.clip(total / weights[..., None] + 0.5, 0, 255).astype(np.uint8)
    return Shot(TimedPicture(shot.picture.time_s, image), shot.face, shot.begins)


def _laid(other: _Placed, path: F32) -> U8:
    """The picture of `other` as it would be with every cell where `path` has it."""
    away = other.path - path
    image = other.shot.picture.image
    return image if float(np.abs(away).max()) < STAYS else _sampled(image, away)


def _noise(first: U8, second: U8) -> float:
    """By how many grey levels half of all places differ."""
    return float(np.median(cv2.absdiff(first, second)[::4, ::4]))


def _grey(image: U8) -> U8:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
