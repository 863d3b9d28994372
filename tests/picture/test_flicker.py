"""The measure of flicker: nothing for stillness and steady motion, much for a light that comes and goes."""

from __future__ import annotations

import cv2
import numpy as np

from bench.flicker import flicker, region
from sonic_stream.types import U8


def _shifted(by: float) -> U8:
    rng = np.random.default_rng(2)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (96, 96, 3)).astype(np.float32), (0, 0), 4)
    spread = np.clip((noise - noise.mean()) * 6 + 128, 0, 255).astype(np.uint8)
    matrix = np.array([[1, 0, by], [0, 1, 0]], np.float64)
    return np.asarray(cv2.warpAffine(spread, matrix, (96, 96), borderMode=cv2.BORDER_REFLECT), np.uint8)


def test_stillness_has_none() -> None:
    still = _shifted(0)
    assert flicker(still, still, still) < 0.05


def test_what_moves_has_far_less_than_what_flashes() -> None:
    now = _shifted(0)
    moving = flicker(_shifted(-1.5), now, _shifted(1.5))
    darker = np.asarray(now * 0.85, np.uint8)
    assert flicker(darker, now, darker) > 4 * moving


def test_the_region_lies_about_the_mouth_and_inside_the_picture() -> None:
    points = np.zeros((478, 2), np.float32)
    points[61], points[291] = (2, 50), (42, 50)
    rows, columns = region(points, 100)
    assert columns.start == 0 and columns.stop == 58 and rows.start == 14 and rows.stop == 86
