"""Light on a synthetic head: compiled shading of every sample by what it is made of.

Picture axes: x right, y down, z towards the camera; colours are linear RGB. Skin lets red light travel
farther than blue round a shadow's edge; lips, tongue and gums are wet; teeth are told apart by their gaps; an
eye is a white ball with a ring of fibres and a clear dome.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from sonic_stream.train.heads.mesh import (
    CAVITY,
    EYE_LEFT,
    EYE_RIGHT,
    HAIR,
    SKIN,
    TEETH_LOWER,
    TEETH_UPPER,
    TONGUE,
)
from sonic_stream.types import F32

_FAST = {"nsz", "arcp", "contract", "reassoc"}
WET, LID, ACROSS, RISE, ARCH, U, V = range(3, 10)
"""Columns of the attributes after the normal's three."""
ATTRIBUTES = 10
COLLAR_V = 748.0
"""Chart row below which a body is dressed."""
LIP, TEETH, GUM, TONGUE_TONE, IRIS, HAIR_TONE, CLOTH, KEY, KEY_COLOUR, SKY, GROUND, MORE, EYES = range(13)
"""Rows of the look as the shader takes it, float32 [13, 4]."""


@numba.njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _hash(i: int, j: int) -> float:
    n = (i * 374761393 + j * 668265263) & 0x7FFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65535.0


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _grain(x: float, y: float) -> float:
    """Smooth noise, -1..1, with blobs one unit wide."""
    i, j = math.floor(x), math.floor(y)
    fx, fy = x - i, y - j
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    i, j = int(i), int(j)
    top = _hash(i, j) * (1 - fx) + _hash(i + 1, j) * fx
    low = _hash(i, j + 1) * (1 - fx) + _hash(i + 1, j + 1) * fx
    return 2 * (top * (1 - fy) + low * fy) - 1


@numba.njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _step(low: float, high: float, x: float) -> float:
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def shade(
    owner: Any,
    material: Any,
    attributes: F32,
    tangents: F32,
    depth: F32,
    sky_seen: F32,
    lamp_seen: F32,
    texture: F32,
    look: F32,
    eyes: F32,
    lip_z: float,
    gape: float,
    unit_px: float,
    corner: F32,
    out: F32,
) -> None:
    """Radiance [h, w, 3] of every owned sample.

    `attributes` [h, w, ATTRIBUTES]; `texture` is a painted chart; `look` [13, 4]; `eyes` [2, 8] centre
    (x, y, z) and radius in px, axis [3], radius of the iris as a sine; `lip_z` is how near the lips are,
    `gape` how far they are apart in head units; `corner` [3]: picture x, y of sample (0, 0), and the px
    between samples.
    """
    rows, columns = owner.shape
    kx, ky, kz, soft = look[KEY, 0], look[KEY, 1], look[KEY, 2], look[KEY, 3]
    hx, hy, hz = kx, ky, kz + 1.0
    length = math.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx / length, hy / length, hz / length
    lip_gloss, skin_gloss, gaps, wrinkle = look[MORE, 0], look[MORE, 1], look[MORE, 2], look[MORE, 3]
    blunt = 1.0 + 2.5 * soft
    tone = np.empty(3, np.float32)
    wrap = np.empty(3, np.float32)
    taken = np.empty(6, np.float32)
    for y in range(rows):
        for x in range(columns):
            t = owner[y, x]
            if t < 0:
                continue
            kind = material[t]
            nx, ny, nz = attributes[y, x, 0], attributes[y, x, 1], attributes[y, x, 2]
            u, v = attributes[y, x, U], attributes[y, x, V]
            wet = attributes[y, x, WET]
            rise, across = attributes[y, x, RISE], attributes[y, x, ACROSS]
            shine, sharp = 0.0, 20.0
            wrap[0], wrap[1], wrap[2] = 0.0, 0.0, 0.0
            seen, lit = sky_seen[y, x], lamp_seen[y, x]
            inside = 0.0
            if kind == SKIN and v < COLLAR_V + 26 * math.cos((u - 511.5) * 0.006):
                cu = min(max(u, 0.0), texture.shape[1] - 1.001)
                cv = min(max(v, 0.0), texture.shape[0] - 1.001)
                j, i = int(cu), int(cv)
                fx, fy = cu - j, cv - i
                for k in range(6):
                    top = texture[i, j, k] * (1 - fx) + texture[i, j + 1, k] * fx
                    low = texture[i + 1, j, k] * (1 - fx) + texture[i + 1, j + 1, k] * fx
                    taken[k] = top * (1 - fy) + low * fy
                gloss = taken[5]
                for k in range(3):
                    tone[k] = taken[k]
                    tone[k] += (
                        _step(0.3, 1.0, wet) * 0.8 * (0.5 * look[GUM, k] + 0.5 * look[LIP, k] - tone[k])
                    )
                lid = attributes[y, x, LID]
                tone[0] += lid * 0.25 * (0.5 - tone[0])
                tone[1] += lid * 0.25 * (0.22 - tone[1])
                tone[2] += lid * 0.25 * (0.2 - tone[2])
                # the relief tilts the normal against the directions of the chart on the picture
                for k in range(2):
                    ax, ay, az = tangents[y, x, k, 0], tangents[y, x, k, 1], tangents[y, x, k, 2]
                    size = ax * ax + ay * ay + az * az
                    if size > 1e-6:
                        tilt = taken[3 + k] * unit_px / size
                        nx -= ax * tilt
                        ny -= ay * tilt
                        nz -= az * tilt
                length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
                wrap[0], wrap[1], wrap[2] = 0.34, 0.17, 0.10
                lips = min(1.0, max(0.0, gloss - 1.0) * 0.5)
                wetness = max(lips * lip_gloss, 1.2 * wet)
                shine = 0.10 * skin_gloss * min(gloss, 1.0) + 0.30 * wetness
                sharp = 14.0 + 60.0 * min(1.0, wetness)
                inside = 0.8 * _step(0.6, 1.0, wet)
            elif kind == SKIN:
                weave = 1 + 0.12 * _grain(u * 0.5, v * 0.5) + 0.1 * _grain(u * 0.07, v * 0.05)
                for k in range(3):
                    tone[k] = look[CLOTH, k] * weave
            elif kind == HAIR:
                strand = 1 + 0.45 * _grain(u * 0.55, v * 0.035) + 0.3 * _grain(u * 0.16, v * 0.02)
                for k in range(3):
                    tone[k] = look[HAIR_TONE, k] * max(0.15, strand) * 1.3
                shine, sharp = 0.06 * max(0.0, strand), 9.0
            elif kind in (EYE_LEFT, EYE_RIGHT):
                e = 0 if kind == EYE_LEFT else 1
                px, py = corner[0] + x * corner[2], corner[1] + y * corner[2]
                radius = eyes[e, 3]
                nx, ny = (px - eyes[e, 0]) / radius, (py - eyes[e, 1]) / radius
                nz = math.sqrt(max(0.0, 1 - nx * nx - ny * ny))
                ax, ay, az = eyes[e, 4], eyes[e, 5], eyes[e, 6]
                facing = nx * ax + ny * ay + nz * az
                out_x, out_y, out_z = nx - ax * facing, ny - ay * facing, nz - az * facing
                off = math.sqrt(out_x * out_x + out_y * out_y + out_z * out_z)
                ring = off / eyes[e, 7] if facing > 0 else 9.0
                vein = max(0.0, _grain(px * 0.9, py * 0.35) - 0.25) * _step(1.2, 2.4, ring)
                tone[0] = 0.66 - 0.05 * vein
                tone[1] = 0.61 - 0.05 * _step(1.1, 2.6, ring) - 0.25 * vein
                tone[2] = 0.58 - 0.08 * _step(1.1, 2.6, ring) - 0.22 * vein
                if ring < 1.12:
                    turn = math.atan2(out_y, out_x)
                    fibre = 1 + 0.35 * _grain(turn * 13, ring * 2.0) + 0.25 * _grain(turn * 5, ring * 4 + 9)
                    inner = 1 + 0.6 * _step(0.75, 0.4, ring)
                    rim = 1 - 0.75 * _step(0.72, 1.0, ring)
                    hole = _step(0.30, 0.40, ring * (0.85 + 0.3 * wrinkle))
                    white = _step(0.94, 1.1, ring)
                    for k in range(3):
                        value = look[IRIS, k] * fibre * inner * rim * hole + 0.004
                        tone[k] = value + white * (tone[k] - value)
                    nx, ny, nz = ax + (nx - ax) * 1.5, ay + (ny - ay) * 1.5, az + (nz - az) * 1.5
                    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                    nx, ny, nz = nx / length, ny / length, nz / length
                shine, sharp = 2.2, 260.0
                wrap[0], wrap[1], wrap[2] = 0.35, 0.32, 0.3
            elif kind in (TEETH_UPPER, TEETH_LOWER):
                gap = _step(0.80, 1.0, abs(across)) * gaps
                neck = _step(0.72, 1.02, rise)
                edge = _step(0.16, 0.0, rise)
                tooth = 1 + 0.03 * _grain(u * 0.11, 3.0) + 0.03 * _grain(across * 3.0 + u, rise * 1.5)
                for k in range(3):
                    tone[k] = look[TEETH, k] * tooth * (1 - 0.55 * gap)
                tone[1] *= 0.94
                tone[2] *= 0.87
                tone[1] *= 1 - 0.10 * neck - 0.05 * gap
                tone[2] *= 1 - 0.22 * neck - 0.12 * gap + 0.03 * edge
                for k in range(3):
                    tone[k] *= 1 - 0.12 * edge
                    tone[k] += _step(1.0, 1.12, rise) * (look[GUM, k] - tone[k])
                shine, sharp = 0.5, 120.0
                wrap[0], wrap[1], wrap[2] = 0.40, 0.36, 0.30
                inside = 1.0
            else:
                row = GUM
                bump = 0.06
                if kind == TONGUE:
                    row = TONGUE_TONE
                    bump = 0.16
                    nx += bump * _grain(across * 14, rise * 80)
                    ny += bump * _grain(across * 14 + 31, rise * 80)
                elif kind == CAVITY:
                    bump = 0.10
                mottle = 1 + 0.10 * _grain(u * 0.12, v * 0.12) + bump * _grain(u * 0.5, v * 0.5)
                for k in range(3):
                    tone[k] = look[row, k] * mottle
                if kind == TONGUE:
                    groove = math.exp(-((across / 0.16) ** 2)) * 0.22
                    for k in range(3):
                        tone[k] *= 1 - groove
                        tone[k] *= 0.9 + 0.25 * _step(0.3, 1.0, rise)
                elif kind == CAVITY:
                    for k in range(3):
                        tone[k] *= 0.6
                length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                nx, ny, nz = nx / length, ny / length, nz / length
                shine, sharp = 0.35, 70.0
                wrap[0], wrap[1], wrap[2] = 0.38, 0.25, 0.2
                inside = 1.0
            if nz < 0 and inside > 0.5:
                nx, ny, nz = -nx, -ny, -nz
            if inside > 0:
                # deep inside little is left of the light that comes through the lips
                deep = max(0.0, (lip_z - depth[y, x]) / unit_px - 0.35) + attributes[y, x, ARCH]
                deep *= 1.7 if kind in (TONGUE, CAVITY) else 0.9
                deep += 1.8 * max(0.0, deep - 1.2)
                fade = 1 + inside * (gape / math.sqrt(gape * gape + deep * deep + 1e-6) - 1)
                seen *= fade * (1 - 0.15 * inside)
                lit *= (0.3 + 0.7 * fade) * (1 - 0.2 * inside)
            lambert = nx * kx + ny * ky + nz * kz
            up = 0.5 - 0.5 * ny
            half = max(0.0, nx * hx + ny * hy + nz * hz)
            e = sharp / blunt
            glare = shine * (e + 8) / 50 * math.pow(half, e) * lit
            mirror = 2 * nz * ny  # y of the mirrored view ray, negative upwards
            graze = 0.04 + 0.5 * math.pow(1 - min(1.0, max(0.0, nz)), 4)
            gleam = min(shine, 1.0) * graze * seen * (0.6 - 0.5 * mirror)
            for k in range(3):
                w = wrap[k]
                light = max(0.0, (lambert + w) / (1 + w))
                shadow = lit + w * 0.5 * (1 - lit) * lit
                direct = light * shadow * look[KEY_COLOUR, k]
                # light that bounces between coloured walls keeps their colour
                bounced = seen / max(0.08, 1 - tone[k] * (1 - seen) * 0.75)
                around = (look[GROUND, k] + (look[SKY, k] - look[GROUND, k]) * up) * min(1.0, bounced)
                around *= 1 + inside * (0.06 - 0.10 * k)  # lips tint what comes through them
                out[y, x, k] = (
                    tone[k] * (direct + around) + glare * look[KEY_COLOUR, k] + gleam * look[SKY, k]
                )
