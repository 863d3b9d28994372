"""The edge of eyes larger than a person's is found where it is drawn; a person's stay as tracked."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.lids import settle_lids

HeadMaker = Callable[..., Any]
SIZE = 1024
SKIN, WHITE, IRIS = (205, 150, 120), (215, 225, 235), (40, 90, 190)


def drawn(points: np.ndarray, larger: float, blur: float = 0.8, shade: float = 0.0) -> np.ndarray:
    """Skin, in shade from above, with eyes that are `larger` than the tracked outline."""
    image = np.full((SIZE, SIZE, 3), SKIN, np.float32)
    image *= 1 - shade * np.linspace(0, 1, SIZE)[:, None, None]
    for ring, iris in ((regions.EYE_LEFT, regions.IRIS_LEFT), (regions.EYE_RIGHT, regions.IRIS_RIGHT)):
        outline = grown(points, ring, larger)
        eye, mask = image.copy(), np.zeros((SIZE, SIZE), np.float32)
        cv2.fillPoly(mask, [np.round(outline * 8).astype(np.int32)], 1.0, shift=3)
        eye[:] = WHITE
        middle = np.round(points[iris[0]] * 8).astype(int)
        radius = larger * float(np.linalg.norm(points[iris[1]] - points[iris[0]]))
        cv2.circle(eye, tuple(int(v) for v in middle), round(radius * 8), IRIS, -1, shift=3)
        image += mask[..., None] * (eye - image)
    return np.clip(cv2.GaussianBlur(image, (0, 0), blur), 0, 255).astype(np.uint8)


def grown(points: np.ndarray, ring: tuple[int, ...], larger: float) -> np.ndarray:
    outline = points[list(ring)].astype(np.float64)
    return outline.mean(0) + larger * (outline - outline.mean(0))


@pytest.fixture
def points(known_head: HeadMaker) -> np.ndarray:
    """Landmarks with a round iris in each eye."""
    points = 2 * known_head(21).landmarks.astype(np.float32)
    whole = np.zeros((478, 2), np.float32)
    whole[: len(points)] = points[:478]
    for ring, iris in ((regions.EYE_LEFT, regions.IRIS_LEFT), (regions.EYE_RIGHT, regions.IRIS_RIGHT)):
        middle = whole[list(ring)].mean(0)
        radius = 0.3 * np.ptp(whole[list(ring), 0])
        whole[list(iris)] = middle + radius * np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]])
    return whole


@pytest.mark.parametrize("shade", [0.0, 0.4])
def test_the_edge_of_large_eyes_is_found(points: np.ndarray, shade: float) -> None:
    settled = settle_lids(drawn(points, 1.4, shade=shade), points)
    for ring in (regions.EYE_LEFT, regions.EYE_RIGHT):
        true = grown(points, ring, 1.4).astype(np.float32)
        found = settled[list(ring)]
        away = [abs(cv2.pointPolygonTest(true, (float(x), float(y)), True)) for x, y in found]
        assert max(away) < 0.05 * np.ptp(points[list(ring), 0])
        assert np.median(away) < 0.02 * np.ptp(points[list(ring), 0])


def test_a_large_iris_is_found_whole(points: np.ndarray) -> None:
    settled = settle_lids(drawn(points, 1.4), points)
    for iris in (regions.IRIS_LEFT, regions.IRIS_RIGHT):
        was = np.linalg.norm(points[iris[1]] - points[iris[0]])
        np.testing.assert_allclose(np.linalg.norm(settled[iris[1]] - settled[iris[0]]), 1.4 * was, rtol=0.1)


@pytest.mark.parametrize("larger", [0.95, 1.0, 1.08])
def test_the_eyes_of_a_person_stay_as_tracked(points: np.ndarray, larger: float) -> None:
    np.testing.assert_array_equal(settle_lids(drawn(points, larger), points), points)


def test_what_runs_on_without_an_edge_is_no_large_eye(points: np.ndarray) -> None:
    np.testing.assert_array_equal(settle_lids(drawn(points, 1.4, blur=25), points), points)


def test_one_large_eye_alone_is_none(points: np.ndarray) -> None:
    large, usual = drawn(points, 1.4), drawn(points, 1.0)
    middle = int(points[regions.NOSE_TIP, 0])
    large[:, :middle] = usual[:, :middle]
    np.testing.assert_array_equal(settle_lids(large, points), points)


def test_far_from_the_eyes_nothing_moves(points: np.ndarray) -> None:
    settled = settle_lids(drawn(points, 1.4), points)
    away = [*regions.LIPS_OUTER, *regions.LIPS_INNER, regions.CHIN, regions.NOSE_TIP, regions.FOREHEAD]
    np.testing.assert_array_equal(settled[away], points[away])
