"""Colours of skin and lips, and where the light comes from, read off the portrait."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.fit import F64
from sonic_stream.types import F32, U8, Colours

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of red, green and blue in luminance (ITU-R BT.709)."""

_PATCHES = (
    *regions.CHEEK_LEFT,
    *regions.CHEEK_RIGHT,
    *regions.FOREHEAD_PATCH,
    *regions.NOSE_BRIDGE,
)
_USUAL_LIGHT = np.array([0.0, 0.45, 0.9])
"""Where light comes from when shading does not say: from above and in front (y up)."""
_TRUST = 0.02
"""Weight of the usual light against what is measured, per point."""
_GAMMA = 2.2


def measure_colours(crop: U8, landmarks: F32, points: F64, normals: F64) -> Colours:
    """Colours of a crop whose face has `landmarks` [478, 2] px.

    `points` [N, 2] px are places on the skin and `normals` [N, 3] their unit normals in camera axes (x right,
    y up, z to the camera), from which the light is told.
    """
    picture = np.asarray(crop, np.float32) / np.float32(255)
    skin_colours = sample(picture, spots(landmarks, _PATCHES))
    skin = np.median(skin_colours, axis=0)
    lips = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.round(landmarks[list(regions.LIPS_OUTER)]).astype(np.int32)], 255)
    cv2.fillPoly(lips, [np.round(landmarks[list(regions.LIPS_INNER)]).astype(np.int32)], 0)
    lip = np.median(picture[lips > 0], axis=0) if lips.any() else skin
    return Colours(
        skin=skin.astype(np.float32),
        lip=np.asarray(lip, np.float32),
        light=light_direction(sample(picture, points) @ LUMA, normals),
        brightness=float((skin_colours @ LUMA).mean()),
    )


def spots(landmarks: F32, indices: tuple[int, ...]) -> F64:
    """The landmarks named and points around each, px [N, 2]: enough to average brush strokes and pores."""
    height = np.linalg.norm(landmarks[regions.FOREHEAD, :2] - landmarks[regions.CHIN, :2])
    reach = 0.015 * height
    ring = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]) * reach
    return np.asarray((landmarks[list(indices), None, :2] + ring[None]).reshape(-1, 2), np.float64)


def sample(picture: F32, points: F64) -> F32:
    """Pixels [N, 3] nearest to points [N, 2] px; places outside take the edge."""
    height, width = picture.shape[:2]
    x = np.clip(np.round(points[:, 0]).astype(int), 0, width - 1)
    y = np.clip(np.round(points[:, 1]).astype(int), 0, height - 1)
    return np.asarray(picture[y, x], np.float32)


def light_direction(luminance: F32, normals: F64) -> F32:
    """Unit vector towards the light in picture axes (x right, y down, z to the camera), float32 [3].

    Lambert's law over the skin, `ambient + light . normal`, fitted robustly so that brows, hair and
    highlights count little; leans on light from above and in front where shading is weak.
    """
    linear = np.clip(luminance.astype(np.float64), 0, 1) ** _GAMMA
    level = max(float(np.median(linear)), 1e-4)
    shade = linear / level
    columns = np.c_[np.ones(len(shade)), normals]
    prior = np.diag(np.r_[1e-6, np.full(3, _TRUST)]) * len(shade)
    weights: NDArray[np.float64] = np.ones(len(shade))
    solved = np.r_[1.0, _USUAL_LIGHT]
    for _ in range(8):
        weighed = columns * weights[:, None]
        right = weighed.T @ shade + prior @ np.r_[0.0, _USUAL_LIGHT]
        solved = np.linalg.solve(weighed.T @ columns + prior, right)
        off = shade - columns @ solved
        width = 1.5 * float(np.median(np.abs(off))) + 1e-3
        weights = 1 / (1 + (off / width) ** 2)
    light = solved[1:]
    # Shading of a face seen from the front barely tells how far to the front the light stands.
    light[2] = max(light[2], 0.35 * float(np.hypot(light[0], light[1])), 1e-3)
    return np.asarray(light / np.linalg.norm(light) * [1, -1, 1], np.float32)
