"""Grows the hair of the head as polylines: every strand follows a comb field around the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, smooth_step


@dataclass(frozen=True)
class HairStyle:
    """How the hair is cut and combed; lengths in head units (cm)."""

    strands: int = 26000
    parting: float = 1.6
    """Where the parting lies (x)."""
    length_top: float = 22.0
    length_side: float = 18.0
    lift: float = 0.7
    """How far the hair stands off the skull."""
    sweep_back: float = 0.5
    """Share of the comb that goes back rather than to the side, at the front."""
    end_y: float = -11.0
    """Strands are cut at this height."""
    wave: float = 0.25
    radius: float = 0.017
    """Of a strand at its root (a rendered strand stands for several hairs)."""
    stray: float = 0.05
    """Share of strands that leave the comb a little."""
    tuck: float = 0.0
    """How far the ends turn in towards the neck."""
    short: bool = False
    coil: float = 0.0
    """Radius of the coils of short coiled hair; 0 is combed hair."""
    turns: float = 3.0
    """Turns of a coil over the length on top."""
    recede: float = 0.0
    """How much higher (cm) the hairline lies in front; below 0 lower."""


def hairline(azimuth: Array, recede: float = 0.0) -> Array:
    """Height of the hairline (y) at an angle from the front, radians."""
    at = np.radians([0, 20, 38, 52, 66, 78, 92, 106, 125, 150, 180])
    y = np.array([10.6, 10.5, 9.9, 8.2, 5.4, 3.2, 4.6, 3.0, -1.5, -4.8, -5.5])
    y = y + recede * np.array([0.7, 0.9, 1.2, 1.3, 0.9, 0.4, 0, 0, 0, 0, 0])
    return np.asarray(np.interp(np.abs(azimuth), at, y))


def on_ear(points: Array) -> Array:
    """Which points belong to the ears or the skin right behind them."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    return np.asarray((x > 6.7 + 0.12 * np.clip(y, 0, 5)) & (y < 4.6) & (y > -3.5) & (z > -2.0) & (z < 3.4))


def _roots(anatomy: Anatomy, style: HairStyle, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points on the scalp and their outward normals."""
    points, polygons = anatomy.part(0, SKIN_END)
    triangles = np.array([t for p in polygons for t in ((p[0], p[1], p[2]), (p[0], p[2], p[-1]))])
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    centre = (a + b + c) / 3
    azimuth = np.arctan2(centre[:, 0], centre[:, 2] - 1.5)
    depth = centre[:, 1] - hairline(azimuth, style.recede)
    ear = on_ear(centre)
    weight = area * smooth_step(-0.25, 0.7, depth) * ~ear * (area > 1e-9)
    count = style.strands
    pick = rng.choice(len(area), count, p=weight / weight.sum())
    u, v = rng.random((2, count))
    flip = u + v > 1
    u[flip], v[flip] = 1 - u[flip], 1 - v[flip]
    roots = a[pick] + u[:, None] * (b - a)[pick] + v[:, None] * (c - a)[pick]
    return roots, normal[pick] / area[pick, None]


def surface(anatomy: Anatomy) -> tuple[cKDTree, Array, Array]:
    """A dense sample of the skin for keeping strands outside it."""
    points, polygons = anatomy.part(0, SKIN_END)
    centres, normals = [], []
    for p in polygons:
        q = points[list(p)]
        n = np.cross(q[1] - q[0], q[2] - q[0])
        size = np.linalg.norm(n)
        if size > 1e-9:
            centres.append(q.mean(0))
            normals.append(n / size)
    return cKDTree(np.array(centres)), np.array(centres), np.array(normals)


def grow(anatomy: Anatomy, style: HairStyle, seed: int, points_each: int = 18) -> tuple[Array, Array]:
    """Strands float [N, points_each, 3] and their radii [N, points_each]."""
    rng = np.random.default_rng(seed)
    roots, normals = _roots(anatomy, style, rng)
    tree, ground, ground_normal = surface(anatomy)
    count = len(roots)
    clump_roots = roots[rng.choice(count, count // 45, replace=False)]
    clump = cKDTree(clump_roots).query(roots)[1]
    clump_random = rng.normal(size=(len(clump_roots), 4))
    own = rng.normal(size=(count, 4))
    side = np.where(roots[:, 0] > style.parting + 0.12 * own[:, 0], 1.0, -1.0)
    azimuth = np.arctan2(roots[:, 0], roots[:, 2] - 1.5)
    top = smooth_step(6.0, 11.5, roots[:, 1])
    front = smooth_step(np.radians(110), np.radians(30), np.abs(azimuth))
    length = style.length_side + (style.length_top - style.length_side) * top
    length = length * (1 + 0.05 * own[:, 1] + 0.05 * clump_random[clump, 1])
    step = length / (points_each - 1)
    comb_side = np.stack([side, 0 * side, 0 * side], 1)
    comb_back = np.tile([0.0, 0.1, -1.0], (count, 1))
    lift = style.lift * (0.35 + 0.65 * rng.random(count)) * (0.6 + 0.5 * top)
    # Flat at the parting, full beside it.
    lift *= 0.25 + 0.75 * smooth_step(0.2, 3.2, np.abs(roots[:, 0] - style.parting))
    loose = (rng.random(count) < style.stray)[:, None]
    strands = np.zeros((count, points_each, 3))
    strands[:, 0] = roots - 0.05 * normals
    here = roots + 0.02 * normals
    heading = normals * 0.8 + 0.2 * comb_side
    phase = clump_random[clump, 2] * 3 + 0.4 * own[:, 2]
    for k in range(1, points_each):
        t = k / (points_each - 1)
        distance, nearest = tree.query(here)
        n = ground_normal[nearest]
        away = ((here - ground[nearest]) * n).sum(1)
        back = (style.sweep_back * front + (0.25 if not style.short else 0.0))[:, None]
        wanted = comb_side * (top * (1 - 0.85 * smooth_step(0.0, 0.5, np.full(count, t))))[
            :, None
        ] + comb_back * back * (1 - 0.6 * t)
        gravity = (0.25 + 1.4 * t) if not style.short else (0.55 - 0.75 * top * front)
        wanted = wanted + np.array([0, -1.0, 0]) * np.reshape(gravity, (-1, 1))
        tangent = wanted - (wanted * n).sum(1, keepdims=True) * n * smooth_step(4.0, 0.5, away)[:, None]
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
        stiff = 0.45 if not style.short else 0.55
        heading = stiff * heading + (1 - stiff) * tangent
        if style.tuck:
            inward = -here * np.array([1.0, 0, 0.7])
            inward /= np.linalg.norm(inward, axis=1, keepdims=True) + 1e-9
            heading = heading + inward * style.tuck * smooth_step(0.72, 1.0, np.full(count, t))[:, None]
        heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
        here = here + heading * step[:, None]
        distance, nearest = tree.query(here)
        n = ground_normal[nearest]
        away = ((here - ground[nearest]) * n).sum(1)
        least = lift * smooth_step(0.0, 0.3, np.full(count, t)) + 0.06
        push = np.clip(least - away, 0, 1.5) * (distance < 3.5)
        here = here + n * push[:, None]
        if not style.short:
            # Keep the face free: in front of the ears hair stays outside the cheek line.
            ahead = smooth_step(1.0, 4.0, here[:, 2]) * smooth_step(10.8, 8.5, here[:, 1])
            edge = 6.9 + 0.3 * np.abs(own[:, 3]) - 0.10 * np.clip(-here[:, 1] - 1, 0, 6)
            short_of = np.clip(edge - np.abs(here[:, 0]), 0, 4) * ahead
            outward = np.where(np.abs(here[:, 0]) > 1.0, np.sign(here[:, 0]), side)
            here[:, 0] += outward * short_of * 0.8
            here[:, 2] -= 0.5 * short_of
        curl = style.wave * t * np.sin(t * 9 + phase)
        bend = np.stack([np.cos(phase), 0 * phase, np.sin(phase)], 1) * curl[:, None]
        strands[:, k] = (
            here
            + 0.35 * bend
            + (0.05 + 0.45 * loose) * t * own[:, :3]
            + 0.10 * t * clump_random[clump][:, :3]
        )
    cut = strands[..., 1] < style.end_y + 0.5 * own[:, :1]
    # Strands that reach the cut end there: later points fold onto the last one above it.
    last = np.where(cut.any(1), cut.argmax(1), points_each)
    for i in np.flatnonzero(last < points_each):
        keep = strands[i, : max(2, last[i])]
        at = np.linspace(0, len(keep) - 1, points_each)
        strands[i] = np.stack([np.interp(at, np.arange(len(keep)), keep[:, a]) for a in range(3)], 1)
    share = np.linspace(0, 1, points_each)
    radius = style.radius * (1 - 0.75 * share**2)[None] * (0.8 + 0.4 * rng.random((count, 1)))
    return strands, np.broadcast_to(radius, (count, points_each))


def coils(anatomy: Anatomy, style: HairStyle, seed: int, points_each: int = 20) -> tuple[Array, Array]:
    """Short coiled hair: every strand a small helix that stands off the scalp, shorter at the sides."""
    rng = np.random.default_rng(seed)
    roots, normals = _roots(anatomy, style, rng)
    count = len(roots)
    azimuth = np.arctan2(roots[:, 0], roots[:, 2] - 1.5)
    height = roots[:, 1] - hairline(azimuth, style.recede)
    top = smooth_step(4.0, 10.5, roots[:, 1]) * smooth_step(0.0, 1.6, height)
    length = (style.length_side + (style.length_top - style.length_side) * top) * (
        0.75 + 0.4 * rng.random(count)
    )
    # Strands of one tuft lean together.
    tufts = roots[rng.choice(count, count // 30, replace=False)]
    tuft = cKDTree(tufts).query(roots)[1]
    lean = rng.normal(size=(len(tufts), 3))[tuft] * 0.30 + rng.normal(size=(count, 3)) * 0.16
    axis = normals + lean
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    across = np.cross(axis, rng.normal(size=(count, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(axis, across)
    t = np.linspace(0, 1, points_each)[None, :, None]
    turn = 2 * np.pi * (style.turns * length / style.length_top)[:, None, None] * t + rng.uniform(
        0, 6.28, (count, 1, 1)
    )
    width = style.coil * smooth_step(0.0, 0.35, t)
    gather = (tufts[tuft] - roots)[:, None] * 0.35 * t
    strands = (
        roots[:, None]
        - 0.04 * normals[:, None]
        + axis[:, None] * (length[:, None, None] * t)
        + width * (np.cos(turn) * across[:, None] + np.sin(turn) * other[:, None])
        + gather
    )
    radius = 0.017 * (1 - 0.6 * t[..., 0] ** 2) * (0.8 + 0.4 * rng.random((count, 1)))
    return strands, radius


def scalp_mask(anatomy: Anatomy, recede: float = 0.0) -> Array:
    """1 where hair grows, 0 elsewhere, per skin vertex."""
    v = anatomy.vertices[:SKIN_END]
    depth = v[:, 1] - hairline(np.arctan2(v[:, 0], v[:, 2] - 1.5), recede)
    ear = on_ear(v)
    return smooth_step(-0.3, 0.9, depth) * ~ear
