"""Numbers of a head for painting a portrait: vertices, colours by place, hair and clothes as points.

Head axes as in ICT-FaceKit (x to the head's left, y up, z forward, about a centimetre a unit); nothing
here knows the renderer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[Any]
SKIN_END = 11248
MOUTH = (11248, 13294)
GUMS = (14062, 17039)
TEETH = (17039, 21451)
SCLERA = {"left": (21451, 22221), "right": (23021, 23791)}


@dataclass(frozen=True)
class Anatomy:
    """A head with identity and expression applied, and where its features are."""

    vertices: Array
    quads: Array
    marks: Array
    """The 68 classic landmarks, [68, 3]."""

    @classmethod
    def build(
        cls,
        folder: Path,
        identity: dict[int, float],
        expression: dict[str, float],
        eye_size: float = 1.0,
        taper: float = 0.0,
    ) -> Anatomy:
        z = np.load(folder / "ict_facekit.npz")
        index = json.loads((folder / "index.json").read_text())
        vertices = z["V"].astype(np.float64)
        for component, weight in identity.items():
            vertices += weight * z["I"][component].astype(np.float64)
        names = [str(n) for n in z["names"]]
        for name, weight in expression.items():
            for full in (name,) if name in names else (f"{name}_L", f"{name}_R"):
                vertices += weight * z["E"][names.index(full)].astype(np.float64)
        if eye_size != 1.0:
            for start, end in SCLERA.values():
                centre = vertices[start:end].mean(0)
                away = vertices - centre
                reach, power = (2.6, 4.0) if eye_size < 1.4 else (3.1, 2.8)
                near = np.exp(-((np.linalg.norm(away * [1, 1, 0.6], axis=1) / reach) ** power))[:, None]
                vertices = vertices + away * near * (eye_size - 1)
        if taper:
            # Wide above the eyes, narrow at the chin, as modelled figures are; the neck keeps its width.
            grow = 1 + taper * np.interp(vertices[:, 1], [-16, -11, -6, 3, 10], [0, -0.3, -1.0, 0.35, 0.8])
            vertices[:, 0] *= grow
        return cls(vertices, z["quads"], vertices[index["multi_pie_68"]])

    def part(self, start: int, end: int) -> tuple[Array, list[tuple[int, ...]]]:
        """Vertices and polygons of one range of the source."""
        quads = self.quads[(self.quads.min(1) >= start) & (self.quads.max(1) < end)] - start
        return self.vertices[start:end], [tuple(q) if q[2] != q[3] else tuple(q[:3]) for q in quads.tolist()]

    def eye(self, side: str) -> tuple[Array, float]:
        """Centre and radius of an eyeball."""
        start, end = SCLERA[side]
        v = self.vertices[start:end]
        s = np.linalg.lstsq(np.c_[2 * v, np.ones(len(v))], (v**2).sum(1), rcond=None)[0]
        return s[:3], float(np.sqrt(s[3] + s[:3] @ s[:3]))


def smooth_step(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def along(points: Array, spacing: float) -> Array:
    """A polyline resampled at equal steps."""
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    at = np.linspace(0, steps[-1], max(2, int(steps[-1] / spacing)))
    return np.stack([np.interp(at, steps, points[:, k]) for k in range(3)], 1)


def inside_loop(loop: Array, points: Array) -> Array:
    """Signed distance in the picture plane to a closed outline (positive inside)."""
    x, y = points[:, 0][:, None], points[:, 1][:, None]
    a, b = loop[:, :2], np.roll(loop[:, :2], -1, 0)
    crossing = ((a[:, 1] > y) != (b[:, 1] > y)) & (
        x < (b[:, 0] - a[:, 0]) * (y - a[:, 1]) / (b[:, 1] - a[:, 1] + 1e-12) + a[:, 0]
    )
    inside = crossing.sum(1) % 2 == 1
    dense = along(np.vstack([loop, loop[:1]]), 0.05)
    distance = cKDTree(dense[:, :2]).query(points[:, :2])[0]
    return np.asarray(np.where(inside, distance, -distance))


def value_noise(points: Array, scale: float, seed: int) -> Array:
    """Smooth noise, mean about 0 and spread about 1, wavelength about `scale`."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(24, 3)) * 2 * np.pi / scale / 1.7
    return np.asarray(np.sin(points @ waves.T + rng.uniform(0, 6.28, 24)).sum(1) / np.sqrt(12))


def skin_colours(anatomy: Anatomy, skin: Array, lip: Array, blush: float, seed: int) -> Array:
    """Base colour of every skin vertex, linear RGB [SKIN_END, 3]."""
    v = anatomy.vertices[:SKIN_END]
    m = anatomy.marks
    colour = np.tile(skin, (len(v), 1))
    colour *= 1 + 0.035 * value_noise(v, 5.0, seed)[:, None] + 0.02 * value_noise(v, 1.2, seed + 1)[:, None]
    red = np.array([1.06, 0.80, 0.76])

    def tint(centre: Array, radius: float, amount: float, by: Array) -> None:
        w = amount * np.exp(-((np.linalg.norm(v - centre, axis=1) / radius) ** 2))[:, None]
        colour[:] = colour * (1 - w) + colour * by * w

    for cheek in (0.5 * m[2] + 0.3 * m[31] + 0.2 * m[41], 0.5 * m[14] + 0.3 * m[35] + 0.2 * m[46]):
        tint(cheek, 3.0, blush, red)
    tint(m[30], 1.6, 0.8 * blush, red)
    tint(m[8], 2.2, 0.35 * blush, red)
    for lid in (m[36:42].mean(0), m[42:48].mean(0)):
        tint(lid, 1.9, 0.35, np.array([0.86, 0.76, 0.76]))
    for ear in (-1, 1):
        side = v[:, 0] * ear > 7.2
        colour[side] *= np.array([1.04, 0.86, 0.82])
    for eye in (m[36:42], m[42:48]):
        rim = cKDTree(along(np.vstack([eye, eye[:1]]), 0.03)).query(v)[0]
        colour *= 1 - 0.55 * np.exp(-((rim / 0.13) ** 2))[:, None]
    front = v[:, 2] > m[48:60, 2].min() - 2.2
    loop = along(np.vstack([m[48:60], m[48:49]]), 0.1)
    depth = np.where(front, inside_loop(loop, v), -9.0)
    w = smooth_step(-0.12, 0.16, depth)[:, None]
    tone = lip * (1 + 0.05 * value_noise(v, 0.5, seed + 2)[:, None])
    return np.asarray(np.clip(colour * (1 - w) + tone * w, 0.005, 1.0))


def lip_mask(anatomy: Anatomy) -> Array:
    """1 on the lips, 0 elsewhere, per skin vertex."""
    v, m = anatomy.vertices[:SKIN_END], anatomy.marks
    depth = np.where(v[:, 2] > m[48:60, 2].min() - 2.2, inside_loop(m[48:60], v), -9.0)
    return smooth_step(-0.05, 0.15, depth)
