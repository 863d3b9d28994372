"""The camera: from light to a picture as one finds it in the wild, and some that no camera took.

Everything but noise and JPEG treats each pixel by its close surroundings alone, so a part of a picture comes
out as it would in the whole.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.train.heads.look import Look
from sonic_stream.types import F32, U8


def develop(light: F32, look: Look) -> U8:
    """Linear light [h, w, 3] as uint8 RGB, with this camera's softness and this picture's style."""
    level = np.maximum(light * np.float32(look.exposure), 0)
    level = level * 1.3 / (1 + 0.42 * level)
    curve = np.clip(level, 0, 1) ** np.float32(1 / 2.2)
    curve = 0.5 + (curve - 0.5) * look.contrast
    image = np.asarray(np.clip(curve * 255 + 0.5, 0, 255), np.uint8)
    if look.style == "posterised":
        image = _posterised(image)
    elif look.style == "painted":
        image = _painted(image)
    elif look.style == "tinted":
        image = _tinted(image, look)
    if look.blur_px > 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), look.blur_px), np.uint8)
    return image


def degrade(image: U8, look: Look) -> U8:
    """The noise of this camera and the losses of a JPEG."""
    rng = np.random.default_rng([look.seed, 11])
    grain = rng.standard_normal(image.shape).astype(np.float32)
    grain += rng.standard_normal((*image.shape[:2], 1)).astype(np.float32) * 1.2
    soft = cv2.GaussianBlur(grain, (0, 0), 0.3 + 0.6 * rng.random())
    soft = soft * np.float32(look.noise / max(float(soft.std()), 1e-6))
    noisy = np.asarray(np.clip(image + soft + 0.5, 0, 255), np.uint8)
    done, data = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])
    assert done
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _posterised(image: U8) -> U8:
    """Few flat tones, as in cartoons and prints."""
    flat = cv2.bilateralFilter(image, 7, 40, 4)
    steps = np.asarray(flat, np.float32) / 255 * 7
    stepped = (np.floor(steps) + np.clip((steps % 1 - 0.5) * 4 + 0.5, 0, 1)) / 7
    return np.asarray(np.clip(stepped * 255 + 0.5, 0, 255), np.uint8)


def _painted(image: U8) -> U8:
    """Brushed areas with firm edges and strong colour."""
    brushed = cv2.medianBlur(cv2.bilateralFilter(image, 7, 45, 4), 5)
    grey = brushed.mean(2, keepdims=True)
    return np.asarray(np.clip(grey + 1.25 * (brushed - grey) + 2, 0, 255), np.uint8)


def _tinted(image: U8, look: Look) -> U8:
    """One ink, as old photographs and drawings have it."""
    rng = np.random.default_rng([look.seed, 13])
    grey = image.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    tint = np.asarray(1 + 0.12 * rng.normal(size=3), np.float32)
    return np.asarray(np.clip(grey[..., None] * tint, 0, 255), np.uint8)
