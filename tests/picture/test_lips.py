"""Lips: skin that goes as far as its corners, and an opening that ends in a point from every side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.picture.lips import lip_skin
from sonic_stream.picture.patch import Slit, slit_of
from sonic_stream.picture.rig import Pose, Rig, turn
from sonic_stream.picture.rims import gaps
from sonic_stream.types import F32, Identity

Make = Callable[..., F32]


@pytest.mark.parametrize(("parted", "outward"), [(0.0, 0.0), (1.0, 0.1)])
def test_skin_at_the_corners_of_a_shut_portrait_stays_theirs(
    identity: Identity, parted: float, outward: float
) -> None:
    """What a corner shows moves exactly as far as the corner; only parted lips borrow from beside it."""
    head, mouth = load_head(), gaps()[0]
    placed = Rig(head, identity).source_pose.project(identity.vertices)
    shift = lip_skin(head, mouth, identity, placed, parted).shift
    right, left = (shift[head.landmarks[i], 0] / identity.scale for i in (61, 291))
    assert (-right, left) == pytest.approx((outward, outward), abs=0.06)


def turned(identity: Identity, coeffs: F32, yaw: float) -> tuple[F32, Slit]:
    """The mouth seen from the side: all points, px, and the slit."""
    rig = Rig(load_head(), identity)
    vertices = identity.vertices + np.tensordot(rig.weights(coeffs), rig.basis, 1)
    pose = Pose(turn(yaw, 0, 0), rig.source_pose.scale, rig.source_pose.anchor)
    placed = pose.project(vertices.astype(np.float32))
    return placed, slit_of(gaps()[0], placed)


@pytest.mark.parametrize("yaw", [-0.7, -0.5, 0.0, 0.5, 0.7])
def test_an_open_mouth_ends_in_points(identity: Identity, coeffs: Make, yaw: float) -> None:
    open_wide = coeffs(aperture=0.12, jaw=0.8, upper_up=0.2, lower_down=0.3)
    placed, slit = turned(identity, open_wide, yaw)
    apart = np.nan_to_num(slit.bottom - slit.top)
    opened = np.flatnonzero(apart > 0)
    rims = placed[np.concatenate([gaps()[0].upper.line, gaps()[0].lower.line]), 0]
    assert slit.first + opened[0] - rims.min() < 1.5
    assert rims.max() - slit.first - opened[-1] < 1.5
    assert max(apart[opened[0]], apart[opened[-1]]) < 0.4 * apart.max()
