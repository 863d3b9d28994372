"""Fine drawing of the skin about an opening: its two rims, the slit between them, and the seam when shut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.picture import raster
from sonic_stream.picture.plane import curve
from sonic_stream.picture.rims import Gap
from sonic_stream.types import F32, U8

Array = NDArray[Any]

_CORNER_SHARE = 0.14
"""Share of the width, at each corner, over which a shut seam runs into the corner."""


@dataclass(frozen=True, slots=True)
class Slit:
    """The visible edges of two rims: for each pixel column from `first` on, y of the upper and the lower one.

    Where they overlap, `top` lies below `bottom`. Columns beyond the corners are not finite.
    """

    first: int
    top: F32
    bottom: F32

    @property
    def split(self) -> F32:
        """The line where the two sides meet or would meet."""
        return np.asarray((self.top + self.bottom) / 2, np.float32)

    def opening(self) -> tuple[F32, tuple[int, int]] | None:
        """Share of each pixel in the opening, float32 [h, w], and its upper left pixel; None when shut."""
        apart = self.bottom > self.top
        if not apart.any():
            return None
        y0 = int(np.floor(self.top[apart].min())) - 2
        y1 = int(np.ceil(self.bottom[apart].max())) + 3
        cover = np.empty((y1 - y0, len(self.top)), np.float32)
        raster.cover(
            np.where(apart, self.top, 0).astype(np.float32),
            np.where(apart, self.bottom, 0).astype(np.float32),
            y0,
            cover,
        )
        # Steep sides step from column to column; half a pixel of softness hides it.
        cover = np.asarray(cv2.GaussianBlur(cover, (3, 3), 0.55), np.float32)
        return cover, (self.first, y0)


def slit_of(gap: Gap, placed: F32) -> Slit:
    """The slit of a gap; `placed` float32 [V, 3] in picture px."""
    ends = placed[gap.upper.line[[0, -1]], :2]
    left, right = float(ends[:, 0].min()), float(ends[:, 0].max())
    rims = placed[np.concatenate([gap.upper.line, gap.lower.line]), :2] if gap.curls else ends
    outermost = rims[[rims[:, 0].argmin(), rims[:, 0].argmax()]]
    first = int(np.floor(outermost[0, 0])) - 1
    count = int(np.ceil(outermost[1, 0])) + 2 - first
    columns = np.arange(first, first + count)
    if gap.curls:
        top, bottom = np.empty(count, np.float32), np.empty(count, np.float32)
        raster.envelope(placed, gap.upper.edge_triangles, first, count, True, top)
        raster.envelope(placed, gap.lower.edge_triangles, first, count, False, bottom)
    else:
        top, bottom = (
            curve(placed[rim.line, 0], placed[rim.line, 1], columns) for rim in (gap.upper, gap.lower)
        )
    within = (columns > left) & (columns < right) & (top > -1e8) & (bottom < 1e8)
    if within.any():
        top[within], bottom[within] = _smoothed(top[within]), _smoothed(bottom[within])
        _bind_corners(ends, columns, within, top, bottom)
    top[~within], bottom[~within] = np.nan, np.nan
    if gap.curls:
        _point_corners(outermost, columns, top, bottom)
    return Slit(first, top, bottom)


def _bind_corners(corners: F32, columns: Array, within: Array, top: F32, bottom: F32) -> None:
    """Leads the line where the sides meet into the corners, in place, the opening keeping its height."""
    (left, left_y), (right, right_y) = corners[np.argsort(corners[:, 0])]
    reach = _CORNER_SHARE * (right - left) + 1e-3
    at = columns[within]
    for away, y in ((at - left, left_y), (right - at, right_y)):
        share = np.clip(1 - away / reach, 0, 1)
        share = share * share * np.clip((top[within] - bottom[within]) * 2 + 1, 0, 1)
        shift = share * (y - (top[within] + bottom[within]) / 2)
        top[within] += shift
        bottom[within] += shift


def _point_corners(outermost: F32, columns: Array, top: F32, bottom: F32) -> None:
    """Leads an opening that ends with a step, shortly before the `outermost` points of the rims, to a point.

    Seen from the side the rims turn back in the far corner, one behind the other, and the skin between them
    hangs before the opening, which would end there as if cut off with scissors. In place.
    """
    opened = np.flatnonzero(bottom > top)
    if not len(opened):
        return
    reach = _CORNER_SHARE * float(outermost[1, 0] - outermost[0, 0])
    for (end_x, end_y), edge in zip(outermost, opened[[0, -1]], strict=True):
        away = float(end_x - columns[edge])
        place = 1 - (columns - columns[edge]) / away if away else np.zeros(len(columns))
        filled = (place > 0) & (place < 1)
        height = (bottom[edge] - top[edge]) * place[filled] * np.clip(2 - 2 * abs(away) / reach, 0, 1)
        middle = end_y + place[filled] * ((top[edge] + bottom[edge]) / 2 - end_y)
        if abs(away) < reach:
            top[filled], bottom[filled] = middle - height / 2, middle + height / 2


def _smoothed(line: F32) -> F32:
    """Takes the mesh's corners off a curve given by columns."""
    if len(line) < 5:
        return line
    wide = np.pad(line, 2, "edge")
    soft = (wide[:-4] + 4 * wide[1:-3] + 6 * wide[2:-2] + 4 * wide[3:-1] + wide[4:]) / 16
    soft[[0, -1]] = line[[0, -1]]
    return np.asarray(soft, np.float32)


def lay_patch(gap: Gap, placed: F32, texture: F32, slit: Slit, origin: tuple[int, int], flow: F32) -> None:
    """Draws the skin about a gap over `flow`, whose first pixel is `origin`; `texture` float32 [V, 2]."""
    x0, y0 = origin
    used = placed[gap.vertices, :2]
    left, top = np.floor(used.min(0)).astype(int) - origin
    right, bottom = np.ceil(used.max(0)).astype(int) + 1 - origin
    left, top = max(0, int(left)), max(0, int(top))
    right, bottom = min(flow.shape[1], int(right)), min(flow.shape[0], int(bottom))
    if right <= left or bottom <= top:
        return
    values = np.empty((len(texture), 3), np.float32)
    values[:, :2], values[:, 2] = texture, gap.share
    sides = []
    for rim in (gap.upper, gap.lower):
        fine = np.empty((bottom - top, right - left, 3), np.float32)
        depth = np.full(fine.shape[:2], raster.FAR, np.float32)
        raster.draw_mesh(placed, rim.triangles, values, 1.0, float(left + x0), float(top + y0), depth, fine)
        sides.append((fine, depth))
    split = np.full(right - left, np.nan, np.float32)
    shift = slit.first - x0 - left
    a, b = max(0, shift), min(len(split), shift + len(slit.top))
    if b > a:
        split[a:b] = slit.split[a - shift : b - shift] - (y0 + top)
    (upper, upper_depth), (lower, lower_depth) = sides
    raster.lay_rims(upper, upper_depth, lower, lower_depth, split, left, top, flow)


def soften_seam(image: U8, flow: F32, origin: tuple[int, int], slit: Slit) -> None:
    """Takes the steps off the line where the sides of a shut opening meet, in place."""
    shut = np.where(slit.bottom - slit.top < 0.5, slit.split, np.nan).astype(np.float32)
    raster.soften_seam(image, flow, shut, slit.first, 0, origin[0], origin[1])
