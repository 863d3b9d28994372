"""Rounded lips are narrower as a whole and a little fuller; they are no beak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.picture.rig import Rig
from sonic_stream.picture.rounding import ROUNDING, rounding_shapes
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
