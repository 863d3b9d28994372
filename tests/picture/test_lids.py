"""A shut lid comes out of its brow's shade: lighter, and no redder than the skin around it."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.picture import Painter
from sonic_stream.picture.lids import Lid, make_lid
from sonic_stream.picture.rims import gaps
from sonic_stream.types import U8, Identity


def lid_of(painter: Painter, crop: U8) -> Lid:
    """The left upper lid over `crop`."""
    rig, identity = painter.rig, painter._identity
    placed, shut = (
        rig.source_pose.project(identity.vertices + np.tensordot(weights, rig.basis, 1))
        for weights in (rig.rest, rig.rest + np.isin(np.arange(len(rig.rest)), rig.lids))
    )
    return make_lid(load_head(), gaps()[1].upper, 0, crop, placed, shut, identity.scale)


def shaded(identity: Identity, tint: tuple[float, float, float]) -> U8:
    """The portrait with the skin between eye and brow in a shade of this tint."""
    crop = identity.crop.astype(np.float32)
    lid = identity.landmarks[[386, 374, 362, 263]]
    brow = identity.landmarks[[282, 295, 285]]
    rows = slice(int(brow[:, 1].max()) + 1, int(lid[0, 1]) + 1)
    columns = slice(int(lid[:, 0].min()), int(lid[:, 0].max()) + 1)
    crop[rows, columns] *= tint
    return crop.astype(np.uint8)


def test_a_lid_as_light_as_the_skin_around_it_stays_as_it_is(painter: Painter, identity: Identity) -> None:
    np.testing.assert_allclose(lid_of(painter, identity.crop).gain, 1, atol=0.05)


def test_a_lid_in_red_shade_is_made_lighter_and_less_red(painter: Painter, identity: Identity) -> None:
    gain = lid_of(painter, shaded(identity, (0.55, 0.35, 0.3))).gain
    assert gain.min() > 1.05
    assert gain[1] > 1.1 * gain[0] and gain[2] > 1.1 * gain[0]


def test_grey_shade_is_lifted_evenly(painter: Painter, identity: Identity) -> None:
    gain = lid_of(painter, shaded(identity, (0.4, 0.4, 0.4))).gain
    assert gain.min() > 1.05
    assert np.ptp(gain) < 0.15 * gain.mean()


@pytest.mark.parametrize("blink", [0.4, 0.8, 1.0])
def test_a_blink_leaves_less_of_the_eye_the_further_it_goes(painter: Painter, coeffs, blink: float) -> None:
    parts = painter._parts
    scene = parts.paint(coeffs(blink_left=blink, blink_right=blink))[1]
    open_scene = parts.paint(coeffs(blink_left=0.1, blink_right=0.1))[1]
    for slit, open_slit in zip(scene.lids, open_scene.lids, strict=True):
        left = float(np.nansum(np.maximum(slit.bottom - slit.top, 0)))
        was = np.nansum(np.maximum(open_slit.bottom - open_slit.top, 0))
        assert left <= (1.15 - blink) * was
        if blink == 1:
            assert left == pytest.approx(0, abs=0.02 * float(was))
