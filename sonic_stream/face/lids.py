"""Finds the true edge of eyes that are larger than a person's.

The tracker knows people. On a drawn or modelled figure with large eyes its lids lie well inside the eye, and
a ring of iris and white would count as skin of the lids. There the edge is sought outwards from the tracked
one: how far the colours are still those of the eye and not those of the skin further out. Eyes of a person's
size stay as tracked.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.fit import F64
from sonic_stream.types import F32, U8

_AROUND, _STEPS = 96, 44
_REACH = 0.34
"""How far from the tracked edge the true one is sought, in widths of the tracked eye."""
_SKIN = (0.36, 0.46)
"""Where, in the same widths, skin is taken for skin."""
_PATCH_PX = 160
"""Width of the tracked eye where colours are compared, px."""
_LASH_PX = 9
"""Strokes thinner than half of this are left out."""
_LIGHTNESS, _LEAST_APART = 0.3, 8.0
"""What lightness counts beside colour, for skin has shade; and the CIELAB distance at which skin ends."""
_BEND = 30.0
"""Cost of a step of the edge, squared, from one place to the next."""
_LARGER, _CRISP = 1.5, 25.0
"""Area against the tracked one, and usual contrast (CIELAB) across the edge, from which an eye is larger than
a person's. Lashes make an area of 1.35; on paintings the eye's colours run on, but without an edge: 18."""
_ACROSS = 4
"""Steps on both sides of the edge between which that contrast is taken."""
_FADE = 0.55
"""How far around the eye its surroundings give way, in widths of the tracked eye."""

_EYES = (
    (regions.EYE_LEFT, regions.CORNERS_LEFT, regions.IRIS_LEFT),
    (regions.EYE_RIGHT, regions.CORNERS_RIGHT, regions.IRIS_RIGHT),
)


def settle_lids(crop: U8, landmarks: F32) -> F32:
    """`landmarks` [478, 2] px with the lids on the edge of large eyes; unchanged for a person's."""
    settled = landmarks.astype(np.float32, copy=True)
    moves = []
    for ring, corners, _ in _EYES:
        outline = landmarks[list(ring)].astype(np.float64)
        found, contrast = _edge(crop, outline, landmarks[list(corners)].astype(np.float64))
        if _area(found) < _LARGER * _area(outline) or contrast < _CRISP:
            return settled  # what is not so on both eyes is no figure's
        moves.append((outline, found - outline))
    for (ring, corners, iris), (outline, move) in zip(_EYES, moves, strict=True):
        width = float(np.linalg.norm(landmarks[corners[0]] - landmarks[corners[1]]))
        others = np.setdiff1d(np.arange(len(landmarks)), [*ring, *iris])
        _make_room(settled, others, outline, move, width)
        settled[list(ring)] = outline + move
        settled[list(iris)] = _whole_iris(crop, landmarks[list(iris)], outline + move)
    return settled


def _whole_iris(crop: U8, iris: F32, outline: F64) -> F64:
    """The points of an iris [5, 2], the middle first, moved out to where its colour ends inside `outline`."""
    middle = iris[0].astype(np.float64)
    radius = max(float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()), 1.0)
    sides = np.concatenate([np.linspace(-0.4, 0.4, 9), np.pi + np.linspace(-0.4, 0.4, 9)])
    grown = np.linspace(0.6, 2.2, 65)
    places = middle + radius * grown[:, None, None] * np.stack([np.cos(sides), np.sin(sides)], 1)
    x, y = places.astype(np.float32).transpose(2, 0, 1)
    soft = cv2.remap(crop, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32) / 255
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)
    inside = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(outline).astype(np.int32)], 1)
    within = cv2.remap(inside, x, y, cv2.INTER_NEAREST) > 0
    colour = np.median(lab[(grown > 0.65) & (grown < 0.95)], (0, 1))
    alike = np.linalg.norm((lab - colour)[..., 1:], axis=2) < 2 * _LEAST_APART
    share = (alike & within).sum(1) / np.maximum(within.sum(1), 1)
    ends = np.flatnonzero((grown > 1) & ((share < 0.5) | (within.sum(1) < 3)))
    return np.asarray(middle + (iris - middle) * (grown[ends[0]] if len(ends) else 1.0))


def _edge(crop: U8, outline: F64, corners: F64) -> tuple[F64, float]:
    """The edge of one eye at each point of its tracked `outline` [N, 2], outwards only; its contrast."""
    width = max(float(np.linalg.norm(corners[1] - corners[0])), 1.0)
    scale = _PATCH_PX / width
    low = outline.min(0) - 0.6 * width
    size = np.ceil((np.ptp(outline, axis=0) + 1.2 * width) * scale).astype(int)
    matrix = np.array([[1 / scale, 0, low[0]], [0, 1 / scale, low[1]]])
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    piece = cv2.warpAffine(crop, matrix, (int(size[0]), int(size[1])), flags=flags, borderMode=border)
    soft = cv2.medianBlur(piece, _LASH_PX).astype(np.float32) / 255
    lab = np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), np.float32)
    ring, ends = (outline - low) * scale, (corners - low) * scale
    closed = np.r_[ring, ring[:1]]
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))]
    at = np.linspace(0, along[-1], _AROUND, endpoint=False)
    start = np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], 1)
    outward = _outward(start, ends)
    skin = np.median(_seen(lab, start, outward, np.linspace(*_SKIN, 9) * _PATCH_PX), axis=1)
    skin = np.mean([np.roll(skin, turn, 0) for turn in range(-5, 6)], axis=0)
    seen = _seen(lab, start, outward, np.linspace(0, _REACH, _STEPS) * _PATCH_PX)
    to_skin = np.linalg.norm((seen - skin[:, None]) * (_LIGHTNESS, 1, 1), axis=2)
    step = _closed_path(np.cumsum(np.clip(to_skin / _LEAST_APART - 1, -1, 1), axis=1))
    place = np.arange(_AROUND)
    inner, outer = np.maximum(step - _ACROSS, 0), np.minimum(step + _ACROSS, _STEPS - 1)
    contrast = float(np.median(np.linalg.norm(seen[place, inner] - seen[place, outer], axis=1)))
    dense = start + (step / (_STEPS - 1) * _REACH * _PATCH_PX)[:, None] * outward
    return low + _placed_on(dense, ring, ends) / scale, contrast


def _placed_on(edge: F64, ring: F64, corners: F64) -> F64:
    """The points of a `ring` (one corner, lower lid, other corner, upper lid) put onto a found `edge`."""
    axis = (corners[1] - corners[0]) / max(float(np.linalg.norm(corners[1] - corners[0])), 1e-6)
    frame = np.stack([axis, [-axis[1], axis[0]]])
    if frame[1, 1] < 0:
        frame[1] *= -1
    (x, y), (ring_x, _) = (edge @ frame.T).T, (ring @ frame.T).T
    columns = np.linspace(x.min(), x.max(), 4 * _AROUND)
    closed_x, closed_y = np.r_[x, x[:1]], np.r_[y, y[:1]]
    low, high = np.minimum(closed_x[:-1], closed_x[1:]), np.maximum(closed_x[:-1], closed_x[1:])
    slope = np.diff(closed_y) / np.where(np.abs(np.diff(closed_x)) < 1e-9, 1e-9, np.diff(closed_x))
    crossed = closed_y[:-1] + (np.clip(columns[:, None], low, high) - closed_x[:-1]) * slope
    there = (columns[:, None] >= low) & (columns[:, None] <= high)
    top = np.where(there, crossed, np.inf).min(1)
    bottom = np.where(there, crossed, -np.inf).max(1)
    share = (ring_x - ring_x.min()) / max(float(np.ptp(ring_x)), 1e-6)
    at = columns[0] + share * (columns[-1] - columns[0])
    half = len(ring) // 2
    lower, number = np.interp(at, columns, bottom), np.arange(len(ring))
    new_y = np.where(number < half, lower, np.interp(at, columns, top))
    tips = number % half == 0
    new_y[tips] = ((np.interp(at, columns, top) + lower) / 2)[tips]
    return np.asarray(np.stack([at, new_y], 1) @ frame)


def _outward(points: F64, corners: F64) -> F64:
    """Unit vectors [N, 2] away from the middle part of the line between the corners."""
    axis = corners[1] - corners[0]
    place = np.clip((points - corners[0]) @ axis / max(float(axis @ axis), 1e-6), 0.3, 0.7)
    away = points - (corners[0] + place[:, None] * axis)
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6))


def _seen(lab: F32, start: F64, outward: F64, far_px: F64) -> F64:
    """Colours float64 [places, steps, 3] on the ways outwards."""
    x, y = (start[:, None] + far_px[None, :, None] * outward[:, None]).astype(np.float32).transpose(2, 0, 1)
    return np.asarray(cv2.remap(lab, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64)


def _closed_path(gain: F64) -> NDArray[np.intp]:
    """The step at each place of the best smooth way around through `gain` [places, steps]."""
    places, steps = gain.shape
    row = np.arange(steps)
    bend = _BEND * ((row[:, None] - row[None]) / steps) ** 2 * places / 16
    twice = np.r_[gain, gain]  # around twice: in the middle the ends no longer matter
    best, came = twice[0], np.zeros((len(twice), steps), np.intp)
    for place in range(1, len(twice)):
        reached = best[None] - bend
        came[place] = reached.argmax(1)
        best = twice[place] + reached.max(1)
    path = np.empty(len(twice), np.intp)
    at = int(best.argmax())
    for place in range(len(twice) - 1, -1, -1):
        path[place] = at
        at = int(came[place, at])
    half = places // 2
    return np.asarray(np.roll(path[half : half + places], half))


def _area(outline: F64) -> float:
    return float(cv2.contourArea(outline.astype(np.float32)))


def _make_room(points: F32, others: NDArray[np.int64], outline: F64, move: F64, width: float) -> None:
    """Moves what lies around an eye with its edge, less the further away, in place."""
    away = np.linalg.norm(points[others, None] - outline[None], axis=2)
    near = np.exp(-((away / (0.12 * width)) ** 2)) + 1e-9
    share = near / near.sum(1, keepdims=True)
    fade = np.clip(1 - away.min(1) / (_FADE * width), 0, 1)
    points[others] += ((share @ move) * fade[:, None]).astype(np.float32)
