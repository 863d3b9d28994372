"""Which pixel of the portrait each point of lips and lids shows, also where the portrait hides it.

A lip's inside mirrors the lip before its rim; a closing lid keeps its lashes as they are and stretches the
skin between them and the crease evenly. Texture coordinates are portrait pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.head import Head
from sonic_stream.picture.rims import Gap, Rim
from sonic_stream.types import F32

Array = NDArray[Any]

_RIM_SHIFT = 0.13
"""How far before the rim an opened lip takes its colour, head units: the rim itself lies in shadow."""
_MIRROR = 0.8
_LASHES = 0.13
"""Strip at the lid's edge that is never stretched, head units."""
_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)


def _frame(a: F32, b: F32) -> tuple[F32, F32]:
    """Unit vectors along a -> b and down across it, in picture axes."""
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    return np.asarray(along, np.float32), np.array([-along[1], along[0]], np.float32)


def _curve(points: F32, origin: F32, along: F32, across: F32, at: Array) -> F32:
    """Height over the axis of the polyline `points` at the places `at`."""
    x, y = (points - origin) @ along, (points - origin) @ across
    order = np.argsort(x)
    return np.asarray(np.interp(at, x[order], y[order]), np.float32)


def open_lips(head: Head, mouth: Gap, placed: F32, scale: float) -> F32:
    """Texture float32 [V, 2] of the skin about an open mouth; `placed` [V, 3] is the portrait's own mesh."""
    texture = placed[:, :2].copy()
    right, left = placed[head.landmarks[61], :2], placed[head.landmarks[291], :2]
    along, across = _frame(right, left)
    for rim, outer, sign in ((mouth.upper, _OUTER_UPPER, -1.0), (mouth.lower, _OUTER_LOWER, 1.0)):
        points = placed[rim.vertices, :2]
        x = (points - right) @ along
        line = placed[rim.line, :2]
        seam = _curve(line, right, along, across, x)
        border = _curve(placed[head.landmarks[list(outer)], :2], right, along, across, x)
        thickness = np.maximum(sign * (border - seam), 0.0) / scale
        beyond = rim.beyond
        shift = np.minimum(np.float32(_RIM_SHIFT), 0.3 * thickness)
        before = np.minimum(beyond, 0.0)
        after = np.maximum(beyond, 0.0)
        want = np.where(beyond > 0, np.hypot(_MIRROR * after, shift), np.hypot(before, shift))
        want = np.minimum(want, np.maximum(0.8 * thickness, -before))
        y = (points - right) @ across
        y = np.where(beyond > 0, seam + sign * want * scale, y + sign * (want + before) * scale)
        # Hidden points drift in the portrait's plane; their column is the one of the rim they belong to.
        texture[rim.vertices] = right + x[:, None] * along + y[:, None] * across
    return texture


def shut_lid(
    head: Head, rim: Rim, open_placed: F32, shut_placed: F32, brow: tuple[int, ...], scale: float
) -> F32:
    """Texture float32 [V, 2] of an upper lid when it is shut."""
    texture = open_placed[:, :2].copy()
    line = open_placed[rim.line, :2]
    along, across = _frame(line[np.argmin(line[:, 0])], line[np.argmax(line[:, 0])])
    origin = line.mean(0)
    points = open_placed[rim.vertices, :2]
    x, y = (points - origin) @ along, (points - origin) @ across
    margin = _curve(line, origin, along, across, x)
    away = np.maximum(margin - y, 0) / scale
    shut_points = shut_placed[rim.vertices, :2]
    shut_line = shut_placed[rim.line, :2]
    shut_margin = _curve(shut_line, origin, along, across, (shut_points - origin) @ along)
    away_shut = np.maximum(shut_margin - (shut_points - origin) @ across, 0) / scale
    brow_line = _curve(open_placed[head.landmarks[list(brow)], :2], origin, along, across, x)
    end = np.clip(0.62 * (margin - brow_line) / scale, 0.3, 1.3)
    travel = (shut_margin - margin) / scale
    # How the mesh itself moves at `end`, to know where that skin lies on the shut lid.
    end_shut = end + np.maximum(travel, 0) * _share_left(away, away_shut, travel, end)
    slope = (end - _LASHES) / np.maximum(end_shut - _LASHES, 1e-3)
    even = np.where(away_shut < _LASHES, away_shut, _LASHES + (away_shut - _LASHES) * slope)
    even = np.minimum(even, end)
    inside = np.clip((end - away) / (0.25 * end), 0, 1)
    want = away + inside * (even - away)
    hidden = rim.beyond > 0
    want = np.where(hidden, 0.02, want)
    y_new = margin - want * scale
    y_new = np.where((away <= 0) & ~hidden, y, y_new)
    new = origin + x[:, None] * along + y_new[:, None] * across
    texture[rim.vertices] += rim.share[:, None] * (new - texture[rim.vertices])
    return texture


def _share_left(away: F32, away_shut: F32, travel: F32, end: F32) -> F32:
    """Share of the margin's travel that a point `end` before the margin does not make."""
    use = travel > 0.3 * max(float(travel.max()), 1e-3)
    order = np.argsort(away[use])
    lag = ((away_shut - away)[use] / travel[use])[order].clip(0, 1)
    if len(lag) < 5:
        return np.full_like(end, 0.8)
    smooth = np.maximum.accumulate(np.convolve(np.pad(lag, 4, "edge"), np.ones(9) / 9, "valid"))
    return np.asarray(np.interp(end, away[use][order], smooth), np.float32)


BROWS = (
    (282, 295, 285, 283, 276),
    (52, 65, 55, 53, 46),
)
"""Lower edge of the left and of the right brow."""

assert set(BROWS[0]) <= set(regions.BROW_LEFT) and set(BROWS[1]) <= set(regions.BROW_RIGHT)
