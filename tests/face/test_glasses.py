"""Glasses are found by their rims and bridge; folds, one rim and bare faces are none."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.glasses import find_glasses

HeadMaker = Callable[..., Any]
SKIN, RIM_PX = (200, 160, 140), 55


@pytest.fixture
def points(known_head: HeadMaker) -> np.ndarray:
    return np.asarray(2 * known_head(21).landmarks.astype(np.float32))


def middles(points: np.ndarray) -> list[np.ndarray]:
    return [points[list(ends)].mean(0) for ends in (regions.CORNERS_LEFT, regions.CORNERS_RIGHT)]


def face(
    points: np.ndarray, colour: tuple[int, int, int], lenses: int = 2, bridge: bool = True, arc: int = 360
) -> np.ndarray:
    """Grainy skin with eyes and rims around them, `arc` degrees of each."""
    image = np.full((1024, 1024, 3), SKIN, np.uint8)
    for ring in (regions.EYE_LEFT, regions.EYE_RIGHT):
        cv2.fillPoly(image, [np.round(points[list(ring)]).astype(np.int32)], (70, 60, 50))
    left, right = (np.round(middle).astype(int) for middle in middles(points))
    for middle in (left, right)[:lenses]:
        cv2.ellipse(image, middle.tolist(), (RIM_PX, RIM_PX), 45, 0, arc, colour, 3, cv2.LINE_AA)
    if bridge:
        ends = (right[0] + RIM_PX, right[1]), (left[0] - RIM_PX, left[1])
        cv2.line(image, *(np.array(end).tolist() for end in ends), colour, 3, cv2.LINE_AA)
    grain = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [(40, 35, 35), (240, 215, 180), (150, 115, 80)])
def test_rims_dark_light_and_golden_are_found_where_they_are(points: np.ndarray, colour: Any) -> None:
    found = find_glasses(face(points, colour), points)
    assert found is not None
    for lens, middle in zip(found, middles(points), strict=True):
        np.testing.assert_allclose(lens.middle, middle, atol=2)
        assert lens.radius == pytest.approx(RIM_PX, abs=4)


def test_a_bare_face_wears_none(points: np.ndarray) -> None:
    assert find_glasses(face(points, (0, 0, 0), lenses=0, bridge=False), points) is None


@pytest.mark.parametrize("drawn", [{"lenses": 1}, {"bridge": False}, {"arc": 45, "bridge": False}])
def test_one_rim_rims_without_a_bridge_and_folds_are_no_glasses(points: np.ndarray, drawn: Any) -> None:
    assert find_glasses(face(points, (40, 35, 35), **drawn), points) is None


def test_a_face_without_grain_or_detail_wears_none(points: np.ndarray) -> None:
    assert find_glasses(np.full((1024, 1024, 3), SKIN, np.uint8), points) is None
