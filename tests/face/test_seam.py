"""The seam of shut lips is found where it is drawn, and left alone where there is none."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.seam import settle_seam

HeadMaker = Callable[..., Any]
PAIRS = np.array(regions.LIPS_PAIRS)


def drawn(points: np.ndarray, shift_px: float, seed: int = 0) -> np.ndarray:
    """Lips with a dark line `shift_px` below the tracked inner lips, in grainy skin."""
    image = np.full((512, 512, 3), (205, 160, 135), np.uint8)
    cv2.fillPoly(image, [np.round(points[list(regions.LIPS_OUTER)]).astype(np.int32)], (180, 95, 95))
    line = np.r_[points[[78]], points[PAIRS].mean(1) + np.array([0, shift_px]), points[[308]]]
    cv2.polylines(image, [np.round(line * 8).astype(np.int32)], False, (110, 45, 45), 2, cv2.LINE_AA, 3)
    grain = np.random.default_rng(seed).normal(0, 6, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 1.2) + grain, 0, 255).astype(np.uint8)


def shut(known_head: HeadMaker) -> np.ndarray:
    points = known_head(21).landmarks.copy()
    points[PAIRS[:, 0]] = points[PAIRS[:, 1]] = points[PAIRS].mean(1)
    points[PAIRS[:, 0], 1] -= 0.4
    points[PAIRS[:, 1], 1] += 0.4
    return points


@pytest.mark.parametrize("shift_px", [-2.0, -1.0, 0.0, 1.0, 2.0])
def test_the_seam_is_found(known_head: HeadMaker, shift_px: float) -> None:
    points = shut(known_head)
    settled = settle_seam(drawn(points, shift_px), points)
    moved = (settled - points)[PAIRS].mean(1)[2:-2, 1]
    assert np.abs(moved - shift_px).max() < 0.7


def test_shut_lips_meet(known_head: HeadMaker) -> None:
    points = shut(known_head)
    settled = settle_seam(drawn(points, 1.0), points)
    assert np.abs(settled[PAIRS[:, 0]] - settled[PAIRS[:, 1]]).max() < 1e-3
    others = np.setdiff1d(np.arange(478), PAIRS)
    assert np.array_equal(settled[others], points[others])


def test_without_a_seam_nothing_wanders(known_head: HeadMaker) -> None:
    points = shut(known_head)
    grain = np.random.default_rng(3).normal(128, 6, (512, 512, 1)).repeat(3, 2)
    settled = settle_seam(np.clip(grain, 0, 255).astype(np.uint8), points)
    height = np.linalg.norm(points[10] - points[152])
    assert np.abs((settled - points)[PAIRS].mean(1)).max() < 0.006 * height


def test_an_open_mouth_is_left_alone(known_head: HeadMaker) -> None:
    points = known_head(22, jawOpen=0.6).landmarks
    assert settle_seam(drawn(points, 2.0), points) is points
