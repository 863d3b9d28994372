"""Rounded lips are narrower as a whole and a little fuller; they are no beak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.picture.painter import Painter
from sonic_stream.picture.rig import Rig
from sonic_stream.picture.rims import gaps
from sonic_stream.picture.rounding import ROUNDING, Hole, rounded, rounding_shapes
from sonic_stream.types import F32, Identity

Make = Callable[..., F32]


def heights(rig: Rig, identity: Identity, weights: F32) -> dict[str, float]:
    """Heights about the mouth's middle, and its width, head units."""
    shown = (identity.vertices + np.tensordot(weights, rig.basis, 1))[load_head().landmarks]
    return {
        "upper lip": float(shown[0, 1] - shown[13, 1]),
        "lower lip": float(shown[14, 1] - shown[17, 1]),
        "nose to lip": float(shown[2, 1] - shown[0, 1]),
        "width": float(shown[291, 0] - shown[61, 0]),
    }


def test_a_strong_w_narrows_the_mouth_and_hardly_thickens_the_lips(identity: Identity, coeffs: Make) -> None:
    rig = Rig(load_head(), identity)
    rest = heights(rig, identity, rig.rest)
    strong = coeffs(aperture=0.035, width=-0.055, pucker=0.6, funnel=0.8, lower_down=0.3, upper_up=0.3)
    rounded = heights(rig, identity, rig.weights(strong))
    ratio = {name: rounded[name] / rest[name] for name in rest}
    assert 0.75 < ratio["width"] < 0.85
    assert 0.95 < ratio["upper lip"] < 1.2
    assert 0.95 < ratio["lower lip"] < 1.25
    assert ratio["nose to lip"] > 0.7


@pytest.mark.parametrize("which", range(len(ROUNDING)))
def test_lips_narrow_in_step_with_their_corners(which: int) -> None:
    head = load_head()
    shape = rounding_shapes()[which]
    corner = head.landmarks[291]
    share = shape[corner, 0] / head.mean[corner, 0]
    assert share < -0.1
    rims = np.concatenate([head.lip_rim_upper, head.lip_rim_lower])
    np.testing.assert_allclose(shape[rims, 0], share * head.mean[rims, 0], atol=0.06)


@pytest.mark.parametrize("which", range(len(ROUNDING)))
def test_both_sides_round_alike_and_the_rest_of_the_head_as_in_the_model(which: int) -> None:
    head = load_head()
    shape = rounding_shapes()[which]
    own = head.expression[head.expression_index(list(ROUNDING.values())[which][0])]
    for right, left in ((61, 291), (37, 267), (84, 314)):
        mirrored = shape[head.landmarks[right]] * (-1, 1, 1)
        np.testing.assert_allclose(shape[head.landmarks[left]], mirrored, atol=0.05)
    far = np.abs(head.mean[:, 1] - head.mean[head.landmarks[13], 1]) > 2
    np.testing.assert_array_equal(shape[far, 0], own[far, 0])


@pytest.mark.parametrize(("shares", "left"), [((1.0, 0.0), 0.2), ((0.0, 1.0), 0.65)])
def test_beside_the_hole_both_lips_move_alike_and_in_its_middle_as_they_did(
    shares: tuple[float, float], left: float
) -> None:
    head, mouth = load_head(), gaps()[0]
    opened = 0.6 * head.expression[head.expression_index("jawOpen")].copy()
    moved = opened.copy()
    Hole(head, mouth).close_beside(moved, *shares)

    def apart(shift: F32, at: float) -> float:
        corner = abs(float(head.mean[head.landmarks[291], 0])) * at
        sides = [
            np.interp(corner, head.mean[rim.line, 0], shift[rim.line, 1])
            for rim in (mouth.upper, mouth.lower)
        ]
        return float(sides[0] - sides[1])

    assert apart(opened, 0.77) > 0.15
    assert abs(apart(moved, 0.77)) < left * apart(opened, 0.77)
    assert apart(moved, 0) == pytest.approx(apart(opened, 0), rel=0.02)
    np.testing.assert_array_equal(moved[:, [0, 2]], opened[:, [0, 2]])


def test_a_hole_that_opens_grows_to_the_sides_too() -> None:
    head, mouth = load_head(), gaps()[0]
    opened = 0.6 * head.expression[head.expression_index("jawOpen")].copy()
    beside = 0.6 * float(head.mean[head.landmarks[291], 0])
    apart = []
    for aperture in (0.02, 0.05, 0.08, 0.12):
        moved = opened.copy()
        Hole(head, mouth).close_beside(moved, 1.0, 0.0, aperture)
        sides = [
            np.interp(beside, head.mean[rim.line, 0], moved[rim.line, 1])
            for rim in (mouth.upper, mouth.lower)
        ]
        apart.append(float(sides[0] - sides[1]))
    assert (np.diff(apart) > 0.1 * (apart[-1] - apart[0])).all()
    assert apart[-1] > 2 * apart[0]


def test_lips_that_neither_round_nor_touch_the_teeth_are_left_alone() -> None:
    head = load_head()
    opened = 0.6 * head.expression[head.expression_index("jawOpen")].copy()
    moved = opened.copy()
    Hole(head, gaps()[0]).close_beside(moved, 0.0, 0.0)
    np.testing.assert_array_equal(moved, opened)


def test_oo_opens_to_a_hole_and_ah_does_not(identity: Identity, coeffs: Make) -> None:
    painter = Painter(identity)

    def width(shown: F32) -> float:
        lips = painter._parts.paint(shown)[1].lips
        apart = np.nan_to_num(lips.bottom - lips.top)
        return float((apart > 0.3 * apart.max()).mean())

    slit, hole = width(coeffs(aperture=0.04)), width(coeffs(aperture=0.04, pucker=0.8, funnel=0.4))
    assert hole < 0.75 * slit
    assert width(coeffs(aperture=0.2, pucker=0.8, funnel=0.4)) > hole


def test_a_mouth_counts_as_rounded_smoothly(coeffs: Make) -> None:
    assert rounded(coeffs(aperture=0.03)) == 0
    assert rounded(coeffs(aperture=0.03, pucker=0.9, funnel=0.4)) == 1
    assert rounded(coeffs(aperture=0.15, pucker=0.9, funnel=0.4)) == 0
    way = [rounded(coeffs(aperture=0.03, pucker=p)) for p in np.linspace(0, 1.2, 121)]
    assert np.abs(np.diff(way)).max() < 0.02


def test_the_corners_sink_with_a_rounded_opening(identity: Identity, coeffs: Make) -> None:
    rig, corner = Rig(load_head(), identity), load_head().landmarks[291]

    def height(**named: float) -> float:
        return float(rig.weights(coeffs(**named)) @ rig.basis[:, corner, 1])

    shut, hole = height(pucker=0.8, funnel=0.4), height(pucker=0.8, funnel=0.4, aperture=0.045)
    assert hole < shut - 0.1


@pytest.mark.parametrize("jaw", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("aperture", [0.02, 0.045, 0.08])
def test_the_corners_of_a_rounded_mouth_lie_beside_the_middle_of_its_opening(
    identity: Identity, coeffs: Make, aperture: float, jaw: float
) -> None:
    """However far the jaw has taken them along already: lower, and the mouth would frown."""
    rig, points = Rig(load_head(), identity), load_head().landmarks
    change = rig.weights(coeffs(pucker=0.9, funnel=0.4, aperture=aperture, jaw=jaw)) - rig.rest
    height = {i: float(change @ rig.basis[:, points[i], 1]) for i in (13, 14, 61, 291)}
    opened = height[13] - height[14]
    below = (height[13] + height[14]) / 2 - (height[61] + height[291]) / 2
    assert -0.02 * opened < below < 0.15 * opened
