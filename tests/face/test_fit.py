"""The fit finds heads of the model again, and its small solver keeps the laws of a bounded minimum."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.face import regions
from sonic_stream.face.fit import HeadFitter, bounded_least, mouth_parted, skin_normals
from sonic_stream.face.head import load_head

HEAD = load_head()
HeadMaker = Callable[..., Any]
FITTER = HeadFitter(HEAD)


@given(st.integers(0, 2**31), st.integers(1, 12))
@settings(max_examples=60)
def test_bounded_least_is_a_minimum_within_bounds(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    root = random.normal(size=(count + 3, count))
    matrix = root.T @ root + 0.1 * np.eye(count)
    right = random.normal(size=count) * 3
    low, high = -random.uniform(0, 1, count), random.uniform(0, 1, count)
    low[0] = high[0] = 0.0
    x = bounded_least(matrix, right, low, high, np.zeros(count))
    slope = matrix @ x - right
    assert (x >= low).all() and (x <= high).all()
    inside = (x > low + 1e-9) & (x < high - 1e-9)
    assert np.abs(slope[inside]).max(initial=0) < 1e-6
    assert slope[(x <= low) & (low < high)].min(initial=0) > -1e-6
    assert slope[(x >= high) & (low < high)].max(initial=0) < 1e-6


@pytest.mark.parametrize("yaw_deg", [-30, -15, 0, 15, 30])
@pytest.mark.parametrize("seed", [1, 2])
def test_finds_pose_and_points_again(seed: int, yaw_deg: float, known_head: HeadMaker) -> None:
    known = known_head(seed, yaw_deg)
    fit = FITTER.fit(known.landmarks)
    between = fit.rotation @ known.rotation.T
    angle_deg = np.degrees(np.arccos(np.clip((np.trace(between) - 1) / 2, -1, 1)))
    assert angle_deg < 2.5
    assert fit.error < 0.006
    assert abs(fit.scale / known.scale - 1) < 0.03
    assert np.degrees(fit.yaw) == pytest.approx(yaw_deg, abs=2.5)


def test_left_is_the_persons_left(known_head: HeadMaker) -> None:
    """Turned to the person's left, the nose goes to the picture's right and yaw is positive."""
    straight, turned = known_head(3, 0), known_head(3, 25)
    nose = regions.NOSE_TIP
    assert turned.landmarks[nose, 0] > straight.landmarks[nose, 0]
    assert FITTER.fit(turned.landmarks).yaw > 0


def test_the_picture_size_does_not_matter(known_head: HeadMaker) -> None:
    points = known_head(4, 10).landmarks
    small, large = FITTER.fit(points), FITTER.fit(points * 3 + 40)
    assert np.allclose(small.shape, large.shape, atol=1e-4)
    assert np.allclose(small.expression, large.expression, atol=1e-4)
    assert large.scale == pytest.approx(3 * small.scale, rel=1e-5)
    assert np.allclose(large.translation, small.translation * 3 + 40, atol=1e-2)


def test_an_open_jaw_is_expression_and_a_shut_mouth_is_none(known_head: HeadMaker) -> None:
    jaw = HEAD.expression_index("jawOpen")
    assert FITTER.fit(known_head(5, jawOpen=0.5).landmarks).expression[jaw] > 0.25
    shut = FITTER.fit(known_head(5).landmarks)
    assert shut.expression[jaw] == 0


def test_what_cannot_be_seen_stays_off(known_head: HeadMaker) -> None:
    noisy = known_head(6).landmarks + np.random.default_rng(0).normal(0, 2, (478, 2)).astype(np.float32)
    fit = FITTER.fit(noisy)
    off = [i for i, n in enumerate(HEAD.expression_names) if n.startswith(("eyeLook", "tongue"))]
    assert (fit.expression[off] == 0).all()
    assert fit.expression.min() >= 0 and fit.expression.max() <= 1
    assert np.abs(fit.shape).max() <= 3


def test_the_rotation_is_a_rotation(known_head: HeadMaker) -> None:
    rotation = FITTER.fit(known_head(7, 20).landmarks).rotation
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_mouth_parted_goes_from_shut_to_open(known_head: HeadMaker) -> None:
    points = known_head(8).landmarks.astype(np.float64)
    height = np.linalg.norm(points[regions.FOREHEAD] - points[regions.CHIN])
    shares = []
    for gap in (0.0, 0.015, 0.025, 0.1):
        points[regions.LIP_LOWER_MIDDLE] = points[regions.LIP_UPPER_MIDDLE] + [0, gap * height]
        shares.append(mouth_parted(points))
    assert shares[0] == 0 and shares[-1] == 1
    assert shares == sorted(shares)


def test_skin_normals_point_outward() -> None:
    normals = skin_normals(HEAD, HEAD.mean)
    nose = HEAD.landmarks[regions.NOSE_TIP]
    assert normals[nose, 2] > 0.5
    assert normals[HEAD.landmarks[454], 0] > 0.5 and normals[HEAD.landmarks[234], 0] < -0.5


def test_leaning_and_nodding_have_the_documented_signs(known_head: HeadMaker) -> None:
    """Clockwise on the screen is a lean to the person's left shoulder; a lowered forehead is a nod down."""
    known = known_head(9)
    straight = FITTER.fit(known.landmarks)
    c, s = np.cos(0.35), np.sin(0.35)
    clockwise = FITTER.fit((known.landmarks @ np.array([[c, s], [-s, c]])).astype(np.float32))
    assert clockwise.roll - straight.roll == pytest.approx(0.35, abs=0.01)
    assert straight.pitch == pytest.approx(-np.arcsin(known.rotation[1, 2]), abs=0.04)
    nose = HEAD.landmarks[regions.NOSE_TIP]
    nodding = straight.rotation @ np.array(
        [[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]]
    )
    lower = replace(straight, rotation=nodding)
    assert lower.pitch > straight.pitch + 0.2
    assert lower.project(HEAD.mean)[nose, 1] > straight.project(HEAD.mean)[nose, 1]
