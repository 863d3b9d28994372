"""A pair of glasses as points: two rims, a bridge and temples, fitted to the eyes, the brow and the ears.

Axes and units as in `anatomy` (centimetres, y up, z forward); nothing here knows the renderer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, along
from sonic_stream.train.portraits.hair import on_ear

RIM_POINTS = 96
CLEAR_CM = 0.22
"""Between the rims and the skin behind them."""
WRAP = 0.016
"""How the front follows the face: cm back for each square cm from the middle."""
EAR_CM = (4.1, 0.4)
"""Height and depth at which a temple lies on its ear."""


@dataclass(frozen=True)
class Glasses:
    """What is worn before the eyes."""

    half_width: float = 2.45
    """Of a rim, cm."""
    half_height: float = 1.95
    roundness: float = 2.6
    """2 is an ellipse, more is squarer."""
    thickness: float = 0.13
    """Radius of the rims, cm."""
    colour: tuple[float, float, float] = (0.02, 0.012, 0.01)
    metal: bool = False
    drop: float = 0.35
    """How far (cm) the rims' middle lies below the eyes' middle."""


@dataclass(frozen=True)
class Frame:
    """Where a pair of glasses runs: closed rims, open wires (bridge and temples)."""

    rims: tuple[Array, Array]
    wires: tuple[Array, Array, Array]


def frame(anatomy: Anatomy, glasses: Glasses) -> Frame:
    """The glasses on this head."""
    turn = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    x = glasses.half_width * np.sign(c) * np.abs(c) ** (2 / glasses.roundness)
    y = glasses.half_height * np.sign(s) * np.abs(s) ** (2 / glasses.roundness)
    rims = []
    for side in ("left", "right"):
        centre, _ = anatomy.eye(side)
        rims.append(np.stack([centre[0] + x, centre[1] - glasses.drop + y, 0 * x], 1))
    skin = anatomy.vertices[:SKIN_END]
    front = skin[skin[:, 2] > 2.0]
    flat = cKDTree(front[:, :2])
    both = np.vstack(rims)
    behind = front[flat.query(both[:, :2], k=4)[1], 2].max(1)
    outer = np.abs(both[:, 0]) > 1.3
    depth = float((behind + WRAP * both[:, 0] ** 2)[outer].max()) + CLEAR_CM + glasses.thickness
    for rim in rims:
        rim[:, 2] = depth - WRAP * rim[:, 0] ** 2
    left, right = rims
    return Frame((left, right), (_bridge(left, right), _temple(left, skin), _temple(right, skin)))


def _bridge(left: Array, right: Array) -> Array:
    """A small arch between the rims, above their middle."""

    def inner(rim: Array) -> Array:
        height = rim[:, 1].mean() + 0.35 * np.ptp(rim[:, 1]) / 2
        near = rim[np.abs(rim[:, 0]) < np.abs(rim[:, 0].mean())]
        return np.asarray(near[np.abs(near[:, 1] - height).argmin()])

    a, b = inner(left), inner(right)
    t = np.linspace(0, 1, 16)[:, None]
    rise = np.sin(np.pi * t) * np.array([0, 0.22, 0.12])
    return np.asarray(a * (1 - t) + b * t + rise)


def _temple(rim: Array, skin: Array) -> Array:
    """From the outer upper rim back over the ear, kept off the skin."""
    side = np.sign(rim[:, 0].mean())
    upper = rim[rim[:, 1] > rim[:, 1].mean() + 0.4]
    start = upper[np.abs(upper[:, 0]).argmax()]
    height, depth = EAR_CM
    level = skin[(np.abs(skin[:, 1] - height) < 1.0) & (np.abs(skin[:, 2] - depth) < 1.0) & ~on_ear(skin)]
    wide = float(np.abs(level[:, 0]).max()) + 0.15 if len(level) else 7.0
    corner = start + np.array([side * 0.12, 0.0, -0.35])
    path = along(
        np.array([start, corner, [side * wide, height, depth], [side * (wide - 0.3), 2.0, -1.6]]), 0.25
    )
    near = cKDTree(skin[:, 1:])
    for point in path[4:]:
        beside = skin[near.query_ball_point(point[1:], 0.5)]
        beside = beside[(beside[:, 0] * side > 3.0) & ~on_ear(beside)]
        if len(beside):
            point[0] = side * max(abs(point[0]), float(np.abs(beside[:, 0]).max()) + 0.12)
    return np.asarray(path)
