"""The elastic sheet: it does not fold where a head turns as far as heads do while talking."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.picture.painter import Painter
from sonic_stream.picture.sheet import _STEEPEST, _eased
from sonic_stream.types import F32, Identity

Make = Callable[..., F32]


def test_depth_is_only_raised_and_nowhere_falls_too_steeply() -> None:
    z = np.random.default_rng(0).uniform(-6, 6, (24, 24)).astype(np.float32)
    apart = 0.5
    eased = _eased(z, apart)
    assert (eased >= z).all()
    assert eased.max() == z.max()
    for axis in (0, 1):
        assert np.abs(np.diff(eased, axis=axis)).max() <= _STEEPEST * apart + 1e-5
    np.testing.assert_array_equal(_eased(eased, apart), eased)


def test_gentle_slopes_stay() -> None:
    y, x = np.mgrid[:20, :20].astype(np.float32)
    slope = (0.4 * x - 0.6 * y).astype(np.float32)
    np.testing.assert_array_equal(_eased(slope, 0.5), slope)


@pytest.mark.parametrize("yaw", [-0.262, 0.262])
def test_turned_by_fifteen_degrees_no_part_of_the_person_folds(
    identity: Identity, coeffs: Make, yaw: float
) -> None:
    parts = Painter(identity)._parts
    pose = parts.rig.pose(coeffs(yaw=yaw))
    nodes = parts.sheet.moved(pose, np.zeros(len(parts.rig.portrait), np.float32))[:, :2]
    a, b, c = (nodes[parts.sheet.triangles[:, k]] for k in range(3))
    turned = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    at = parts.sheet.nodes[parts.sheet.triangles[:, 0]].round().astype(int)
    size = identity.crop.shape[0]
    within = ((at >= 0) & (at < size)).all(1)
    face_y = identity.landmarks[152, 1]
    on = within & (identity.matte[at[:, 1].clip(0, size - 1), at[:, 0].clip(0, size - 1)] > 128)
    above = on & (at[:, 1] < face_y)
    assert (np.sign(turned[above]) == np.sign(np.median(turned))).mean() > 0.995
