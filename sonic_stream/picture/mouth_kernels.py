"""Compiled loops of the mouth renderer: normals, the depth buffer and laying the result under the lips.

They know plain arrays only. Picture axes: x right, y down, z towards the camera, px; pixel centres at
integers; `samples` x `samples` sub-samples a pixel.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FAR = -1e30
"""Depth of a sample that nothing covers (finite, since the kernels are compiled to know no infinities)."""


@nb.njit(cache=True, nogil=True, fastmath=True)
def soft_normals(points: Array, triangles: Array, fixed: Array, rotation: Array, out: Array) -> None:
    """Unit normals [M, 3] in picture axes.

    Points with a `fixed` normal (head axes) get it turned by `rotation`; the others get the mean of
    their triangles, smoothed once over their neighbours.
    """
    count = points.shape[0]
    raw = np.zeros((count, 3), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uz * vy - uy * vz, ux * vz - uz * vx, uy * vx - ux * vy
        for v in (a, b, c):
            raw[v, 0] += nx
            raw[v, 1] += ny
            raw[v, 2] += nz
    out[:] = 0.5 * raw
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for k in range(3):
            total = 0.12 * (raw[a, k] + raw[b, k] + raw[c, k])
            out[a, k] += total
            out[b, k] += total
            out[c, k] += total
    for v in range(count):
        fx, fy, fz = fixed[v, 0], fixed[v, 1], fixed[v, 2]
        if fx != 0.0 or fy != 0.0 or fz != 0.0:
            out[v, 0] = rotation[0, 0] * fx + rotation[0, 1] * fy + rotation[0, 2] * fz
            out[v, 1] = -(rotation[1, 0] * fx + rotation[1, 1] * fy + rotation[1, 2] * fz)
            out[v, 2] = rotation[2, 0] * fx + rotation[2, 1] * fy + rotation[2, 2] * fz
        length = math.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 1e-12:
            out[v] /= length
        else:
            out[v, 2] = 1.0


@nb.njit(cache=True, nogil=True, fastmath=True)
def _span(start: float, step: float, low: float, high: float) -> tuple[float, float]:
    """The part of low..high where `start + step * x` is not negative (a hair of slack closes seams)."""
    start += 1e-4
    if step > 1e-12:
        return max(low, -start / step), high
    if step < -1e-12:
        return low, min(high, -start / step)
    return (low, high) if start >= 0 else (1.0, 0.0)


@nb.njit(cache=True, nogil=True, fastmath=True)
def draw(
    points: Array, triangles: Array, x0: float, y0: float, samples: int, depth: Array, owner: Array
) -> None:
    """Nearest triangle of each sub-sample: fills `depth` and `owner` ([h * samples, w * samples]).

    Back faces are left out. The caller has set `depth` to `FAR` and `owner` to -1.
    """
    rows, columns = depth.shape
    shift_x, shift_y = (0.5 - x0) * samples - 0.5, (0.5 - y0) * samples - 0.5
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ay, by, cy = points[a, 1] * samples, points[b, 1] * samples, points[c, 1] * samples
        top, bottom = min(ay, by, cy) + shift_y, max(ay, by, cy) + shift_y
        if bottom < 0 or top > rows - 1:
            continue
        ax, bx, cx = points[a, 0] * samples, points[b, 0] * samples, points[c, 0] * samples
        left, right = min(ax, bx, cx) + shift_x, max(ax, bx, cx) + shift_x
        if right < 0 or left > columns - 1:
            continue
        ux, uy, vx, vy = bx - ax, by - ay, cx - ax, cy - ay
        area = ux * vy - uy * vx
        if not area < -1e-9:
            continue
        ax, ay = ax + shift_x, ay + shift_y
        inverse = 1.0 / area
        # weights of b and c grow by these per step along x and y
        bdx, bdy = vy * inverse, -vx * inverse
        cdx, cdy = -uy * inverse, ux * inverse
        bz, cz = points[b, 2] - points[a, 2], points[c, 2] - points[a, 2]
        zdx, zdy = bdx * bz + cdx * cz, bdy * bz + cdy * cz
        first_x, last_x = max(0.0, math.ceil(left)), min(columns - 1.0, math.floor(right))
        for y in range(int(max(0, math.ceil(top))), int(min(rows - 1, math.floor(bottom))) + 1):
            wb, wc = -ax * bdx + (y - ay) * bdy, -ax * cdx + (y - ay) * cdy
            low, high = _span(wb, bdx, first_x, last_x)
            low, high = _span(wc, cdx, low, high)
            low, high = _span(1.0 - wb - wc, -bdx - cdx, low, high)
            z = points[a, 2] - ax * zdx + (y - ay) * zdy
            for x in range(math.ceil(low), math.floor(high) + 1):
                here = z + x * zdx
                if here > depth[y, x]:
                    depth[y, x] = here
                    owner[y, x] = t


@nb.njit(cache=True, nogil=True, fastmath=True)
def lay_under(
    canvas: Array,
    opening: Array,
    edge: Array,
    radiance: Array,
    warm: Array,
    grain: Array,
    anchor: Array,
    x0: int,
    y0: int,
) -> None:
    """Blends the inside into the canvas where the lips are apart, darker where they touch it.

    `radiance` float32 [h, w, 3] squared RGB 0..1, `edge` [h, w] the opening blurred by about a pixel,
    `warm` [3] the tint of light inside, `grain` [n, n] in 8-bit steps, shifted by `anchor` (x, y) px so
    that it rides with the teeth.
    """
    rows, columns = opening.shape
    side = grain.shape[0]
    for i in range(rows):
        for j in range(columns):
            cover = opening[i, j]
            if not cover > 0.0:
                continue
            cover = min(cover, 1.0)
            inward = min(max((edge[i, j] - 0.40) / 0.56, 0.0), 1.0)
            # deeper under the upper lip, which hangs over, than above the lower one
            slope = edge[min(i + 1, rows - 1), j] - edge[max(i - 1, 0), j]
            shadow = 0.40 + 0.18 * min(max(4.0 * slope, -1.0), 1.0)
            shadow *= 1.0 - inward * inward * (3.0 - 2.0 * inward)
            row, column = y0 + i, x0 + j
            speck = grain[(row - anchor[1]) % side, (column - anchor[0]) % side]
            for k in range(3):
                # the lips' own red gets into the shadow
                lit = max(radiance[i, j, k], 0.0) * (1.0 - shadow * (1.0 - 0.2 * warm[k]))
                inside = 255.0 * math.sqrt(min(lit, 1.0))
                inside = min(max(inside + speck * min(0.3 + inside / 128.0, 1.0), 0.0), 255.0)
                canvas[row, column, k] = int(canvas[row, column, k] * (1.0 - cover) + inside * cover + 0.5)
