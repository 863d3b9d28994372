"""Glasses are rigid: what brows and cheeks do ends before their rims, and lids move as ever."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.glasses import find_glasses
from sonic_stream.face.head import load_head
from sonic_stream.picture import Painter
from sonic_stream.picture.worn import held_by_glasses
from sonic_stream.types import F32, Identity
from tests.picture.conftest import drawn_identity


@pytest.fixture(scope="module")
def bare() -> Identity:
    return drawn_identity(512)


@pytest.fixture(scope="module")
def wearing(bare: Identity) -> Identity:
    """The same person with rims drawn on."""
    crop = bare.crop.copy()
    left, right = (
        np.round(bare.landmarks[list(ends)].mean(0)).astype(int)
        for ends in (regions.CORNERS_LEFT, regions.CORNERS_RIGHT)
    )
    radius = int(0.38 * np.linalg.norm(left - right))
    for middle in (left, right):
        cv2.circle(crop, middle.tolist(), radius, (30, 25, 25), 3, cv2.LINE_AA)
    ends = [right[0] + radius, right[1]], [left[0] - radius, left[1]]
    cv2.line(crop, *(np.array(end).tolist() for end in ends), (30, 25, 25), 3, cv2.LINE_AA)
    return replace(bare, crop=crop, cache={})


def placed(identity: Identity) -> F32:
    return Painter(identity)._parts.placed


def test_a_bare_face_moves_freely(bare: Identity) -> None:
    assert held_by_glasses(load_head(), bare, placed(bare)) is None


def test_rims_are_held_and_lids_and_mouth_are_not(wearing: Identity) -> None:
    at = placed(wearing)
    held = held_by_glasses(load_head(), wearing, at)
    assert held is not None
    glasses = find_glasses(wearing.crop, wearing.landmarks)
    assert glasses is not None
    head = load_head()
    lids = at[np.concatenate(head.lid_rims), :2]
    free = np.linalg.norm(at[:, None, :2] - lids, axis=2).min(1) > 1.0 * wearing.scale
    skin = (head.vertex_part == 0) & free
    for lens in glasses:
        on_rim = skin & (np.abs(np.linalg.norm(at[:, :2] - lens.middle, axis=1) - lens.radius) < 5)
        assert on_rim.sum() > 20 and held[on_rim].min() > 0.95
    assert held[np.concatenate(head.lid_rims)].max() == 0
    assert held[head.landmarks[list(regions.LIPS_OUTER)]].max() == 0


def test_rims_stay_where_they_are_when_the_brows_rise(wearing: Identity, coeffs) -> None:
    raised = coeffs(brow_inner=0.9, brow_outer=0.9)
    glasses = find_glasses(wearing.crop, wearing.landmarks)
    assert glasses is not None
    yy, xx = np.mgrid[:512, :512]
    rims = np.zeros((512, 512), bool)
    for lens in glasses:
        away = np.hypot(xx - lens.middle[0], yy - lens.middle[1])
        rims |= np.abs(away - lens.radius) < 1.5
    painter = Painter(wearing)
    shown = painter.paint(raised).astype(int) - painter.paint(coeffs()).astype(int)
    assert np.abs(shown)[rims].mean() < 2.0
    assert np.abs(shown).max() > 40


def test_lids_shut_behind_glasses(wearing: Identity, coeffs) -> None:
    scene = Painter(wearing)._parts.paint(coeffs(blink_left=1, blink_right=1))[1]
    for slit in scene.lids:
        assert slit is not None
        assert float(np.nanmax(slit.bottom - slit.top)) < 0.5
