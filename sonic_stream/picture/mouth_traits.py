"""What the portrait's own pixels tell about how a mouth in it must look.

How white its white is (from the whites of the eyes), how dark its dark is, how soft and how grainy it is,
and the colour of its own teeth where it shows them. Measured once per identity, on the square crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.types import F32, U8

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

# Points of the MediaPipe face mesh (its published topology).
_LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_EYES = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
)
_IRISES = ((473, 474), (468, 469))
_FACE = (10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67)
_CHEEKS = (50, 280, 205, 425)
_TEETH_GAP = 0.028
"""Gap of the inner lips over the face height from which teeth may be seen."""
_AS_WHITE = 0.6
"""Of the least channel of what is whitest between the lips: from here on it is a tooth, below it is flesh."""
_SHARP_PX = 0.62
"""Blur that even the sharpest photograph has (standard deviation, px)."""


@dataclass(frozen=True, slots=True)
class MouthTraits:
    """Colours are RGB 0..1."""

    teeth: F32 | None = None
    """float32 [3]: the portrait's own front teeth in good light, where it shows them."""
    white: F32 | None = None
    """float32 [3]: the brightest whites of the eyes; None where they cannot be told."""
    black: float = 0.05
    """Luminance of the darkest places of the face."""
    softness_px: float = 0.0
    """How much softer than a sharp photograph the crop is (standard deviation, px)."""
    grain: float = 0.0
    """Standard deviation of the grain on the cheeks, in 8-bit steps."""


def measure_traits(crop: U8, landmarks: F32) -> MouthTraits:
    """Measures a crop uint8 [S, S, 3] RGB whose face has `landmarks` float32 [478, 2] px."""
    face_px = float(np.linalg.norm(landmarks[10] - landmarks[152]))
    face = _inside(crop, landmarks[list(_FACE)])
    luminance = np.asarray(crop @ LUMA / 255, np.float32)
    lit = luminance[face > 0]
    if face_px < 16 or lit.size < 64:
        return MouthTraits()
    return MouthTraits(
        teeth=_own_teeth(crop, landmarks, face_px, float(np.median(lit))),
        white=_white_of_eyes(crop, luminance, landmarks, float(np.median(lit))),
        black=float(np.percentile(lit, 0.5)),
        softness_px=_softness(luminance, landmarks, face_px),
        grain=_grain(crop, landmarks, face_px),
    )


def _inside(picture: NDArray[Any], polygon: F32) -> U8:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon).astype(np.int32)], 1)
    return mask


def _own_teeth(crop: U8, landmarks: F32, face_px: float, level: float) -> F32 | None:
    """The lighter pale pixels between parted lips; a mouth wide open shows more tongue than teeth."""
    if float(np.linalg.norm(landmarks[13] - landmarks[14])) < _TEETH_GAP * face_px:
        return None
    between = _inside(crop, landmarks[list(_LIPS_INNER)])
    colours = crop[between > 0].astype(np.float32) / 255
    if len(colours) < 24:
        return None
    white = colours.min(1)
    teeth = white > _AS_WHITE * float(np.percentile(white, 97))
    lighter = teeth & (white >= float(np.percentile(white[teeth], 40)))
    colour = np.asarray(np.median(colours[lighter], axis=0), np.float32)
    pale = float(np.ptp(colour)) < 0.42 * float(colour.max())
    return colour if pale and float(colour @ LUMA) > 0.75 * level else None


def _white_of_eyes(crop: U8, luminance: F32, landmarks: F32, level: float) -> F32 | None:
    """Mean of the brightest sixth beside the iris, of the eye in better light."""
    found = []
    for eye, (centre, edge) in zip(_EYES, _IRISES, strict=True):
        mask = _inside(luminance, landmarks[list(eye)])
        radius = 1.15 * float(np.linalg.norm(landmarks[centre] - landmarks[edge]))
        middle = tuple(round(float(v)) for v in landmarks[centre])
        cv2.circle(mask, middle, max(1, round(radius)), 0, -1)
        values = luminance[mask > 0]
        if len(values) >= 12:
            bright = values >= np.percentile(values, 83)
            found.append(crop[mask > 0][bright].mean(0, dtype=np.float32) / 255)
    white = max(found, default=None, key=lambda colour: float(colour @ LUMA))
    return white if white is not None and float(white @ LUMA) > 0.6 * level else None


def _softness(luminance: F32, landmarks: F32, face_px: float) -> float:
    """Blur of the sharpest edges about eyes and mouth: an edge of height h blurred by s has slope
    h / (s sqrt(2 pi))."""
    spread = []
    reach = max(3, round(0.02 * face_px)) | 1
    for group in (*_EYES, _LIPS_INNER):
        points = landmarks[list(group)]
        low = np.maximum(np.floor(points.min(0)).astype(int) - reach, 0)
        high = np.ceil(points.max(0)).astype(int) + reach + 1
        patch = luminance[low[1] : high[1], low[0] : high[0]]
        if min(patch.shape) < 5:
            continue
        window = np.ones((7, 7), np.uint8)
        height = cv2.dilate(patch, window) - cv2.erode(patch, window)
        slope = np.hypot(*(np.asarray(g) for g in np.gradient(patch)))
        edges = height > max(0.12, float(np.percentile(height, 80)))
        if edges.any():
            spread.append(np.percentile(slope[edges] / height[edges], 90))
    if not spread:
        return 0.0
    blur = 1 / (float(np.median(spread)) * np.sqrt(2 * np.pi))
    return float(np.clip(np.sqrt(max(blur**2 - _SHARP_PX**2, 0.0)), 0.0, 0.012 * face_px))


def _grain(crop: U8, landmarks: F32, face_px: float) -> float:
    """Median over the cheeks of the deviation from the blurred skin."""
    reach = max(4, round(0.03 * face_px))
    found = []
    for index in _CHEEKS:
        x, y = (round(float(v)) for v in landmarks[index])
        patch = crop[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(np.float32)
        if min(patch.shape[:2]) < 7:
            continue
        grey = patch @ LUMA
        found.append(float((grey - cv2.GaussianBlur(grey, (0, 0), 1.2)).std()))
    return float(np.clip(np.median(found), 0, 8)) if found else 0.0
