"""Upper lids of one person: the skin and the lashes that a shut eye shows.

A portrait with open eyes shows little of the lid. The strip between the lashes and the brow is found by its
brightness and spread evenly over the lid as it comes down; the lash line is drawn anew in its own colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sonic_stream.face.head import Head
from sonic_stream.picture.plane import Axes, axes_between, curve
from sonic_stream.picture.rims import Rim
from sonic_stream.types import F32, U8

Limit = Callable[[F32, F32], F32]
_NO_MAP: Any = None

BROWS = ((282, 295, 285, 283, 276), (52, 65, 55, 53, 46))
"""Landmarks of the lower edge of the left and of the right brow."""
_BROW_SHARE = 0.66
"""How far up towards the brow the lid may take its skin."""
_MOST, _LEAST = 1.3, 0.3
"""Bounds of that, head units."""
_LUMA = np.array([0.3, 0.59, 0.11], np.float32)
_LASH_PLAIN = 0.8
"""How far lashes take the tint of skin: iris shines through them."""
_LASH_WIDTH = 0.07
"""Half the thickness of the lash line, head units."""


@dataclass(frozen=True, slots=True)
class Lid:
    """One upper lid."""

    shift: F32
    """What shutting adds to the texture of each vertex, float32 [V, 2] px."""
    lash: F32
    """Colour of the lash line, float32 [3], 0..255."""
    lash_px: float
    """Half its thickness, px."""
    tall_px: float
    """How far the lid comes down, px."""


def make_lid(head: Head, rim: Rim, side: int, crop: U8, placed: F32, shut: F32, scale: float) -> Lid:
    """The lid of one side; `placed`, `shut` float32 [V, 3]: the portrait's mesh, eye open and shut."""
    line = placed[rim.line, :2]
    ends = line[[0, -1]][np.argsort(line[[0, -1], 0])]
    axes = axes_between(ends[0], ends[1])
    x, y = axes.of(placed[rim.vertices, :2])
    line_x, line_y = axes.of(line)
    margin = curve(line_x, line_y, x)
    away = np.maximum(margin - y, 0) / scale
    shut_x, shut_y = axes.of(shut[rim.vertices, :2])
    shut_margin = curve(*axes.of(shut[rim.line, :2]), shut_x)
    away_shut = np.maximum(shut_margin - shut_y, 0) / scale
    brow_x, brow_y = axes.of(placed[head.landmarks[list(BROWS[side])], :2])

    def limit(at: F32, lid: F32) -> F32:
        return np.asarray(
            np.clip(_BROW_SHARE * (lid - curve(brow_x, brow_y, at)) / scale, _LEAST, _MOST), np.float32
        )

    end = limit(x, margin)
    begin, lash = _bare_skin(crop, axes, line_x, line_y, limit, scale)
    travel = np.maximum(shut_margin - margin, 0) / scale
    end_shut = np.maximum(end + travel * _lag(away, away_shut, travel, end), 1e-3)
    even = begin * end + away_shut * (1 - begin) * end / end_shut
    place = (x - line_x.min()) / max(float(np.ptp(line_x)), 1e-3)
    inward = np.clip((np.minimum(place, 1 - place) + 0.08) / 0.1, 0, 1)
    inward = inward * inward * (3 - 2 * inward)
    blend = np.clip((end - away) / (0.35 * end), 0, 1) * np.clip(travel / 0.06, 0, 1) * inward
    want = away + blend * (np.minimum(even, end) - away)
    hidden = rim.beyond > 0
    want = np.where(hidden, begin * end * inward, want)
    fresh = axes.back(
        x, np.where((away <= 0) & ~hidden, y - begin * end * scale * blend, margin - want * scale)
    )
    shift = np.zeros_like(placed[:, :2])
    shift[rim.vertices] = rim.share[:, None] * (fresh - placed[rim.vertices, :2])
    return Lid(shift.astype(np.float32), lash, max(0.6, _LASH_WIDTH * scale), float(travel.max()) * scale)


def _bare_skin(
    crop: U8, axes: Axes, line_x: F32, line_y: F32, limit: Limit, scale: float
) -> tuple[float, F32]:
    """Where above the lashes bare skin begins, as a share of the strip; their colour."""
    low, high = float(line_x.min()), float(line_x.max())
    at = np.linspace(low + 0.22 * (high - low), high - 0.22 * (high - low), 15).astype(np.float32)
    lid = curve(line_x, line_y, at)
    strip = limit(at, lid)
    shares = np.linspace(-0.08, 1, 40, dtype=np.float32)
    x = np.repeat(at[None], len(shares), 0)
    y = lid[None] - shares[:, None] * strip[None] * scale
    points = axes.back(x.ravel(), y.ravel()).reshape(len(shares), len(at), 2)
    soft = cv2.GaussianBlur(crop, (0, 0), max(0.5, 0.03 * scale))
    seen = cv2.remap(soft, points, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    )
    light = np.median(seen @ _LUMA, 1)
    usable = (shares > 0.05) & (shares < 0.7)
    bright, dark = float(light[usable].max()), float(light[shares < 0.35].min())
    enough = np.flatnonzero(usable & (light >= dark + 0.7 * (bright - dark)))
    begin = float(np.clip(shares[enough[0]], 0.1, 0.55))
    lid_skin = np.median(seen[(shares >= begin) & (shares < begin + 0.3)], (0, 1))
    return begin, _lash_colour(seen[shares < 0.3], lid_skin)


def _lash_colour(near: F32, skin: F32) -> F32:
    """Colour of the lashes among the pixels [rows, columns, 3] near the lid's edge, where iris shows, too."""
    darkest = int(np.argmin(np.median(near @ _LUMA, 1)))
    seen = np.median(near[darkest], 0)
    plain = skin / max(float(skin @ _LUMA), 4)
    return np.asarray(seen + _LASH_PLAIN * (float(seen @ _LUMA) * plain - seen), np.float32)


def _lag(away: F32, away_shut: F32, travel: F32, end: F32) -> F32:
    """Share of the margin's travel that a point `end` before the margin does not make."""
    use = travel > 0.3 * max(float(travel.max()), 1e-3)
    order = np.argsort(away[use])
    lag = ((away_shut - away)[use] / travel[use])[order].clip(0, 1)
    if len(lag) < 9:
        return np.full_like(end, 0.8)
    smooth = np.maximum.accumulate(np.convolve(np.pad(lag, 4, "edge"), np.ones(9) / 9, "valid"))
    return np.asarray(np.interp(end, away[use][order], smooth), np.float32)
