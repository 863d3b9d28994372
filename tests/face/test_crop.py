"""The square shows head and shoulders and stays inside the portrait where it can."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_stream.face.crop import crop_window, cut_crop, share_outside
from sonic_stream.face.tracker import TrackedFace
from sonic_stream.face.window import Window
from sonic_stream.types import PortraitSettings

HeadMaker = Callable[..., Any]


def face_at(known_head: HeadMaker, x: float, y: float, height: float, yaw_deg: float = 0.0) -> TrackedFace:
    known = known_head(1, yaw_deg)
    points = np.c_[known.landmarks, known.depth].astype(np.float32)
    points *= height / TrackedFace(points).height
    points[:, :2] += np.array([x, y]) - np.array(TrackedFace(points).centre)
    return TrackedFace(points)


def test_the_usual_ratio_leaves_the_head_half_the_height(known_head: HeadMaker) -> None:
    window = crop_window(face_at(known_head, 1000, 1000, 200), 2000, 2000, PortraitSettings())
    head_share = 1.3 * 200 / window.side  # from crown to chin a head is about 1.3 faces
    assert 0.48 < head_share < 0.62
    assert window.y > 1000, "more room below, for the shoulders"


@given(
    x=st.floats(0, 1500),
    y=st.floats(0, 1100),
    height=st.floats(30, 1200),
    ratio=st.floats(0, 1),
    size_px=st.sampled_from([384, 512, 768, 1024]),
)
def test_the_square_is_sane_wherever_the_face_is(
    known_head: HeadMaker, x: float, y: float, height: float, ratio: float, size_px: int
) -> None:
    face = face_at(known_head, x, y, height)
    window = crop_window(face, 1500, 1100, PortraitSettings(ratio, size_px))
    assert window.size_px == size_px and window.angle == 0
    assert 1.2 * height < window.side < 4.3 * height
    assert abs(window.x - x) < 0.25 * window.side and abs(window.y - y) < 0.3 * window.side


def test_a_larger_ratio_shows_more(known_head: HeadMaker) -> None:
    face = face_at(known_head, 1000, 1000, 200)
    sides = [crop_window(face, 2000, 2000, PortraitSettings(r)).side for r in (0.0, 0.1, 0.2, 0.5, 1.0)]
    assert sides == sorted(sides) and len(set(sides)) == 5


@pytest.mark.parametrize(("x", "y"), [(330, 500), (500, 330), (670, 500), (500, 670)])
def test_it_moves_before_it_sticks_out(known_head: HeadMaker, x: float, y: float) -> None:
    window = crop_window(face_at(known_head, x, y, 260), 1000, 1000, PortraitSettings())
    assert share_outside(window, 1000, 1000) == pytest.approx(0, abs=1e-3)


def test_a_turned_head_is_shown_with_its_back(known_head: HeadMaker) -> None:
    turned = face_at(known_head, 1000, 1000, 200, yaw_deg=35)
    window = crop_window(turned, 2000, 2000, PortraitSettings())
    assert window.x < 1000 - 10, "turned to the picture's right, the head lies to the left of the face"


def test_beyond_the_portrait_the_border_goes_on_softly() -> None:
    random = np.random.default_rng(2)
    image = random.integers(90, 160, (100, 100, 3), np.uint8)
    window = Window(49.5, 20, 100, 256)
    crop = cut_crop(image, window)
    assert np.array_equal(crop[90:], window.cut(image)[90:]), "inside, the portrait's own pixels"
    rough = [
        float(np.abs(np.diff(rows.astype(int), axis=1)).mean())
        for rows in (crop[200:], crop[40:60], crop[:10])
    ]
    assert rough[0] > 2 * rough[1] > 2 * rough[2]
    assert abs(float(crop[:10].mean()) - 125) < 12


def test_share_outside() -> None:
    assert share_outside(Window(49.5, 49.5, 100, 64), 100, 100) == 0
    assert share_outside(Window(-0.5, 49.5, 100, 64), 100, 100) == pytest.approx(0.5)
    assert share_outside(Window(-0.5, -0.5, 100, 64), 100, 100) == pytest.approx(0.75)
