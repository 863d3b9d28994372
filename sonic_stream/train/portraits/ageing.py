"""What years do to a head: folds from nose to mouth, bags under the eyes, and where fine lines lie."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, along, smooth_step


def aged(anatomy: Anatomy, years: float) -> Anatomy:
    """The head with folds; 0 changes nothing, 1 is about seventy years."""
    if not years:
        return anatomy
    v, m = anatomy.vertices.copy(), anatomy.marks
    skin = v[:SKIN_END]
    front = smooth_step(1.0, 3.0, skin[:, 2])
    for wing, corner, jaw, eye in ((31, 48, 6, m[36:42]), (35, 54, 10, m[42:48])):
        out = np.sign(m[corner, 0])
        fold = np.array(
            [
                m[wing] + [out * 0.35, 0.3, 0],
                m[wing] * 0.5 + m[corner] * 0.5 + [out * 0.75, 0.2, 0],
                m[corner] + [out * 0.65, -0.2, 0],
                m[corner] * 0.75 + m[jaw] * 0.25,
            ]
        )
        near = cKDTree(along(fold, 0.05)[:, :2]).query(skin[:, :2])[0]
        # A groove, and the cheek that hangs over it from outside.
        groove = -0.20 * np.exp(-((near / 0.22) ** 2)) + 0.10 * np.exp(-(((near - 0.55) / 0.4) ** 2))
        below = along(eye[[0, 5, 4, 3]] - [0, 0.62, 0], 0.05)
        bag = cKDTree(below[:, :2]).query(skin[:, :2])[0]
        puff = 0.09 * np.exp(-((bag / 0.28) ** 2))
        puff -= 0.11 * np.exp(-((cKDTree(below[:, :2] - [0, 0.45]).query(skin[:, :2])[0] / 0.2) ** 2))
        skin[:, 2] += years * front * (groove + puff)
    return Anatomy(v, anatomy.quads, anatomy.marks)


def furrows(anatomy: Anatomy) -> Array:
    """Where fine lines lie, 0..1 per skin vertex: the brow, and beside and below the eyes."""
    v, m = anatomy.vertices[:SKIN_END], anatomy.marks
    brow = m[17:27, 1].mean()
    forehead = smooth_step(brow + 0.5, brow + 1.3, v[:, 1]) * smooth_step(brow + 5.5, brow + 3.0, v[:, 1])
    forehead = forehead * smooth_step(6.0, 4.0, np.abs(v[:, 0])) * smooth_step(2.0, 4.0, v[:, 2])
    lines = forehead
    for corner, out in ((36, -1.0), (45, 1.0)):
        away = np.linalg.norm(v - (m[corner] + [out * 0.8, -0.2, 0]), axis=1)
        lines = np.maximum(lines, 0.8 * np.exp(-((away / 0.9) ** 2)))
    return np.asarray(lines)
