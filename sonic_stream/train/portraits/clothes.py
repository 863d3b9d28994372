"""A knitted top as points: a ribbed neckband and a body lofted over the shoulders, fitted to the neck.

Axes and units as in `anatomy` (centimetres, y up, z forward); nothing here knows the renderer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, smooth_step, value_noise

SECTORS = 720
RIBS = 150
ROWS = 90
# One line per level of the body, from the neckband down: half width, height at the side, front and back,
# depth in front and behind, roundness of the section.
LEVELS = np.array(
    [
        (6.6, -10.3, -12.5, -9.6, 5.2, -6.9, 2.0),
        (8.0, -11.1, -13.4, -10.5, 5.0, -7.7, 2.0),
        (11.0, -12.5, -15.0, -12.0, 5.1, -8.9, 2.1),
        (14.5, -13.9, -17.5, -14.0, 5.8, -9.7, 2.2),
        (17.4, -15.8, -20.5, -17.0, 6.6, -10.2, 2.4),
        (19.2, -18.6, -24.0, -21.0, 7.2, -10.5, 2.6),
        (20.2, -23.0, -29.0, -27.0, 7.7, -10.8, 2.7),
        (20.8, -31.0, -36.0, -35.0, 8.0, -11.0, 2.8),
        (21.0, -48.0, -50.0, -50.0, 8.0, -11.0, 2.8),
    ]
)
# The neckband's profile from its foot over the fold to the inside: outward, upward.
CREW = np.array(
    [(0.55, -0.7), (0.62, 0.0), (0.58, 0.7), (0.40, 1.25), (0.12, 1.35), (-0.08, 1.0), (-0.1, 0.0)]
)
ROLL = np.array(
    [
        (0.55, -1.0),
        (0.95, -0.2),
        (1.15, 0.9),
        (1.05, 2.2),
        (0.80, 3.3),
        (0.45, 3.75),
        (0.12, 3.5),
        (0.02, 2.4),
        (0.0, 0.5),
    ]
)


@dataclass(frozen=True)
class Top:
    """What is worn."""

    colour: tuple[float, float, float] = (0.10, 0.16, 0.22)
    rolled: bool = False
    """A folded roll neck rather than a round neckband."""
    shoulders: float = 1.0
    """Width of the shoulders; 1 is 42 cm."""
    drop: float = 0.0
    """How far (cm) the neckline is lowered in front."""


@dataclass(frozen=True)
class Cloth:
    """A grid of points [rows, sectors, 3] with a rib coordinate and a depth along it per point."""

    points: Array
    along: Array


def _outside(points: Array, tree: cKDTree, skin: Array, normals: Array, gap: float) -> Array:
    """The points, moved so that they lie at least `gap` off the skin near them."""
    flat = points.reshape(-1, 3)
    distance, near = tree.query(flat)
    away = ((flat - skin[near]) * normals[near]).sum(1)
    push = np.clip(gap - away, 0, 3) * smooth_step(5.0, 2.0, distance)
    return np.asarray((flat + normals[near] * push[:, None]).reshape(points.shape))


def neck_skin(anatomy: Anatomy) -> tuple[cKDTree, Array, Array]:
    """The skin below the jaw and its normals."""
    points, polygons = anatomy.part(0, SKIN_END)
    normals = np.zeros_like(points)
    for p in polygons:
        n = np.cross(points[p[1]] - points[p[0]], points[p[-1]] - points[p[0]])
        normals[list(p)] += n
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    low = (points[:, 1] < -6.5) & ((points[:, 2] < 6.0) | (points[:, 1] < -10))
    return cKDTree(points[low]), points[low], normals[low]


def _section(half_width: Array, height: Array, depth: Array, power: Array, angle: Array) -> Array:
    """Points of superelliptic rings: [rows] numbers and [sectors] angles (0 left, 90 degrees front)."""
    c, s = np.cos(angle), np.sin(angle)
    x = half_width[:, None] * np.sign(c) * np.abs(c) ** (2 / power[:, None])
    front = np.where(s > 0, depth[:, 0, None], -depth[:, 1, None])
    z = front * np.sign(s) * np.abs(s) ** (2 / power[:, None])
    middle = np.where(s > 0, height[:, 1, None], height[:, 2, None])
    y = height[:, 0, None] + (middle - height[:, 0, None]) * (s**2)[None]
    return np.stack([x, y, z], -1)


def body(anatomy: Anatomy, top: Top, seed: int) -> Cloth:
    """The body of the top, from under the neckband to below the picture."""
    at = np.linspace(0, len(LEVELS) - 1, ROWS)
    levels = PchipInterpolator(np.arange(len(LEVELS)), LEVELS)(at)
    wide = smooth_step(8.0, 15.0, levels[:, 0])
    levels[:, 0] *= 1 + (top.shoulders - 1) * wide
    levels[:, 2] -= top.drop * (1 - smooth_step(0.0, 4.0, at))
    angle = np.linspace(0, 2 * np.pi, SECTORS, endpoint=False)
    points = _section(levels[:, 0], levels[:, 1:4], levels[:, 4:6], levels[:, 6], angle)
    flat = points.reshape(-1, 3)
    folds = value_noise(flat * np.array([0.55, 0.22, 0.5]), 2.2, seed) + 0.5 * value_noise(
        flat, 5.0, seed + 1
    )
    swell = 0.16 * folds.reshape(ROWS, SECTORS) * smooth_step(0.5, 3.5, at)[:, None]
    outward = np.stack([np.cos(angle), 0.5 + 0 * angle, np.sin(angle)], -1)
    points = points + swell[..., None] * outward
    points = _outside(points, *neck_skin(anatomy), gap=0.30)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1))]
    rib = points[..., 0] * 1.0
    return Cloth(points, np.stack([rib, np.repeat(length[:, None], SECTORS, 1), 0 * rib], -1))


def neckband(anatomy: Anatomy, top: Top) -> Cloth:
    """The ribbed band around the neck."""
    angle = np.linspace(0, 2 * np.pi, 2 * SECTORS, endpoint=False)
    first = LEVELS[:1].copy()
    first[:, 2] -= top.drop
    skin = neck_skin(anatomy)
    ring = _outside(_section(first[:, 0], first[:, 1:4], first[:, 4:6], first[:, 6], angle), *skin, gap=0.05)[
        0
    ]
    profile = ROLL if top.rolled else CREW
    rows = 40
    shape = PchipInterpolator(np.linspace(0, 1, len(profile)), profile)(np.linspace(0, 1, rows))
    # The neck leans back and narrows upwards: the band follows it.
    lean = -0.10 * shape[:, 1]
    out = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    rib = 0.055 * np.cos(RIBS * angle)
    offset = (shape[:, 0] + lean)[:, None] + rib[None] * smooth_step(0.0, 0.4, shape[:, 0])[:, None]
    points = ring[None] + offset[..., None] * out[None]
    points[..., 1] += shape[:, 1, None]
    points[..., 2] -= 0.06 * np.clip(shape[:, 1, None], 0, 9)
    points = _outside(points, *skin, gap=0.04)
    return Cloth(
        points,
        np.stack(
            [np.repeat(angle[None] * 6, rows, 0), np.repeat(shape[:, 1:2], len(angle), 1), 0 * offset], -1
        ),
    )


def ring_polygons(rows: int, sectors: int) -> list[tuple[int, ...]]:
    """Quads of a grid that closes around."""
    index = np.arange(rows * sectors).reshape(rows, sectors)
    quads = np.stack([index[:-1], index[1:], np.roll(index, -1, 1)[1:], np.roll(index, -1, 1)[:-1]], -1)
    return [tuple(q) for q in quads.reshape(-1, 4).tolist()]
