"""The line where a portrait's lips meet: not one line but a dark band, whose two edges are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sonic_stream.picture.plane import Axes, curve
from sonic_stream.types import F32, U8

_NO_MAP: Any = None
_REACH = 0.4
"""How far from the landmarks' line the band is looked for, head units."""
_MOST, _LEAST = 0.15, 0.03
"""Bounds of the distance from the darkest row to clean lip, head units."""
_FAINT = 10.0
"""Contrast (of 255) under which there is no band to speak of."""
_WANDER = 0.2
"""How far the darkest row may lie from the landmarks' line: a moustache is darker still."""
_COLUMNS = 41


@dataclass(frozen=True, slots=True)
class Seam:
    """In the mouth's axes: at the places `x`, where the clean upper lip ends and the lower one begins."""

    x: F32
    upper: F32
    lower: F32
    colour: F32
    """The band at its darkest, float32 [3], 0..255."""


def find_seam(crop: U8, axes: Axes, line: tuple[F32, F32], borders: tuple[F32, F32], scale: float) -> Seam:
    """The seam about the rough `line` (x, y); `borders` are the outer edges of both lips at the columns.

    `borders` float32 [_COLUMNS] each are given at `columns_of(line)`.
    """
    x = columns_of(line)
    middle = curve(*line, x)
    rows = np.linspace(-_REACH, _REACH, 33, dtype=np.float32) * scale
    y = middle[None] + rows[:, None]
    points = axes.back(np.repeat(x[None], len(rows), 0).ravel(), y.ravel()).reshape(len(rows), len(x), 2)
    seen = cv2.remap(crop, points, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    luminance = seen.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    light = np.asarray(cv2.GaussianBlur(luminance, (5, 1), 1.2), np.float32)
    inside = (y > borders[0] + 0.25 * (middle - borders[0])) & (y < borders[1] - 0.25 * (borders[1] - middle))
    inside |= np.abs(rows)[:, None] < 0.08 * scale
    inside &= np.abs(rows)[:, None] < _WANDER * scale
    dark = np.where(inside, light, np.inf).argmin(0)
    columns, pace = np.arange(len(x)), float(rows[1] - rows[0])
    darkest = light[dark, columns]
    upper, lower = np.empty_like(x), np.empty_like(x)
    for k in columns:
        for edge, border, step in ((upper, borders[0], -1), (lower, borders[1], 1)):
            lip = abs(float(border[k] - y[dark[k], k]))
            side = light[dark[k] :: step, k][: max(3, int(0.6 * lip / pace))]
            clean = float(np.percentile(side, 80)) if len(side) > 2 else float(darkest[k])
            contrast = clean - float(darkest[k])
            away = _LEAST * scale
            if contrast > _FAINT:
                enough = np.flatnonzero(side >= darkest[k] + 0.6 * contrast)
                away = min(float(enough[0] + 1) * pace, 0.4 * lip)
            edge[k] = y[dark[k], k] + step * float(np.clip(away, _LEAST * scale, _MOST * scale))
    shown = np.asarray(seen, np.float32)[dark, columns]
    return Seam(x, _steady(upper), _steady(lower), np.median(shown, 0).astype(np.float32))


def columns_of(line: tuple[F32, F32]) -> F32:
    """Where along the mouth the seam is looked for."""
    low, high = float(line[0].min()), float(line[0].max())
    return np.linspace(low, high, _COLUMNS, dtype=np.float32)


def _steady(edge: F32) -> F32:
    """A curve without outliers and jitter."""
    wide = np.pad(edge, 3, "edge")
    middle = np.median(np.stack([wide[i : i + len(edge)] for i in range(7)]), 0)
    soft = np.convolve(np.pad(middle, 2, "edge"), np.array([1, 4, 6, 4, 1]) / 16, "valid")
    return np.asarray(soft, np.float32)
