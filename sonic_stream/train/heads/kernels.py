"""The inner loops of the renderer, compiled: triangles to owners, a relief's shadow and ambient light.

Picture axes: x right, y down, z towards the camera, all in px of the picture; samples lie `1 / fine` px
apart. Nothing here knows of faces.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from sonic_stream.types import F32

_FAST = {"nsz", "arcp", "contract", "reassoc"}
FAR = -1e9
"""Depth where nothing has been drawn."""
DIRECTIONS = 10
RINGS = 4
STEPS = 22


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def draw(points: F32, triangles: Any, x0: float, y0: float, fine: int, depth: F32, owner: Any) -> None:
    """Writes into `owner` [h, w] which triangle is nearest to the camera, into `depth` how near.

    `points` float32 [V, 3]; sample (i, j) lies at
    ((j + 0.5) / fine - 0.5 + x0, (i + 0.5) / fine - 0.5 + y0). Triangles that turn away are left out.
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = (points[a, 0] - x0 + 0.5) * fine - 0.5, (points[a, 1] - y0 + 0.5) * fine - 0.5
        bx, by = (points[b, 0] - x0 + 0.5) * fine - 0.5, (points[b, 1] - y0 + 0.5) * fine - 0.5
        cx, cy = (points[c, 0] - x0 + 0.5) * fine - 0.5, (points[c, 1] - y0 + 0.5) * fine - 0.5
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not area < -1e-9:
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        top, bottom = max(0, int(np.ceil(min(ay, by, cy)))), min(height - 1, int(np.floor(max(ay, by, cy))))
        inverse = 1.0 / area
        za, zb, zc = points[a, 2], points[b, 2], points[c, 2]
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                wc = 1.0 - wa - wb
                if wa < -1e-5 or wb < -1e-5 or wc < -1e-5:
                    continue
                z = wa * za + wb * zb + wc * zc
                if z > depth[y, x]:
                    depth[y, x] = z
                    owner[y, x] = t


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def interpolate(
    points: F32,
    triangles: Any,
    values: F32,
    owner: Any,
    x0: float,
    y0: float,
    fine: int,
    out: F32,
    tangents: F32,
) -> None:
    """Values [V, K] at every sample that has an owner, into `out` [h, w, K]; the last two of them are chart
    coordinates, whose directions on the picture go into `tangents` [h, w, 2, 3] (px per chart px)."""
    height, width, count = out.shape
    for y in range(height):
        for x in range(width):
            t = owner[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            px, py = (x + 0.5) / fine - 0.5 + x0, (y + 0.5) / fine - 0.5 + y0
            ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
            vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
            inverse = 1.0 / (ux * vy - uy * vx)
            qx, qy = px - points[a, 0], py - points[a, 1]
            wb = (qx * vy - qy * vx) * inverse
            wc = (ux * qy - uy * qx) * inverse
            wa = 1.0 - wb - wc
            for k in range(count):
                out[y, x, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]
            s1, t1 = values[b, count - 2] - values[a, count - 2], values[b, count - 1] - values[a, count - 1]
            s2, t2 = values[c, count - 2] - values[a, count - 2], values[c, count - 1] - values[a, count - 1]
            chart = s1 * t2 - s2 * t1
            if chart > 1e-6 or chart < -1e-6:
                chart = 1.0 / chart
                tangents[y, x, 0, 0] = (ux * t2 - vx * t1) * chart
                tangents[y, x, 0, 1] = (uy * t2 - vy * t1) * chart
                tangents[y, x, 0, 2] = (uz * t2 - vz * t1) * chart
                tangents[y, x, 1, 0] = (vx * s1 - ux * s2) * chart
                tangents[y, x, 1, 1] = (vy * s1 - uy * s2) * chart
                tangents[y, x, 1, 2] = (vz * s1 - uz * s2) * chart


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def ambient(depth: F32, normals: F32, fine: int, reach_px: float, out: F32) -> None:
    """How much of the sky each sample of a relief sees, 0..1, into `out` [h, w].

    What stands up within `reach_px` hides part of it (horizons in ten directions).
    """
    height, width = depth.shape
    cosines, sines = np.empty((5, DIRECTIONS), np.float32), np.empty((5, DIRECTIONS), np.float32)
    for s in range(5):
        for d in range(DIRECTIONS):
            angle = 6.2831853 * d / DIRECTIONS + 0.1257 * s
            cosines[s, d], sines[s, d] = np.cos(angle), np.sin(angle)
    ways = np.empty(RINGS + 1, np.float32)
    for r in range(RINGS + 1):
        ways[r] = reach_px * (r / RINGS) ** 1.6
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            if z < -1e8:
                out[y, x] = 1.0
                continue
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            hidden = 0.0
            spin = (x * 7 + y * 13) % 5
            for d in range(DIRECTIONS):
                dx, dy = cosines[spin, d], sines[spin, d]
                worst = 0.0
                for r in range(1, RINGS + 1):
                    way = ways[r]
                    i, j = int(y + dy * way * fine + 0.5), int(x + dx * way * fine + 0.5)
                    if i < 0 or j < 0 or i >= height or j >= width:
                        break
                    up = depth[i, j] - z
                    if up < -1e7:
                        continue
                    length = np.sqrt(way * way + up * up)
                    rise = (nx * dx * way + ny * dy * way + nz * up) / length - 0.12
                    rise *= 1.0 - 0.6 * way / reach_px
                    worst = max(worst, rise)
                hidden += min(1.0, worst * 1.15)
            out[y, x] = 1.0 - hidden / DIRECTIONS


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def shadow(depth: F32, towards: F32, fine: int, reach_px: float, soft: float, out: F32) -> None:
    """How much of a lamp in direction `towards` [3] each sample of a relief sees, 0..1, into `out` [h, w]."""
    height, width = depth.shape
    flat = np.sqrt(towards[0] ** 2 + towards[1] ** 2) + 1e-6
    dx, dy, rise = towards[0] / flat, towards[1] / flat, towards[2] / flat
    ways = np.empty(STEPS + 1, np.float32)
    for s in range(STEPS + 1):
        ways[s] = reach_px * (s / STEPS) ** 1.7
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            seen = 1.0
            if z > -1e8:
                for s in range(1, STEPS + 1):
                    way = ways[s]
                    i, j = int(y + dy * way * fine + 0.5), int(x + dx * way * fine + 0.5)
                    if i < 0 or j < 0 or i >= height or j >= width:
                        break
                    over = depth[i, j] - (z + rise * way)
                    if over > -1e7:
                        clear = 0.5 - (over - 0.4) / (soft * way + 0.8)
                        seen = min(seen, clear)
                        if seen <= 0:
                            seen = 0.0
                            break
            out[y, x] = max(0.0, seen)
