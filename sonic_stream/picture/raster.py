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

_MOST_GRAIN = 0.05
"""Most that borrowed grain may differ from its surroundings: what differs more are lights, not grain."""


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
    step = np.float32(last / size)
    half = np.float32(0.5)
    height, width = flow.shape[:2]
    row = np.empty((last + 1, 2), np.float32)
    node, beyond = np.empty(width, np.int32), np.empty(width, np.float32)
    for x in range(width):
        u = (x + x0 + half) * step
        node[x] = min(int(u), last - 1)
        beyond[x] = np.float32(u - node[x])
    for y in range(height):
        v = (y + y0 + half) * step
        i = min(int(v), last - 1)
        fv = np.float32(v - i)
        for j in range(last + 1):
            row[j, 0] = coarse[i, j, 0] + fv * (coarse[i + 1, j, 0] - coarse[i, j, 0])
            row[j, 1] = coarse[i, j, 1] + fv * (coarse[i + 1, j, 1] - coarse[i, j, 1])
        for x in range(width):
            j, fu = node[x], beyond[x]
            flow[y, x, 0] = row[j, 0] + fu * (row[j + 1, 0] - row[j, 0])
            flow[y, x, 1] = row[j, 1] + fu * (row[j + 1, 1] - row[j, 1])


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def lay_rims(
    upper: F32, upper_depth: F32, lower: F32, lower_depth: F32, split: F32, x0: int, y0: int, flow: F32
) -> None:
    """Lays two finely drawn sides [h, w, 3] (x, y, share) of an opening over `flow`, `upper` above the other.

    `split` float32 [w] is for each column the y, within the patch, where the lower side begins; where it is
    not finite the nearer surface wins. Each side is carried on up to the split, so that edges stay clean.
    The patch's upper left pixel lies at (`x0`, `y0`) of `flow`.
    """
    height, width = upper.shape[:2]
    for x in range(width):
        s = split[x]
        if not (s > -1e8 and s < 1e8):
            for y in range(height):
                side = upper if upper_depth[y, x] >= lower_depth[y, x] else lower
                if max(upper_depth[y, x], lower_depth[y, x]) > FAR:
                    for k in range(2):
                        flow[y + y0, x + x0, k] += side[y, x, 2] * (side[y, x, k] - flow[y + y0, x + x0, k])
            continue
        first_low = min(height, max(0, int(np.ceil(s))))
        last = -1
        for y in range(first_low):
            if upper_depth[y, x] > FAR:
                last = y
            if last >= 0:
                for k in range(2):
                    now = flow[y + y0, x + x0, k]
                    flow[y + y0, x + x0, k] = now + upper[last, x, 2] * (upper[last, x, k] - now)
        last = -1
        for y in range(height - 1, first_low - 1, -1):
            if lower_depth[y, x] > FAR:
                last = y
            if last >= 0:
                for k in range(2):
                    now = flow[y + y0, x + x0, k]
                    flow[y + y0, x + x0, k] = now + lower[last, x, 2] * (lower[last, x, k] - now)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def soften_seam(image: U8, flow: F32, split: F32, x0: int, y0: int, flow_x0: int, flow_y0: int) -> None:
    """Mixes the one pixel of each column in which two sides meet by how much of it each one holds.

    `split` is in rows of the picture; it begins at column `x0`. Only where the flow jumps is anything mixed,
    so a seam that the portrait itself shows stays as sharp as it is.
    """
    for i in range(split.shape[0]):
        s = split[i]
        if not (s > -1e8 and s < 1e8):
            continue
        x, y = i + x0, int(np.floor(s + 0.5))
        fx, fy = x - flow_x0, y - flow_y0
        if x < 0 or x >= image.shape[1] or y < 1 or y >= image.shape[0] - 1:
            continue
        if fx < 0 or fx >= flow.shape[1] or fy < 1 or fy >= flow.shape[0] - 1:
            continue
        jump = abs(flow[fy + 1, fx, 1] - flow[fy - 1, fx, 1] - 2)
        jump += abs(flow[fy + 1, fx, 0] - flow[fy - 1, fx, 0])
        share = min(1.0, max(0.0, (jump - 0.4) / 1.2))
        above = s + 0.5 - y
        for k in range(3):
            mixed = above * image[y - 1, x, k] + (1 - above) * image[y + 1, x, k]
            image[y, x, k] = np.uint8(image[y, x, k] + share * (mixed - image[y, x, k]) + 0.5)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def soften_stretch(
    image: U8,
    own: U8,
    soft: U8,
    flow: F32,
    strength: float,
    x0: int,
    y0: int,
    area: F32,
    edge: F32,
    edge_x0: int,
    skip: float,
) -> None:
    """Where the flow stretches few rows of the portrait over many, takes the streaks out and gives it grain.

    `own` is the portrait and `soft` the same blurred along its rows, uint8 [H, W, 3]. The region is `flow`'s,
    whose first pixel is (`x0`, `y0`) of `image`; `area` [4] is the rectangle (x0, y0, x1, y1) of `flow` to
    treat. The grain is that of the skin on the other side of the curve `edge` (y by column from `edge_x0`),
    from `skip` px beyond it.
    """
    height, width = soft.shape[:2]
    for y in range(max(1, int(area[1])), min(flow.shape[0] - 1, int(area[3]))):
        for x in range(max(0, int(area[0])), min(flow.shape[1], int(area[2]))):
            pace = 0.5 * (flow[y + 1, x, 1] - flow[y - 1, x, 1])
            share = strength * min(1.0, max(0.0, (0.8 - pace) / 0.35))
            if share <= 0:
                continue
            u = min(max(flow[y, x, 0], 0.0), width - 1.001)
            v = min(max(flow[y, x, 1], 0.0), height - 1.001)
            i, j = int(v), int(u)
            fv, fu = v - i, u - j
            gi, gj = -1, -1
            column = x + x0 - edge_x0
            if column >= 0 and column < edge.shape[0] and edge[column] > -1e8 and edge[column] < 1e8:
                mirrored = int(2 * (edge[column] - y0) - y + skip)
                if mirrored > y and mirrored < flow.shape[0]:
                    gi = min(max(int(flow[mirrored, x, 1] + 0.5), 0), height - 1)
                    gj = min(max(int(flow[mirrored, x, 0] + 0.5), 0), width - 1)
            for k in range(3):
                top = soft[i, j, k] * (1 - fu) + soft[i, j + 1, k] * fu
                low = soft[i + 1, j, k] * (1 - fu) + soft[i + 1, j + 1, k] * fu
                value = top * (1 - fv) + low * fv
                if gi >= 0:
                    grain = np.float32(own[gi, gj, k]) - np.float32(soft[gi, gj, k])
                    value += min(max(grain, -_MOST_GRAIN * value), _MOST_GRAIN * value)
                value = image[y + y0, x + x0, k] + share * (value - image[y + y0, x + x0, k])
                image[y + y0, x + x0, k] = np.uint8(min(255.0, max(0.0, value)) + 0.499)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def shade_under(image: U8, top: F32, bottom: F32, x0: int, y0: int, reach: float, strength: F32) -> None:
    """Darkens `image` [h, w, 3] close under the curve `top` and, less, over `bottom` (y by column).

    The image's upper left pixel is (`x0`, `y0`); `reach` in px; `strength` [2]: what the very edges lose.
    """
    for x in range(image.shape[1]):
        a, b = top[x], bottom[x]
        if not (b > a):
            continue
        for y in range(image.shape[0]):
            under = max(0.0, 1 - max(0.0, y + y0 - a) / reach)
            over = max(0.0, 1 - max(0.0, b - y - y0) / (0.6 * reach))
            keep = (1 - strength[0] * under * under) * (1 - strength[1] * over * over)
            for k in range(3):
                image[y, x, k] = np.uint8(image[y, x, k] * keep + 0.5)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def draw_line(image: U8, line: F32, strength: F32, x0: int, half: float, colour: F32) -> None:
    """Darkens towards `colour` along the curve `line` (y by column from `x0`), soft across `half` px."""
    reach = int(np.ceil(2.5 * half)) + 1
    for i in range(line.shape[0]):
        s = line[i]
        x = x0 + i
        if not (s > -1e8 and s < 1e8) or x < 0 or x >= image.shape[1] or strength[i] <= 0:
            continue
        middle = int(np.floor(s + 0.5))
        for y in range(max(0, middle - reach), min(image.shape[0], middle + reach + 1)):
            away = (y - s) / half
            share = strength[i] * np.exp(-away * away)
            for k in range(3):
                if colour[k] < image[y, x, k]:
                    image[y, x, k] = np.uint8(image[y, x, k] + share * (colour[k] - image[y, x, k]) + 0.5)


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
