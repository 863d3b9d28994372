"""Eyeballs as painted points: a sphere with a cornea's bulge, iris fibres, a limbal ring, a warm white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.train.portraits.anatomy import Array
from sonic_stream.train.portraits.clothes import ring_polygons

RINGS, SECTORS = 90, 128
IRIS_EDGE, PUPIL_EDGE = 0.455, 0.165
"""Angles from the eye's axis, rad."""
WHITE = np.array([0.66, 0.62, 0.59])


@dataclass(frozen=True)
class Eyeball:
    """A mesh that looks along z, with linear RGB per point."""

    points: Array
    polygons: list[tuple[int, ...]]
    colours: Array


def eyeball(centre: Array, radius: float, iris: Array, seed: int, iris_size: float = 1.0) -> Eyeball:
    """One eye, looking straight ahead; `iris_size` scales iris and pupil."""
    angle = np.linspace(0, np.pi / 1.6, RINGS)[:, None]
    turn = np.linspace(0, 2 * np.pi, SECTORS, endpoint=False)[None]
    bulge = radius * (1 + 0.035 * np.exp(-((angle / 0.36) ** 4)))
    direction = [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle) + 0 * turn]
    points = centre + (bulge[..., None] * np.stack(direction, -1)).reshape(-1, 3)
    return Eyeball(points, ring_polygons(RINGS, SECTORS), _colours(angle / iris_size, turn, iris, seed))


def _colours(angle: Array, turn: Array, iris: Array, seed: int) -> Array:
    a, theta = np.repeat(angle, SECTORS, 1).ravel()[:, None], np.repeat(turn, RINGS, 0).ravel()
    rng = np.random.default_rng(seed)
    waves = [np.sin(theta * k + rng.uniform(0, 2 * np.pi)) for k in rng.integers(9, 60, 14)]
    fibre = np.sum(waves, axis=0)[:, None] / 4
    white = WHITE * (1 - 0.30 * np.clip((a - 0.55) / 0.6, 0, 1))
    white = white * (1 - np.array([0.0, 0.12, 0.14]) * np.clip((a - 0.6) / 0.5, 0, 1))
    ring = np.clip((a - PUPIL_EDGE) / (IRIS_EDGE - PUPIL_EDGE), 0, 1)
    painted = iris * (0.75 + 0.35 * fibre * (0.4 + ring) + 0.5 * np.exp(-((ring / 0.35) ** 2)))
    painted = painted * (1 - 0.75 * np.clip((ring - 0.78) / 0.22, 0, 1) ** 2)
    edge = np.clip((IRIS_EDGE + 0.02 - a) / 0.04, 0, 1)
    pupil = np.clip((PUPIL_EDGE + 0.008 - a) / 0.016, 0, 1)
    return np.asarray(np.clip((white * (1 - edge) + painted * edge) * (1 - pupil) + 0.004 * pupil, 0.002, 1))
