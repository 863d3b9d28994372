"""Compiled loops of the mouth renderer: normals, depth buffer, shading.

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

TEETH_UPPER, TEETH_LOWER, GUMS, TONGUE, CAVITY = range(5)


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
def draw(
    points: Array, triangles: Array, x0: float, y0: float, samples: int, depth: Array, owner: Array
) -> None:
    """Nearest triangle of each sub-sample: fills `depth` and `owner` ([h * samples, w * samples]).

    Back faces are left out. The caller has set `depth` to -inf and `owner` to -1.
    """
    rows, columns = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = (points[a, 0] - x0 + 0.5) * samples - 0.5, (points[a, 1] - y0 + 0.5) * samples - 0.5
        bx, by = (points[b, 0] - x0 + 0.5) * samples - 0.5, (points[b, 1] - y0 + 0.5) * samples - 0.5
        cx, cy = (points[c, 0] - x0 + 0.5) * samples - 0.5, (points[c, 1] - y0 + 0.5) * samples - 0.5
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not area < -1e-9:
            continue
        left, right = min(ax, bx, cx), max(ax, bx, cx)
        top, bottom = min(ay, by, cy), max(ay, by, cy)
        if right < 0 or bottom < 0 or left > columns - 1 or top > rows - 1:
            continue
        first_x, last_x = max(0, math.ceil(left)), min(columns - 1, math.floor(right))
        first_y, last_y = max(0, math.ceil(top)), min(rows - 1, math.floor(bottom))
        inverse = 1.0 / area
        bz, cz, az = points[b, 2], points[c, 2], points[a, 2]
        for y in range(first_y, last_y + 1):
            for x in range(first_x, last_x + 1):
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) * inverse
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * inverse
                if v >= -1e-4 and w >= -1e-4 and v + w <= 1.0002:
                    z = az + v * (bz - az) + w * (cz - az)
                    if z > depth[y, x]:
                        depth[y, x] = z
                        owner[y, x] = t


@nb.njit(cache=True, nogil=True, fastmath=True)
def seen(light: Array, level: float, x: float, y: float) -> float:
    """How much of the opening is seen (0..1): `light` [K, h, w] at a fractional blur level."""
    count, rows, columns = light.shape
    column, row = math.floor(x), math.floor(y)
    if column < 0 or row < 0 or column >= columns - 1 or row >= rows - 1:
        return 0.0
    fx, fy = x - column, y - row
    low = min(int(level), count - 2)
    part = level - low
    total = 0.0
    for k in range(2):
        m = light[low + k]
        top = m[row, column] * (1 - fx) + m[row, column + 1] * fx
        bottom = m[row + 1, column] * (1 - fx) + m[row + 1, column + 1] * fx
        total += (top * (1 - fy) + bottom * fy) * (part if k == 1 else 1.0 - part)
    return total


@nb.njit(cache=True, nogil=True, fastmath=True)
def shade(
    canvas: Array,
    opening: Array,
    x0: int,
    y0: int,
    samples: int,
    depth: Array,
    owner: Array,
    points: Array,
    triangles: Array,
    part: Array,
    normals: Array,
    across: Array,
    rise: Array,
    light_maps: Array,
    lip_plane: Array,
    unit_px: float,
    look: Array,
) -> None:
    """Colours each sub-sample, averages them over a pixel and lays them under the lips.

    `light_maps` [K, h, w] are the opening at growing blur (level k: about 0.06 * 2.2**k units),
    `lip_plane` [4] gives the lips' depth as a + b x + c y + d x x (ROI px).
    """
    teeth, rim, neck, tongue, gums = look[0], look[1], look[2], look[3], look[4]
    cavity, deep, gloss, warm, sun = look[5], look[6], look[7], look[8], look[9]
    slope = min(1.0 / max(sun[2], 0.35), 2.0)
    hx, hy, hz = sun[0], sun[1], sun[2] + 1.0
    half = math.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx / half, hy / half, hz / half
    rows, columns = opening.shape
    share = 1.0 / (samples * samples)
    for i in range(rows):
        for j in range(columns):
            cover = opening[i, j]
            if not cover > 0.0:
                continue
            cover = min(cover, 1.0)
            red, green, blue = 0.0, 0.0, 0.0
            for si in range(samples):
                for sj in range(samples):
                    y, x = i * samples + si, j * samples + sj
                    px, py = j + (sj + 0.5) / samples - 0.5, i + (si + 0.5) / samples - 0.5
                    t = owner[y, x]
                    if t < 0:
                        red += deep[0]
                        green += deep[1]
                        blue += deep[2]
                        continue
                    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    ax, ay = points[a, 0] - x0, points[a, 1] - y0
                    ux, uy = points[b, 0] - x0 - ax, points[b, 1] - y0 - ay
                    vx, vy = points[c, 0] - x0 - ax, points[c, 1] - y0 - ay
                    inverse = 1.0 / (ux * vy - uy * vx)
                    wb = ((px - ax) * vy - (py - ay) * vx) * inverse
                    wc = (ux * (py - ay) - uy * (px - ax)) * inverse
                    wa = 1.0 - wb - wc
                    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
                    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
                    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
                    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                    nx, ny, nz = nx / length, ny / length, nz / length
                    side = wa * across[a] + wb * across[b] + wc * across[c]
                    height = wa * rise[a] + wb * rise[b] + wc * rise[c]

                    plane = lip_plane[0] + lip_plane[1] * px + lip_plane[2] * py + lip_plane[3] * px * px
                    behind = (plane - depth[y, x]) / unit_px
                    behind = min(max(behind, 0.0), 8.0)
                    level = min(
                        max(math.log((0.06 + 0.26 * behind) / 0.06) * 1.2683, 0.0),
                        light_maps.shape[0] - 1.001,
                    )
                    shift = min(behind * slope, 1.5) * unit_px * 0.4
                    ambient = seen(light_maps, level, px, py)
                    key = seen(light_maps, level, px + sun[0] * shift, py + sun[1] * shift)
                    fade = math.exp(-0.38 * max(behind - 1.0, 0.0))
                    facing = nx * sun[0] + ny * sun[1] + nz * sun[2]
                    wrap = max((facing + 0.35) / 1.35, 0.0)
                    ambient *= 1.7 - 0.7 * ambient
                    key *= 1.5 - 0.5 * key
                    # light that has been thrown to and fro inside is red
                    bounce = 0.16 * seen(light_maps, light_maps.shape[0] - 1.001, px, py) * fade
                    sky = ambient * fade * (0.55 + 0.45 * max(nz, 0.0))
                    direct = key * fade * wrap
                    mirror = max(nx * hx + ny * hy + nz * hz, 0.0)
                    kind = part[t]
                    glint = 0.0
                    if kind <= TEETH_LOWER:
                        gap = min(max((abs(side) - 0.62) / 0.38, 0.0), 1.0)
                        tone = 1.0 - 0.42 * gap * gap
                        edge = min(max(1.0 - height / 0.22, 0.0), 1.0)
                        root = min(max((height - 0.6) / 0.5, 0.0), 1.0)
                        tone *= 1.0 - 0.16 * edge
                        if kind == TEETH_LOWER:
                            tone *= 0.86
                        irradiance = tone * (0.6 * sky + 0.6 * direct)
                        body = 1.0 - edge - root
                        r = (body * teeth[0] + edge * rim[0] + root * neck[0]) * (
                            irradiance + bounce * warm[0]
                        )
                        g = (body * teeth[1] + edge * rim[1] + root * neck[1]) * (
                            irradiance + bounce * warm[1]
                        )
                        bl = (body * teeth[2] + edge * rim[2] + root * neck[2]) * (
                            irradiance + bounce * warm[2]
                        )
                        m2 = mirror * mirror
                        m4 = m2 * m2
                        m16 = m4 * m4 * m4 * m4
                        glint = 0.16 * m16 * m16 * key * fade
                    elif kind == TONGUE:
                        groove = math.exp(-((side / 0.16) ** 2)) * 0.22
                        irradiance = (1.0 - groove) * (0.65 * sky + 0.6 * direct)
                        r = tongue[0] * (irradiance + bounce * warm[0])
                        g = tongue[1] * (irradiance + bounce * warm[1])
                        bl = tongue[2] * (irradiance + bounce * warm[2])
                        m2 = mirror * mirror
                        m8 = m2 * m2 * m2 * m2
                        glint = (0.05 * m8 + 0.12 * m8 * m8 * m8) * key * fade
                    elif kind == GUMS:
                        irradiance = 0.6 * sky + 0.55 * direct
                        r = gums[0] * (irradiance + bounce * warm[0])
                        g = gums[1] * (irradiance + bounce * warm[1])
                        bl = gums[2] * (irradiance + bounce * warm[2])
                        m2 = mirror * mirror
                        m8 = m2 * m2 * m2 * m2
                        glint = 0.06 * m8 * m8 * key * fade
                    else:
                        irradiance = 0.55 * sky + 0.45 * direct
                        r = cavity[0] * (irradiance + bounce * warm[0])
                        g = cavity[1] * (irradiance + bounce * warm[1])
                        bl = cavity[2] * (irradiance + bounce * warm[2])
                    red += r + deep[0] + glint * gloss[0]
                    green += g + deep[1] + glint * gloss[1]
                    blue += bl + deep[2] + glint * gloss[2]
            # the dark line where the lips touch what is behind them
            open_here = light_maps[0, i, j]
            line = min(max((open_here - 0.45) / 0.5, 0.0), 1.0)
            line = 0.30 + 0.70 * line * line * (3.0 - 2.0 * line)
            scale = share * line
            row, column = y0 + i, x0 + j
            inside_r = 255.0 * math.sqrt(min(red * scale, 1.0))
            inside_g = 255.0 * math.sqrt(min(green * scale, 1.0))
            inside_b = 255.0 * math.sqrt(min(blue * scale, 1.0))
            canvas[row, column, 0] = int(canvas[row, column, 0] * (1.0 - cover) + inside_r * cover + 0.5)
            canvas[row, column, 1] = int(canvas[row, column, 1] * (1.0 - cover) + inside_g * cover + 0.5)
            canvas[row, column, 2] = int(canvas[row, column, 2] * (1.0 - cover) + inside_b * cover + 0.5)
