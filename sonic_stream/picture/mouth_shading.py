"""Light on what is inside the mouth: compiled per-sample shading.

Picture axes: x right, y down, z towards the camera, px; pixel centres at integers. Everything is added up
in squared RGB. A point at depth d behind the lips sees the opening blurred by about d, straight ahead for
the light of the room and aside for the light of the lamp.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sonic_stream.picture.mouth_anatomy import GUMS, SURFACES, TEETH_A_JAW, TEETH_LOWER, TEETH_UPPER, TONGUE

Array = NDArray[Any]

NEAR_BLUR = 0.06
"""Blur (standard deviation, head units) of the first light map; each next one has `BLUR_STEP` times more."""
BLUR_STEP = 2.2


@nb.njit(cache=True, nogil=True, fastmath=True)
def seen(maps: Array, level: float, x: float, y: float) -> float:
    """How much of the opening is seen, 0..1: `maps` [K, h, w] at a fractional level."""
    count, rows, columns = maps.shape
    column, row = math.floor(x), math.floor(y)
    if column < 0 or row < 0 or column >= columns - 1 or row >= rows - 1:
        return 0.0
    fx, fy = x - column, y - row
    low = min(int(level), count - 2)
    far = level - low
    total = 0.0
    for k in range(2):
        m = maps[low + k]
        top = m[row, column] * (1 - fx) + m[row, column + 1] * fx
        bottom = m[row + 1, column] * (1 - fx) + m[row + 1, column + 1] * fx
        total += (top * (1 - fy) + bottom * fy) * (far if k == 1 else 1.0 - far)
    return total


@nb.njit(cache=True, nogil=True, fastmath=True)
def looked_up(strip: Array, x: float) -> tuple[float, float, float, float]:
    """Linear sample of [w, 4], its ends going on for ever."""
    x = min(max(x, 0.0), strip.shape[0] - 1.001)
    column = int(x)
    f = x - column
    p, q = strip[column], strip[column + 1]
    return (
        p[0] + f * (q[0] - p[0]),
        p[1] + f * (q[1] - p[1]),
        p[2] + f * (q[2] - p[2]),
        p[3] + f * (q[3] - p[3]),
    )


@nb.njit(cache=True, nogil=True, fastmath=True)
def ramp(value: float, start: float, end: float) -> float:
    """0 at `start`, 1 at `end`, straight between."""
    return min(max((value - start) / (end - start), 0.0), 1.0)


@nb.njit(cache=True, nogil=True, fastmath=True)
def embrasure(inward: float, height: float) -> float:
    """How far a point of a front tooth lies beyond its rounded corner, 0..1.

    `inward` is 1 at the side towards the middle of the row, -1 at the other, which is rounder; `height` is 0
    at the biting edge. The mesh has corners nearly as sharp as a box.
    """
    wide, high = (0.4, 0.15) if inward > 0 else (0.7, 0.26)
    over = max(abs(inward) - 1.0 + wide, 0.0) / wide
    under = max(high - height, 0.0) / high
    return ramp(over * over + under * under, 0.6, 1.5)


@nb.njit(cache=True, nogil=True, fastmath=True)
def power(base: float, doublings: int) -> float:
    """base ** (2 ** doublings)."""
    for _ in range(doublings):
        base *= base
    return base


@nb.njit(cache=True, nogil=True, fastmath=True)
def shade(
    radiance: Array,
    wanted: Array,
    x0: int,
    y0: int,
    samples: int,
    depth: Array,
    owner: Array,
    points: Array,
    triangles: Array,
    part: Array,
    surface: Array,
    normals: Array,
    across: Array,
    rise: Array,
    arch: Array,
    maps: Array,
    lip_plane: Array,
    unit_px: float,
    look: Array,
    drawn: float,
    own: Array,
    home: Array,
) -> None:
    """Mean radiance float32 [h, w, 3] (squared RGB) of each pixel where `wanted` > 0.02.

    `depth` and `owner` [h * samples, w * samples] come from `draw`; `maps` [K, h, w] are the opening at
    growing blur; `lip_plane` [4] gives the lips' depth as a + b x + c y + d x x (px of the region);
    `look` is `MouthLook.packed`; `drawn` 0..1 is how clearly one tooth is told from the next;
    `own` [w', 4] is the strip of the upper teeth, along which points lie at `home` [M]; where its last value
    is 0, and everywhere if it has one entry alone, they are drawn from `look`.
    """
    teeth, tip, neck, tongue, gums = look[0], look[1], look[2], look[3], look[4]
    cavity, deep, gloss, warm, sun = look[5], look[6], look[7], look[8], look[9]
    aside = 0.4 * min(1.0 / max(sun[2], 0.35), 2.0)
    hx, hy, hz = sun[0], sun[1], sun[2] + 1.0
    half = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
    hx, hy, hz = hx / half, hy / half, hz / half
    farthest = maps.shape[0] - 1.001
    per_level = 1.0 / math.log(BLUR_STEP)
    rows, columns = wanted.shape
    count = samples * samples
    left, same = np.empty(count, np.int32), np.empty(count, np.int32)
    for i in range(rows):
        for j in range(columns):
            if not wanted[i, j] > 0.02:
                continue
            red, green, blue = 0.0, 0.0, 0.0
            for s in range(count):
                left[s] = owner[i * samples + s // samples, j * samples + s % samples]
            for s in range(count):
                t = left[s]
                if t < 0:
                    continue
                # one shading for all samples of the same thing, at the middle one of them
                members = 0
                for other in range(s, count):
                    if left[other] >= 0 and surface[left[other]] == surface[t]:
                        same[members] = other
                        members += 1
                s_middle = same[members // 2]
                t = left[s_middle]
                for m in range(members):
                    left[same[m]] = -1
                share = members / count
                y, x = i * samples + s_middle // samples, j * samples + s_middle % samples
                py, px = (y + 0.5) / samples - 0.5, (x + 0.5) / samples - 0.5
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
                side = wa * across[a] + wb * across[b] + wc * across[c]
                height = wa * rise[a] + wb * rise[b] + wc * rise[c]
                kind = part[t]
                if kind == TONGUE:  # its skin is uneven, which breaks up the wet shine
                    nx += 0.10 * math.sin(17.0 * side + 6.0 * math.sin(15.0 * height))
                    ny += 0.10 * math.sin(41.0 * height + 5.0 * math.sin(8.0 * side))
                length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length

                plane = lip_plane[0] + lip_plane[1] * px + lip_plane[2] * py + lip_plane[3] * px * px
                behind = min(max((plane - depth[y, x]) / unit_px, 0.0), 8.0)
                level = math.log((NEAR_BLUR + 0.32 * behind) / NEAR_BLUR) * per_level
                level = min(max(level, 0.0), farthest)
                shift = min(behind, 1.2) * aside * unit_px
                fade = 0.04 + 0.96 * math.exp(-0.45 * max(behind - 1.2, 0.0))
                ambient = seen(maps, level, px, py)
                ambient *= (1.55 - 0.55 * ambient) * fade
                key = seen(maps, level, px + sun[0] * shift, py + sun[1] * shift)
                key *= (1.5 - 0.5 * key) * fade
                facing = max((nx * sun[0] + ny * sun[1] + nz * sun[2] + 0.35) / 1.35, 0.0)
                straight = 0.62 * ambient * (0.55 + 0.45 * max(nz, 0.0)) + 0.58 * key * facing
                light = straight + 0.16 * maps[maps.shape[0] - 1, i, j] * fade
                # what comes in by detours has met the red walls
                detour = 1.0 - min(0.18 + straight, 1.0)
                mirror = max(nx * hx + ny * hy + nz * hz, 0.0)
                if kind <= TEETH_LOWER:
                    tooth = surface[t] % SURFACES
                    gap = ramp(abs(side), 0.55, 1.0)
                    edge, root = ramp(height, 0.22, 0.0), ramp(height, 0.6, 1.1)
                    if kind == TEETH_LOWER:
                        edge, root = 0.6 * edge, 0.4 + 0.6 * root
                    shape = 1.0 - 0.45 * drawn * gap * gap
                    back = wa * arch[a] + wb * arch[b] + wc * arch[c]
                    light *= math.exp(-0.28 * back - (0.14 if kind == TEETH_LOWER else 0.04) * back * back)
                    if kind == TEETH_LOWER:  # slivers of them over the lip look like crumbs
                        light *= 0.8 * (1.0 - 0.5 * edge)
                    else:
                        light *= 1.0 - 0.16 * edge
                        inward = side if 2 * tooth < TEETH_A_JAW else -side
                        light *= 1.0 - 0.8 * drawn * embrasure(inward, height)
                    body = 1.0 - edge - root
                    r = shape * (body * teeth[0] + edge * tip[0] + root * neck[0])
                    g = shape * (body * teeth[1] + edge * tip[1] + root * neck[1])
                    u = shape * (body * teeth[2] + edge * tip[2] + root * neck[2])
                    glint = 0.16 * power(mirror, 5) * key
                    if kind == TEETH_UPPER and own.shape[0] > 1:
                        along = wa * home[a] + wb * home[b] + wc * home[c]
                        own_r, own_g, own_u, told = looked_up(own, along)
                        r, g, u = r + told * (own_r - r), g + told * (own_g - g), u + told * (own_u - u)
                        glint *= 1.0 - told
                        detour *= 1.0 - 0.5 * told  # half of that red is in the strip
                elif kind == TONGUE:
                    light *= 1.0 - math.exp(-((side / 0.3) ** 2)) * 0.2 * min(1.6 - 1.5 * height, 1.0)
                    r, g, u = tongue[0], tongue[1], tongue[2]
                    glint = (0.07 * power(mirror, 3) + 0.22 * power(mirror, 5)) * key
                elif kind == GUMS:  # the palate too, which lies deep
                    light *= math.exp(-0.08 * max(behind - 1.0, 0.0))
                    r, g, u = gums[0], gums[1], gums[2]
                    glint = 0.06 * power(mirror, 4) * key
                else:
                    r, g, u = cavity[0], cavity[1], cavity[2]
                    glint = 0.0
                light *= share
                glint *= share
                red += r * light + glint * gloss[0]
                green += g * light * (1.0 - detour * (1.0 - warm[1])) + glint * gloss[1]
                blue += u * light * (1.0 - detour * (1.0 - warm[2])) + glint * gloss[2]
            radiance[i, j, 0] = red + deep[0]
            radiance[i, j, 1] = green + deep[1]
            radiance[i, j, 2] = blue + deep[2]
