"""Colours and light are read back from pictures in which they are known."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.colours import light_direction, measure_colours

HeadMaker = Callable[..., Any]


def sphere(count: int) -> np.ndarray:
    """Normals that face the camera, evenly spread."""
    normals = np.random.default_rng(0).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return normals[normals[:, 2] > 0.3]


@pytest.mark.parametrize("towards", [(0.5, 0.4, 0.77), (-0.6, 0.2, 0.77), (0, 0.7, 0.7), (0.3, -0.4, 0.86)])
def test_light_is_found_by_its_shading(towards: tuple[float, float, float]) -> None:
    """`towards` is x right, y up, z to the camera; the result counts y downwards."""
    light = np.array(towards) / np.linalg.norm(towards)
    normals = sphere(3000)
    linear = 0.15 + 0.5 * np.clip(normals @ light, 0, None)
    brows = np.random.default_rng(1).random(len(linear)) < 0.1
    linear[brows] *= 0.2
    found = light_direction((linear ** (1 / 2.2)).astype(np.float32), normals)
    angle_deg = np.degrees(np.arccos(np.clip(found @ (light * [1, -1, 1]), -1, 1)))
    assert angle_deg < 15
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_flat_light_comes_from_above_and_in_front() -> None:
    found = light_direction(np.full(500, 0.6, np.float32), sphere(1500)[:500])
    assert found[2] > 0.7 and found[1] < 0


def test_black_pictures_have_a_light_too() -> None:
    found = light_direction(np.zeros(500, np.float32), sphere(1500)[:500])
    assert np.isfinite(found).all() and np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_skin_and_lips(known_head: HeadMaker) -> None:
    points = known_head(3, mouthFunnel=0.4, jawOpen=0.2).landmarks
    skin, lip, mouth = (200, 150, 120), (170, 70, 80), (10, 5, 5)
    image = np.full((512, 512, 3), skin, np.uint8)
    cv2.fillPoly(image, [np.round(points[list(regions.LIPS_OUTER)]).astype(np.int32)], lip)
    cv2.fillPoly(image, [np.round(points[list(regions.LIPS_INNER)]).astype(np.int32)], mouth)
    colours = measure_colours(image, points, points[:468].astype(np.float64), sphere(3000)[:468])
    assert np.allclose(colours.skin, np.array(skin) / 255, atol=0.01)
    assert np.allclose(colours.lip, np.array(lip) / 255, atol=0.02)
    assert colours.brightness == pytest.approx(np.dot([0.2126, 0.7152, 0.0722], skin) / 255, abs=0.01)
    assert colours.skin.dtype == colours.lip.dtype == colours.light.dtype == np.float32
