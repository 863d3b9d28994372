"""The eyeballs of a portrait: what lies between the lids, made whole so that gaze and lids can move.

The visible part is the portrait's own; behind the lids the iris is completed by its mirror image and the
white by its surroundings.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.face import regions
from sonic_stream.types import F32, U8

_IRIS = (regions.IRIS_LEFT, regions.IRIS_RIGHT)
_OUTLINES = (regions.EYE_LEFT, regions.EYE_RIGHT)


def eye_plate(crop: U8, landmarks: F32, side: int) -> tuple[U8, tuple[int, int]]:
    """The region about one eye without its lids, uint8 [h, w, 3], and its upper left pixel (x, y)."""
    outline = landmarks[list(_OUTLINES[side])]
    width = float(np.ptp(outline[:, 0]))
    size = crop.shape[0]
    room = np.array([0.45, 0.6]) * width
    x0, y0 = np.floor(outline.min(0) - room).astype(int).clip(0, size - 8)
    x1, y1 = np.ceil(outline.max(0) + room).astype(int).clip(8, size)
    piece = crop[y0:y1, x0:x1].astype(np.float32)
    scale = 4
    mask = np.zeros((piece.shape[0] * scale, piece.shape[1] * scale), np.uint8)
    polygon = np.round((outline - [x0, y0] + 0.5) * scale).astype(np.int32)
    cv2.fillPoly(mask, [polygon], 255)
    seen = (
        cv2.resize(mask, (piece.shape[1], piece.shape[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
        / 255
    )
    # The lids' own edge and lashes are not eyeball.
    trim = max(1.0, 0.045 * width)
    inside = cv2.distanceTransform((seen > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    sure = np.clip((inside - trim) / max(1.0, trim * 0.5), 0, 1).astype(np.float32)

    iris = landmarks[list(_IRIS[side])]
    centre = iris[0] - [x0, y0]
    radius = float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())
    yy, xx = np.mgrid[: piece.shape[0], : piece.shape[1]].astype(np.float32)
    away = np.hypot(xx - centre[0], yy - centre[1])
    within = np.clip((radius * 1.08 - away) / max(1.0, 0.12 * radius), 0, 1)
    white = _fill(piece, sure * (away > radius * 1.12))
    mirrored = cv2.remap(piece, xx, (2 * centre[1] - yy).astype(np.float32), cv2.INTER_LINEAR)
    mirrored_sure = cv2.remap(sure, xx, (2 * centre[1] - yy).astype(np.float32), cv2.INTER_LINEAR)
    iris_known = sure + (1 - sure) * mirrored_sure
    iris_mix = (piece * sure[..., None] + mirrored * ((1 - sure) * mirrored_sure)[..., None]) / np.maximum(
        iris_known, 1e-3
    )[..., None]
    ring = _fill(iris_mix, iris_known * (away < radius * 1.02))
    whole = white + within[..., None] * (ring - white)
    whole = whole + sure[..., None] * (piece - whole)
    return np.clip(whole + 0.5, 0, 255).astype(np.uint8), (int(x0), int(y0))


def _fill(image: F32, weight: F32) -> F32:
    """Colours where `weight` is 0 continued from where it is 1."""
    total = image * weight[..., None]
    sums, weights = total.copy(), weight.astype(np.float32).copy()
    for sigma, share in ((1.5, 0.1), (4.0, 0.01), (12.0, 0.001)):
        sums += share * cv2.GaussianBlur(total, (0, 0), sigma)
        weights += share * cv2.GaussianBlur(weight.astype(np.float32), (0, 0), sigma)
    mean = total.sum((0, 1)) / max(float(weight.sum()), 1e-6)
    return np.asarray((sums + 1e-6 * mean) / (weights + 1e-6)[..., None], np.float32)
