"""The inner loops of the picture, compiled: meshes to inverse flow, flow to pixels, openings to coverage.

All kernels are single-threaded, release the interpreter lock and are cached on disk; nothing is compiled
at import. Positions are pixel centres at whole numbers. Nothing here knows of faces.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from sonic_stream.types import F32, U8

_FAST = {"nsz", "arcp", "contract", "reassoc"}
"""Freedoms of rounding that keep NaN and infinity what they are."""

FAR = -1e9
"""Depth where nothing has been drawn."""


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def draw_mesh(
    points: F32,
    triangles: Any,
    values: F32,
    scale: float,
    offset_x: float,
    offset_y: float,
    depth: F32,
    out: F32,
) -> None:
    """Interpolates `values` [V, K] over the triangles into `out` [h, w, K], the nearest surface winning.

    A point [x, y, z] lands on cell `((x - offset_x) * scale, (y - offset_y) * scale)`; `depth` [h, w] keeps
    the largest z.
    """
    height, width, count = out.shape
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        ax, ay = (points[a, 0] - offset_x) * scale, (points[a, 1] - offset_y) * scale
        bx, by = (points[b, 0] - offset_x) * scale, (points[b, 1] - offset_y) * scale
        cx, cy = (points[c, 0] - offset_x) * scale, (points[c, 1] - offset_y) * scale
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area > 1e-9 or area < -1e-9):
            continue
        x0, x1 = max(0, int(np.ceil(min(ax, bx, cx) - 1e-4))), min(width - 1, int(max(ax, bx, cx) + 1e-4))
        y0, y1 = max(0, int(np.ceil(min(ay, by, cy) - 1e-4))), min(height - 1, int(max(ay, by, cy) + 1e-4))
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                wc = 1.0 - wa - wb
                if wa < -1e-4 or wb < -1e-4 or wc < -1e-4:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z > depth[y, x]:
                    depth[y, x] = z
                    for k in range(count):
                        out[y, x, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def spread_flow(coarse: F32, size: int, x0: int, y0: int, flow: F32) -> None:
    """Upsamples portrait positions at nodes that span the frame corner to corner into `flow` [h, w, 2]."""
    last = coarse.shape[0] - 1
    step = last / size
    height, width = flow.shape[:2]
    for y in range(height):
        v = (y + y0 + 0.5) * step
        i = min(int(v), last - 1)
        fv = v - i
        for x in range(width):
            u = (x + x0 + 0.5) * step
            j = min(int(u), last - 1)
            fu = u - j
            for k in range(2):
                top = coarse[i, j, k] * (1 - fu) + coarse[i, j + 1, k] * fu
                low = coarse[i + 1, j, k] * (1 - fu) + coarse[i + 1, j + 1, k] * fu
                flow[y, x, k] = top * (1 - fv) + low * fv


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def lay_fine(fine: F32, depth: F32, x0: int, y0: int, flow: F32) -> None:
    """Lays finely drawn positions `fine` [h, w, 3] (x, y, share) over `flow` where anything was drawn."""
    for y in range(fine.shape[0]):
        for x in range(fine.shape[1]):
            if depth[y, x] > FAR:
                share = fine[y, x, 2]
                for k in range(2):
                    flow[y + y0, x + x0, k] += share * (fine[y, x, k] - flow[y + y0, x + x0, k])


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def blend_layer(layer: U8, plate: U8, out: U8) -> None:
    """Lays a premultiplied layer [h, w, 4] on the plate [h, w, 3]."""
    for y in range(layer.shape[0]):
        for x in range(layer.shape[1]):
            rest = 255 - layer[y, x, 3]
            if rest == 0:
                for k in range(3):
                    out[y, x, k] = layer[y, x, k]
            else:
                for k in range(3):
                    value = layer[y, x, k] + (plate[y, x, k] * rest + 127) // 255
                    out[y, x, k] = min(255, value)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def envelope(points: F32, triangles: Any, x0: int, count: int, lowest: bool, out: F32) -> None:
    """For each pixel column the lowest (largest y) or highest point of the triangles; -+1e9 if none."""
    bad = np.float32(-1e9 if lowest else 1e9)
    for i in range(count):
        out[i] = bad
    for index in range(triangles.shape[0]):
        for e in range(3):
            a, b = triangles[index, e], triangles[index, (e + 1) % 3]
            ax, bx = points[a, 0] - x0, points[b, 0] - x0
            ay, by = points[a, 1], points[b, 1]
            if ax > bx:
                ax, bx, ay, by = bx, ax, by, ay
            first, last = max(0, int(np.ceil(ax))), min(count - 1, int(np.floor(bx)))
            if bx - ax < 1e-6:
                continue
            for x in range(first, last + 1):
                y = ay + (by - ay) * (x - ax) / (bx - ax)
                if lowest:
                    out[x] = max(out[x], y)
                else:
                    out[x] = min(out[x], y)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def cover(top: F32, bottom: F32, y0: int, out: F32) -> None:
    """Share of each pixel [h, w] that lies between the curves `top` and `bottom` (y for each column)."""
    height, width = out.shape
    for x in range(width):
        a, b = top[x] - y0, bottom[x] - y0
        for y in range(height):
            out[y, x] = max(0.0, min(b, y + 0.5) - max(a, y - 0.5))


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def extend_into(top: F32, bottom: F32, x0: int, y0: int, reach: int, flow: F32) -> None:
    """Carries the flow of both rims a little into the opening between them, so that their edges stay clean.

    `top`, `bottom` give for each column the y of the rims; `x0`, `y0` say where in `flow` column 0 lies.
    """
    height = flow.shape[0]
    for i in range(top.shape[0]):
        a, b = top[i] - y0, bottom[i] - y0
        x = i + x0
        if b - a <= 0 or x < 0 or x >= flow.shape[1]:
            continue
        first = int(np.floor(a))
        last = int(np.ceil(b))
        if first < 1 or last > height - 2:
            continue
        middle = (a + b) * 0.5
        for y in range(first + 1, last):
            if y <= middle:
                k = min(y - first, reach)
                flow[y, x, 0] = flow[first, x, 0] + k * 0.0
                flow[y, x, 1] = flow[first, x, 1] + k * 0.0
        for y in range(last - 1, first, -1):
            if y > middle:
                flow[y, x, 0] = flow[last, x, 0]
                flow[y, x, 1] = flow[last, x, 1]
