"""A shut lid has the skin that is around it, its own grain, and lashes of a lash's colour."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.picture import Painter
from sonic_stream.picture.lid_skin import REACH, lens_px, make_lid_skin
from sonic_stream.picture.lids import make_lid
from sonic_stream.picture.rims import gaps
from sonic_stream.types import U8, Identity

SKIN = (200, 160, 140)
EDGE, FIRST, TALL = np.full(80, 90.0, np.float32), 20, 40.0
LID = (slice(55, 85), slice(45, 75))
"""The inner part of what is treated."""


def plain() -> U8:
    return np.full((140, 120, 3), SKIN, np.uint8)


def shown(image: U8, blink: float = 1.0) -> U8:
    """`image` after its own lid was given its skin."""
    out = image.copy()
    make_lid_skin(image, EDGE, FIRST, TALL, 15.0).lay(out, EDGE, FIRST, TALL, blink)
    return out


def test_even_skin_keeps_its_colour_but_that_the_lid_bulges_into_the_light() -> None:
    lighter = shown(plain()).astype(float) / plain()
    assert lighter.min() > 0.99 and lighter.max() < 1.07


def test_a_lid_in_red_shade_is_made_as_light_and_as_little_red_as_the_skin_around() -> None:
    image = plain().astype(np.float32)
    image[60:90, 20:100] *= (0.6, 0.4, 0.35)
    after = shown(image.astype(np.uint8))[LID][15:].mean((0, 1))
    np.testing.assert_allclose(after, SKIN, rtol=0.12)


def test_a_streak_of_light_on_the_lid_goes() -> None:
    image = plain()
    image[58:90, 56:62] = 255
    assert np.abs(shown(image)[68:86, 40:80].astype(int) - SKIN).max() < 35


def test_grain_stays() -> None:
    grain = np.random.default_rng(1).normal(0, 4, (140, 120, 1))
    image = np.clip(plain() + grain, 0, 255).astype(np.uint8)
    before, after = (picture[LID].astype(float).ravel() for picture in (image, shown(image)))
    assert np.corrcoef(before, after)[0, 1] > 0.8


def test_nothing_changes_beside_the_lid_nor_without_a_blink() -> None:
    image = np.random.default_rng(0).integers(0, 255, (140, 120, 3)).astype(np.uint8)
    np.testing.assert_array_equal(shown(image, 0.0), image)
    after = shown(image)
    assert (after != image).any()
    for beside in (np.s_[92:], np.s_[:49], np.s_[:, :14], np.s_[:, 106:]):
        np.testing.assert_array_equal(after[beside], image[beside])


def test_the_upper_end_of_the_lid_stays_while_it_comes_down() -> None:
    lid = TALL / REACH
    for blink in (0.3, 0.7, 1.0):
        came_down = blink * lid
        assert came_down - lens_px(TALL, blink) == pytest.approx(lid - TALL)


def test_lashes_do_not_take_the_colour_of_the_iris(painter: Painter, identity: Identity) -> None:
    crop = identity.crop.copy()
    lid = identity.landmarks[list((386, 385, 387, 374))]
    rows = slice(int(lid[0, 1]) - 2, int(lid[3, 1]) + 1)
    crop[rows, int(lid[:, 0].min()) - 4 : int(lid[:, 0].max()) + 4] = (10, 60, 120)
    rig = painter.rig
    placed, shut = (
        rig.source_pose.project(identity.vertices + np.tensordot(weights, rig.basis, 1))
        for weights in (rig.rest, rig.rest + np.isin(np.arange(len(rig.rest)), rig.lids))
    )
    lash = make_lid(load_head(), gaps()[1].upper, 0, crop, placed, shut, identity.scale).lash
    assert lash[0] > 0.8 * lash[2]


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
