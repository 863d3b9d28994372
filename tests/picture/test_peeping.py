"""Teeth that peep out between shut lips are hidden; nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonic_stream.face import identify
from sonic_stream.offline.bundled import portraits
from sonic_stream.picture import Painter
from sonic_stream.picture.peeping import hide_teeth, peeping_teeth
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, Identity, PortraitSettings

TOOTH, GLOOM = (150, 138, 132), (60, 25, 25)
SHUT = sorted(set(portraits()) - {"amara"})
"""The bundled portraits whose lips are shut."""


def made(name: str) -> Identity:
    return identify(portraits()[name].read_bytes(), PortraitSettings())


@pytest.fixture(scope="module")
def tariq() -> Identity:
    return made("tariq")


def with_teeth(identity: Identity, below_px: float = 1.0) -> tuple[Identity, np.ndarray]:
    """Two front teeth under the line of the lips, and where they are."""
    crop = identity.crop.copy()
    x, y = identity.landmarks[13]
    drawn = np.zeros(crop.shape[:2], np.uint8)
    for left in (-9, 1):
        corner = np.array([x + left, y + below_px])
        cv2.rectangle(
            drawn, np.round(corner).astype(int), np.round(corner + np.array([7, 3])).astype(int), 1, -1
        )
    gloom = cv2.dilate(drawn, np.ones((3, 3), np.uint8))
    crop[gloom > 0], crop[drawn > 0] = GLOOM, TOOTH
    return replace(identity, id="teeth", crop=crop, cache={}), drawn > 0


def test_teeth_below_the_line_are_found_and_painted_over_with_lip(tariq: Identity) -> None:
    identity, drawn = with_teeth(tariq)
    found = peeping_teeth(identity.crop, identity.landmarks)
    assert found[drawn].mean() > 0.9
    assert found.sum() < 1.5 * drawn.sum()
    hidden = hide_teeth(identity.crop, identity.landmarks)
    changed = (hidden != identity.crop).any(2)
    assert changed[drawn].all()
    assert not changed[cv2.dilate(drawn.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0].any()
    lip = np.median(tariq.crop[drawn], axis=0)
    assert np.abs(np.median(hidden[drawn], axis=0) - lip).max() < 30 < np.abs(np.array(TOOTH) - lip).max()


def test_an_opened_mouth_has_no_tooth_on_its_lip(tariq: Identity) -> None:
    identity, drawn = with_teeth(tariq)
    coeffs = np.zeros(len(CHANNELS), np.float32)
    coeffs[[CHANNEL_INDEX["aperture"], CHANNEL_INDEX["jaw"]]] = 0.06, 0.5
    clean, painted = (Painter(of).paint(coeffs).astype(np.float32) for of in (tariq, identity))
    difference = np.abs(painted - clean).max(2)
    # Two teeth that stayed on the lip would be far off over their whole area.
    assert (difference > 40).sum() < 0.15 * drawn.sum()


@pytest.mark.parametrize("name", SHUT)
def test_lips_without_teeth_stay_as_they_are(name: str) -> None:
    identity = made(name)
    assert hide_teeth(identity.crop, identity.landmarks) is identity.crop


def test_a_highlight_on_the_lip_is_no_tooth(tariq: Identity) -> None:
    crop = tariq.crop.copy()
    x, y = np.round(tariq.landmarks[13] + (0, 0.02 * 245)).astype(int)
    crop[y : y + 3, x - 8 : x + 8] = (225, 200, 190)
    assert hide_teeth(crop, tariq.landmarks) is crop


def test_a_picture_too_small_to_tell_stays(tariq: Identity) -> None:
    small = cv2.resize(tariq.crop, (24, 24), interpolation=cv2.INTER_AREA)
    assert hide_teeth(small, tariq.landmarks * 24 / len(tariq.crop)) is small
