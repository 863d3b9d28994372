"""The seam of the lips is found where it is drawn; the plate behind the person is the background's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonic_stream.picture.eyeball import eye_plate
from sonic_stream.picture.plane import axes_between
from sonic_stream.picture.plate import clean_plate, person_layer
from sonic_stream.picture.seam import columns_of, find_seam
from sonic_stream.types import F32, U8, Identity


def lips(seam_y: float, thick: float, tilt: float) -> tuple[U8, F32, F32]:
    """Red lips in skin with a dark line, tilted by `tilt` rad about the picture's middle."""
    image = np.full((120, 160, 3), (210, 170, 150), np.uint8)
    cv2.ellipse(image, (80, 60), (50, 22), 0, 0, 360, (190, 90, 90), -1)
    top, bottom = round(seam_y - thick / 2), round(seam_y + thick / 2)
    cv2.rectangle(image, (30, top), (130, bottom - 1), (40, 15, 15), -1)
    matrix = cv2.getRotationMatrix2D((80, 60), -np.degrees(tilt), 1)
    turned = cv2.warpAffine(image, matrix, (160, 120), borderMode=cv2.BORDER_REPLICATE)
    corners = (np.array([[30, 60, 1], [130, 60, 1]]) @ matrix.T).astype(np.float32)
    return np.asarray(turned, np.uint8), corners[0], corners[1]


@pytest.mark.parametrize("tilt", [0.0, 0.4])
@pytest.mark.parametrize("seam_y", [57.0, 62.0])
def test_the_seam_is_found_also_when_the_landmarks_miss_it(seam_y: float, tilt: float) -> None:
    scale, thick = 20.0, 4.0
    image, right, left = lips(seam_y, thick, tilt)
    axes = axes_between(right, left)
    line = (np.array([0, 50, 100], np.float32), np.zeros(3, np.float32))
    x = columns_of(line)
    bow = 22 * np.sqrt(np.clip(1 - ((x - 50) / 50) ** 2, 0.01, 1)).astype(np.float32)
    seam = find_seam(image, axes, line, (-bow, bow), scale)
    middle = slice(12, -12)
    dark_top, dark_bottom = seam_y - 60 - thick / 2, seam_y - 60 + thick / 2
    assert np.abs(seam.upper[middle] - dark_top).max() < 2.0
    assert np.abs(seam.lower[middle] - dark_bottom).max() < 2.0


def test_without_a_line_the_seam_stays_at_the_landmarks() -> None:
    plain = np.full((120, 160, 3), 150, np.uint8)
    axes = axes_between(np.array([30, 60], np.float32), np.array([130, 60], np.float32))
    line = (np.array([0, 100], np.float32), np.zeros(2, np.float32))
    border = np.full(len(columns_of(line)), 20, np.float32)
    seam = find_seam(plain, axes, line, (-border, border), 20.0)
    assert np.abs(seam.upper).max() < 5 and np.abs(seam.lower).max() < 5


def test_plate_and_layer_together_are_the_portrait(identity: Identity) -> None:
    plate = clean_plate(identity)
    layer = person_layer(identity, plate).astype(int)
    together = layer[..., :3] + (plate.astype(int) * (255 - layer[..., 3:]) + 127) // 255
    assert np.abs(together - identity.crop).max() <= 1
    away = identity.matte == 0
    far = cv2.erode(away.astype(np.uint8), np.ones((31, 31))) > 0
    np.testing.assert_array_equal(plate[far], identity.crop[far])


def test_the_plate_does_not_show_the_person(identity: Identity) -> None:
    plate = clean_plate(identity).astype(int)
    background = identity.crop[2, 2].astype(int)
    assert np.abs(plate - background).max() < 25


def test_a_matte_that_misses_the_hair_still_gives_the_portrait_back(draw: Callable[..., Identity]) -> None:
    identity = draw(128)
    identity.matte[:30] = 0
    plate = clean_plate(identity)
    layer = person_layer(identity, plate).astype(int)
    together = layer[..., :3] + (plate.astype(int) * (255 - layer[..., 3:]) + 127) // 255
    assert np.abs(together - identity.crop).max() <= 1


def test_the_eye_plate_has_eyeball_where_the_lids_were(identity: Identity) -> None:
    for side, middle in ((0, 473), (1, 468)):
        plate, (x0, y0) = eye_plate(identity.crop, identity.landmarks, side)
        x = identity.landmarks[middle, 0] - x0
        shown = plate[:, round(float(x))].astype(int)
        skin = identity.crop[y0 : y0 + len(plate), round(float(identity.landmarks[middle, 0]))].astype(int)
        assert (skin[:, 0] - skin[:, 2]).max() > 35, "the portrait has skin there"
        assert np.abs(shown[:, 0] - shown[:, 2]).max() < 15, "the drawn eyeball is grey"


def test_an_edge_of_the_background_beside_the_head_stays_when_the_head_moves(identity: Identity) -> None:
    crop = np.full_like(identity.crop, (200, 190, 170))
    crop[identity.crop.shape[0] // 2 :] = (120, 160, 180)
    person = identity.matte > 128
    crop[person] = identity.crop[person]
    edged = replace(identity, crop=crop, cache={})
    plate = clean_plate(edged)
    layer = person_layer(edged, plate)
    beside = cv2.dilate(identity.matte, np.ones((9, 9), np.uint8)) > 0
    beside &= identity.matte == 0
    rows = np.abs(np.arange(len(crop)) - len(crop) // 2) < 12
    ring = beside & rows[:, None]
    assert ring.sum() > 40
    np.testing.assert_array_equal(plate[ring], crop[ring])
    assert layer[ring].max() == 0


def test_stray_hair_beside_the_matte_goes_with_the_head(identity: Identity) -> None:
    crop = identity.crop.copy()
    near = (cv2.dilate(identity.matte, np.ones((3, 3), np.uint8)) > 0) & (identity.matte == 0)
    hair = near & (np.arange(crop.shape[1]) % 16 == 0)
    crop[hair] = (20, 10, 5)
    plate = clean_plate(replace(identity, crop=crop, cache={}))
    assert hair.sum() > 10
    left = np.abs(plate[hair].astype(int) - crop[hair]).max(1)
    assert np.median(left) > 40


def test_the_shade_beside_the_person_leaves_no_ring_on_the_plate(identity: Identity) -> None:
    wall = np.array((200, 190, 170), np.float32)
    person = identity.matte > 6
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5)
    shade = 7 * np.exp(-away / 2.5)
    crop = np.where(person[..., None], identity.crop, np.round(wall - shade[..., None])).astype(np.uint8)
    assert np.abs(crop[(away > 0) & (away < 2)] - wall).max() > 4, "the portrait has a shade there"
    plate = clean_plate(replace(identity, crop=crop, cache={}))
    assert np.abs(plate - wall).max() <= 4


def test_single_hairs_far_beyond_the_matte_are_not_left_behind(identity: Identity) -> None:
    wall = np.array((200, 190, 170), np.uint8)
    person = identity.matte > 6
    crop = np.where(person[..., None], identity.crop, wall).astype(np.uint8)
    hair = (cv2.dilate(person.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0) & ~person
    hair[:, np.arange(len(crop)) % 23 != 0] = False
    crop[hair] = (150, 140, 120)
    assert hair.sum() > 40
    plate = clean_plate(replace(identity, crop=crop, cache={}))
    assert np.abs(plate[hair].astype(int) - wall).max() < 8
