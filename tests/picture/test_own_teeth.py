"""The portrait's own teeth: found where they are, and nothing taken for teeth that is none."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.picture.own_teeth import OwnTeeth, match_seams, own_teeth
from sonic_stream.types import F32, U8

WIDE, HIGH, TOP, BOTTOM = 72, 20, 6, 15
BORDERS = np.array([14, 24, 36, 48, 58], np.float32)
"""Where the model has its boundaries."""
TEETH, LIPS = (200, 190, 175), (170, 80, 80)


def row_with(seams: F32, depth: float = 0.2) -> F32:
    """Brightness along a row of teeth, dark at `seams`."""
    x = np.arange(WIDE, dtype=np.float32)
    return np.asarray(1 - depth * np.exp(-(((x[:, None] - seams) / 0.8) ** 2)).max(1), np.float32)


def find(shown: U8, light: F32 | None = None) -> OwnTeeth | None:
    opening = np.zeros((HIGH, WIDE), np.float32)
    opening[TOP:BOTTOM, 3:-3] = 1
    tooth = np.broadcast_to(np.searchsorted(BORDERS, np.arange(WIDE)), opening.shape)
    points = np.stack([np.arange(WIDE, dtype=np.float32), np.full(WIDE, 10, np.float32)], 1)
    light = np.full((HIGH, WIDE, 3), 0.9, np.float32) if light is None else light
    return own_teeth(shown, opening, light, tooth, points, np.array([0, -1], np.float32))


def mouth(inside: tuple[int, int, int] = TEETH, seams: F32 | None = BORDERS) -> U8:
    shown = np.full((HIGH, WIDE, 3), LIPS, np.uint8)
    level = np.ones(WIDE, np.float32) if seams is None else row_with(seams)
    shown[TOP:BOTTOM, 3:-3] = (np.array(inside) * level[3:-3, None]).astype(np.uint8)
    return shown


@pytest.mark.parametrize(("stretch", "shift"), [(1.0, 0.0), (1.08, 2.0), (0.93, -1.5)])
def test_seams_are_found_where_a_row_differs_from_the_model(stretch: float, shift: float) -> None:
    seams = (BORDERS - WIDE / 2) * np.float32(stretch) + WIDE / 2 + np.float32(shift)
    found = match_seams(row_with(seams), BORDERS)
    assert found is not None
    assert np.abs(found - seams).max() < 0.8


def test_one_wide_tooth_is_found_too() -> None:
    seams = BORDERS + np.array([0, 0, 1.2, 0, 0], np.float32)
    found = match_seams(row_with(seams), BORDERS)
    assert found is not None
    assert np.abs(found - seams).max() < 0.8


def test_a_row_without_seams_or_with_others_is_not_believed() -> None:
    assert match_seams(np.ones(WIDE, np.float32), BORDERS) is None
    assert match_seams(row_with(np.array([36], np.float32)), BORDERS) is None
    assert match_seams(row_with(BORDERS), BORDERS[:2]) is None


def test_the_strip_has_the_teeth_s_colour_and_their_seams() -> None:
    seams = BORDERS + np.float32(1.5)
    own = find(mouth(seams=seams))
    assert own is not None
    colour = np.sqrt(own.strip[30, :3] * 0.9) * 255
    assert np.allclose(colour, TEETH, atol=6)
    middle = own.strip[33:44, :3].sum(1)
    assert 33 + int(middle.argmin()) in (37, 38)
    assert middle.min() < 0.85 * middle.max()
    assert np.allclose(own.shift[20:50], 1.0, atol=0.6)  # the model's teeth meet half a pixel on
    assert own.strip[0, 3] == 0
    assert own.strip[20:50, 3].min() == 1


def test_light_is_taken_out() -> None:
    """Teeth half in the shade, which the renderer knows of, are as white there as elsewhere."""
    share = np.linspace(1, 0.5, WIDE, dtype=np.float32)
    light = np.repeat(np.broadcast_to(0.9 * share, (HIGH, WIDE))[..., None], 3, 2).astype(np.float32)
    shown = mouth()
    shown[TOP:BOTTOM] = (shown[TOP:BOTTOM] * np.sqrt(share)[:, None]).astype(np.uint8)
    own = find(shown, light)
    assert own is not None
    assert own.strip[18:22, 1].mean() == pytest.approx(own.strip[52:56, 1].mean(), rel=0.08)


@pytest.mark.parametrize("inside", [(60, 20, 20), (190, 90, 90), (0, 0, 0)])
def test_dark_mouths_and_tongues_are_no_teeth(inside: tuple[int, int, int]) -> None:
    shown = mouth(inside, None)
    assert find(shown) is None


def test_a_thin_line_of_teeth_is_left_alone() -> None:
    shown = mouth()
    shown[TOP + 2 :] = LIPS
    assert find(shown) is None
