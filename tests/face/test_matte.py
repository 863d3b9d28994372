"""The matte keeps the person and drops the background."""

import cv2
import numpy as np
import pytest

from sonic_stream.face import identify, matte
from sonic_stream.face.matte import (
    Segmenter,
    _plain_background,
    _settle_by_colour,
    _unlike_background,
    face_mask,
    outline,
    person_matte,
    shared_segmenter,
)
from sonic_stream.types import F32, U8, Identity, PortraitSettings


@pytest.fixture(scope="module")
def identity(portraits: list) -> Identity:
    return identify(portraits[0].read_bytes(), PortraitSettings())


class Blind(Segmenter):
    """A segmenter that sees the same everywhere, as on pictures it was not made for."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self._value = value

    def person(self, image: U8) -> F32:
        return np.full(image.shape[:2], self._value, np.float32)


def test_the_head_is_in_and_the_corners_are_out(identity: Identity) -> None:
    mask = identity.matte
    assert mask.shape == identity.crop.shape[:2] and mask.dtype == np.uint8
    face = face_mask(identity.landmarks, mask.shape[0])
    inner = cv2.erode(face, np.ones((9, 9), np.uint8))  # cheeks may be the person's own soft edge
    assert mask[inner > 0].min() > 240 and mask[face > 0].mean() > 250
    corner = mask.shape[0] // 12
    assert mask[:corner, :corner].mean() < 20 and mask[:corner, -corner:].mean() < 20
    assert 0.2 < (mask > 127).mean() < 0.85
    assert mask[-3:].max() > 200, "shoulders reach the lower edge"


def test_the_matte_is_one_piece(identity: Identity) -> None:
    solid = (identity.matte > 127).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    sizes = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1]
    assert sizes[0] > 0.99 * sizes.sum()


def test_the_same_crop_gives_the_same_matte(identity: Identity) -> None:
    once, again = (person_matte(identity.crop, identity.landmarks, shared_segmenter()) for _ in range(2))
    assert np.array_equal(once, again)


def test_a_wider_view_is_laid_in_place() -> None:
    """What the wider view says of its middle lands where the crop shows it."""
    y, x = np.mgrid[:256, :256]
    wide = np.hypot((x - 127.5) - 30, (y - 127.5) + 20) < 40  # a disc, in pixels of the wider view
    size = 300
    middle = matte._middle_of(wide.astype(np.float32), size)
    scale = size * matte.WIDER / 256
    rows, columns = np.nonzero(middle > 0.5)
    assert columns.mean() - (size - 1) / 2 == pytest.approx(30 * scale, abs=0.6)
    assert rows.mean() - (size - 1) / 2 == pytest.approx(-20 * scale, abs=0.6)
    assert len(rows) == pytest.approx(np.pi * (40 * scale) ** 2, rel=0.03)


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_a_blind_segmenter_is_replaced_by_proportion(identity: Identity, seen: float) -> None:
    mask = person_matte(identity.crop, identity.landmarks, Blind(seen))
    corner = mask.shape[0] // 12
    assert mask[face_mask(identity.landmarks, mask.shape[0]) > 0].mean() > 250
    assert mask[:corner, :corner].mean() < 40 and mask[:corner, -corner:].mean() < 40
    overlap = ((mask > 127) & (identity.matte > 127)).sum() / ((mask > 127) | (identity.matte > 127)).sum()
    assert overlap > 0.6


def test_the_outline_holds_head_and_shoulders(identity: Identity) -> None:
    points, size = identity.landmarks, identity.crop.shape[0]
    shape = outline(points, size)
    assert shape[face_mask(points, size) > 0].min() > 0.5
    assert shape[0, 0] < 0.05 and shape[0, -1] < 0.05
    assert shape[-1, int(points[152, 0])] > 0.9


def test_holes_are_filled_and_islands_dropped() -> None:
    person = np.zeros((100, 100), bool)
    person[30:, 30:70] = True
    person[50:54, 50:54] = False
    holes = matte._holes(person)
    assert holes.sum() == 16 and holes[51, 51]


def test_a_plain_wall_is_followed_into_the_gap_beside_the_neck() -> None:
    small = np.full((160, 160, 3), (200, 190, 170), np.uint8)
    small[:, 60:100] = (90, 60, 40)
    chance = np.zeros((160, 160), np.float32)
    chance[:, 60:100] = 0.99
    chance[100:120, 100:112] = 0.8
    found = _plain_background(small, chance, np.zeros(chance.shape, bool))
    assert found[100:120, 102:112].all(), "the wall goes on behind what looked like the person"
    assert not found[:, 62:98].any()


def test_a_plain_shirt_is_no_wall() -> None:
    small = np.full((160, 160, 3), (200, 190, 170), np.uint8)
    small[80:] = (90, 60, 40)
    chance = np.zeros((160, 160), np.float32)
    chance[80:] = 0.8
    assert not _plain_background(small, chance, np.zeros(chance.shape, bool))[84:].any()


def _grey_hair(disc: bool = False) -> tuple[U8, F32, U8, np.ndarray]:
    """A face in grey hair before a wall 12 to 20 steps darker: picture, likelihood, face, hair."""
    y, x = np.mgrid[:320, :320].astype(np.float32)
    away = np.hypot(x - 160, y - 160)
    wall = 140 + 8 * (y / 320) + np.random.default_rng(4).normal(0, 1, y.shape)
    if disc:
        wall[np.abs(away - 120) < 25] += 60
    image = np.where(away < 95, 160.0, wall)
    face = np.where(away < 55, 255, 0).astype(np.uint8)
    image[face > 0] = 90
    likely = np.clip(1 - (away - 55) / 45, 0, 1).astype(np.float32)  # surely the face, less and less the hair
    if disc:
        likely[(away >= 95) & (away < 145)] = 0.3
    picture = np.clip(np.repeat(image[..., None], 3, 2), 0, 255).astype(np.uint8)
    return picture, likely, face, (away > 60) & (away < 88)


def test_grey_hair_before_a_grey_wall_is_the_persons() -> None:
    picture, likely, face, hair = _grey_hair()
    settled = _settle_by_colour(picture, likely, face)
    assert settled[hair].min() > 0.9
    y, x = np.mgrid[:320, :320]
    assert settled[np.hypot(x - 160, y - 160) > 102].max() < 0.1


def test_a_disc_behind_the_head_is_unlike_the_wall_and_still_none_of_the_person() -> None:
    picture, likely, face, hair = _grey_hair(disc=True)
    settled = _settle_by_colour(picture, likely, face)
    y, x = np.mgrid[:320, :320]
    away = np.hypot(x - 160, y - 160)
    assert settled[(away > 104) & (away < 140)].max() < 0.1
    assert settled[hair].min() > 0.5


def test_before_a_busy_background_nothing_is_unlike_it() -> None:
    rng = np.random.default_rng(1)
    small = cv2.GaussianBlur(rng.uniform(0, 255, (160, 160, 3)), (0, 0), 2).astype(np.float32)
    small = np.clip((small - small.mean()) * 4 + 128, 0, 255).astype(np.uint8)
    small[60:100, 60:100] = 150
    ground = np.ones((160, 160), bool)
    ground[60:100, 60:100] = False
    assert _unlike_background(small, ground)[62:98, 62:98].mean() < 0.01
    plain = np.full_like(small, 128)
    plain[60:100, 60:100] = 150
    assert _unlike_background(plain, ground)[62:98, 62:98].all()
