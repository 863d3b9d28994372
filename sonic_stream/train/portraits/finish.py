"""The last touch: a render becomes a file, as it is or as a painting."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.errors import BadInputError

Picture = NDArray[np.float32]
"""BGR, 0..1, [H, W, 3]."""
JPEG_QUALITIES = (92, 90, 88, 85, 80)
LARGEST_BYTES = 150_000
"""A bundled portrait is at most as large, if the last quality allows it."""


def brush(image: Picture, radius_px: int) -> Picture:
    """The softened Kuwahara filter: every place takes the colour of the calmest of eight areas around it.

    After Kuwahara et al. (1976) and Papari et al. (2007): edges stay, texture becomes strokes.
    """
    reach = np.arange(-radius_px, radius_px + 1)
    x, y = np.meshgrid(reach, reach)
    angle, distance = np.arctan2(y, x), np.hypot(x, y)
    total, weights = np.zeros_like(image), np.zeros(image.shape[:2], np.float32)
    for k in range(8):
        turned = np.angle(np.exp(1j * (angle - k * np.pi / 4)))
        kernel = np.exp(-((turned / 0.5) ** 2) - (distance / (0.7 * radius_px)) ** 2) * (
            distance <= radius_px
        )
        kernel = (kernel / kernel.sum()).astype(np.float32)
        mean = cv2.filter2D(image, -1, kernel)
        spread = (cv2.filter2D(image * image, -1, kernel) - mean * mean).sum(2)
        weight = 1 / (1e-6 + np.maximum(spread, 0)) ** 3
        weight = np.asarray(weight / 1e12, np.float32)
        total += mean * weight[..., None]
        weights += weight
    return np.asarray(total / (weights[..., None] + 1e-20), np.float32)


def paint(image: Picture, seed: int) -> Picture:
    """A picture as a painting: brushed areas, stepped light, dark drawn edges, warm colour, paper grain."""
    side = image.shape[0]
    strokes = brush(image, max(2, side // 150))
    detail = brush(image, max(1, side // 420))
    # Where there is much to see (eyes, lips, hair) the finer brush is used.
    busy = cv2.GaussianBlur(
        np.abs(image - cv2.GaussianBlur(image, (0, 0), side / 150)).sum(2), (0, 0), side / 110
    )
    fine = np.clip((busy - 0.02) / 0.05, 0, 1)[..., None]
    painted = strokes * (1 - fine) + detail * fine
    hsv = cv2.cvtColor(np.asarray(painted, np.float32), cv2.COLOR_BGR2HSV)
    steps = hsv[..., 2] * 9
    stepped = (np.floor(steps) + np.clip((steps % 1 - 0.5) * 3 + 0.5, 0, 1)) / 9
    hsv[..., 2] = np.clip(0.6 * hsv[..., 2] + 0.4 * stepped, 0, 1) ** 0.88
    hsv[..., 1] = np.clip(hsv[..., 1] * 1.2, 0, 1)
    painted = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    grey = cv2.cvtColor(detail, cv2.COLOR_BGR2GRAY)
    thin, wide = (cv2.GaussianBlur(grey, (0, 0), side * s / 1024) for s in (1.0, 3.2))
    ink = np.clip((wide - thin - 0.012) / 0.09, 0, 0.62)[..., None]
    painted = painted * (1 - ink) + np.array([0.16, 0.09, 0.13], np.float32) * ink
    grain = np.random.default_rng(seed).normal(size=image.shape[:2]).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.9)[..., None] * 0.016
    return np.asarray(np.clip(painted + grain, 0, 1), np.float32)


def finish(render: Path, out: Path, painted: bool, seed: int) -> None:
    """Writes `render` (PNG) as JPEG, as it is or painted."""
    image = cv2.imread(str(render))
    if image is None:
        raise BadInputError(f"{render} cannot be read as a picture; render it again.")
    if painted:
        scaled = np.asarray(image / 255, np.float32)
        image = np.asarray(paint(scaled, seed) * 255 + 0.5, np.uint8)
    for quality in JPEG_QUALITIES:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if data.nbytes <= LARGEST_BYTES:
            break
    out.write_bytes(data.tobytes())
