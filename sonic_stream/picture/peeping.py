"""Teeth that peep out between lips which all but meet.

The line where such lips meet is the dark one beside the teeth, so these would stay on a lip, whatever the
mouth does. They are painted over with the lip around them, as lips that relax would hide them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.picture.mouth_traits import LUMA
from sonic_stream.picture.plane import axes_between, curve
from sonic_stream.types import F32, U8

_REACH, _NEAR = 0.035, 0.02
"""How far from the line of the lips a tooth may reach, and half of it has to lie, face heights."""
_DARK, _BESIDE = 0.75, 0.01
"""Luminance, over the lips', of the gloom that a tooth comes out of, and how far beside it that is sought,
face heights. A highlight lies on the lip, with lip about it."""
_LIGHT, _PALE = 0.6, 0.72
"""Luminance from which on, and colourfulness up to which, it may be a tooth, over those of the lower lip."""
_MIDDLE = 0.3
"""How far from the middle front teeth are, widths of the mouth; nearer to the corners it is skin."""
_LEAST, _LARGEST = 1.6e-4, 0.006
"""Area of one of them, squared face heights: a grain of the film is smaller, a lip that is pale larger."""
_GROWN, _AROUND = 0.009, 0.015
"""Margin about a tooth, blurred with it, and how far around the lip's colours are taken from."""


def hide_teeth(crop: U8, landmarks: F32) -> U8:
    """A crop uint8 [S, S, 3] RGB whose face has `landmarks` float32 [478, 2] px, without the teeth that peep
    out of its shut lips; the same object where there are none."""
    found = peeping_teeth(crop, landmarks)
    if not found.any():
        return crop
    face_px = _face_px(landmarks)
    size = 2 * max(1, round(_GROWN * face_px)) + 1
    mask = cv2.dilate(found.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    luminance = crop.astype(np.float32) @ LUMA
    lips = _lips(crop, landmarks) > 0
    dark = lips & (luminance < _DARK * np.median(luminance[lips & (mask == 0)]))
    unknown = np.maximum(mask, dark.astype(np.uint8))  # the gloom about the teeth is no lip
    filled = cv2.inpaint(crop, unknown, max(2.0, _AROUND * face_px), cv2.INPAINT_TELEA)
    return np.where(mask[..., None] > 0, filled, crop)


def peeping_teeth(crop: U8, landmarks: F32) -> NDArray[np.bool_]:
    """Where teeth show between lips that are shut, bool [S, S]."""
    face_px = _face_px(landmarks)
    inner = landmarks[list(regions.LIPS_INNER)]
    axes = axes_between(landmarks[regions.LIPS_OUTER[0]], landmarks[regions.LIPS_OUTER[10]])
    y, x = np.nonzero(_lips(crop, landmarks))
    found = np.zeros(crop.shape[:2], bool)
    along, across = axes.of(np.stack([x, y], 1).astype(np.float32))
    below = (across - curve(*axes.of(inner), along)) / max(face_px, 1.0)
    lower = below > _NEAR / 2
    if lower.sum() < 24:
        return found
    colours = crop[y, x].astype(np.float32)
    light, colourful = colours @ LUMA, np.ptp(colours, axis=1) / np.maximum(colours.max(1), 1)
    tooth = (light > _LIGHT * np.median(light[lower])) & (colourful < _PALE * np.median(colourful[lower]))
    found[y, x] = tooth & (np.abs(below) < _REACH)
    beside = max(1, round(_BESIDE * face_px))
    luminance = crop.astype(np.float32) @ LUMA
    dark = _DARK * float(np.median(light[lower]))
    count, labels = cv2.connectedComponents(found.astype(np.uint8))
    place = (along - along.min()) / np.ptp(along) - 0.5
    for label in range(1, count):
        part = labels == label
        here = part[y, x]
        edges = [np.median(luminance[np.roll(part, d, 0) & ~part]) for d in (-beside, beside)]
        like_teeth = abs(np.median(place[here])) < _MIDDLE and abs(np.median(below[here])) < _NEAR
        like_teeth = like_teeth and min(edges) < dark
        if not (like_teeth and _LEAST <= here.sum() / face_px**2 <= _LARGEST):
            found[part] = False
    return found


def _lips(crop: U8, landmarks: F32) -> U8:
    """1 within the lips' outline, uint8 [S, S]."""
    lips = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.round(landmarks[list(regions.LIPS_OUTER)]).astype(np.int32)], 1)
    return lips


def _face_px(landmarks: F32) -> float:
    return float(np.linalg.norm(landmarks[regions.FOREHEAD] - landmarks[regions.CHIN]))
