"""A window maps points and pixels alike, whatever its size and turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonic_stream.face.window import Window

windows = st.builds(
    Window,
    x=st.floats(-50, 300),
    y=st.floats(-50, 300),
    side=st.floats(5, 900),
    size_px=st.integers(8, 700),
    angle=st.floats(-3.2, 3.2),
)


@given(windows, st.integers(0, 2**31))
def test_outward_undoes_inward(window: Window, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-100, 400, (20, 3)).astype(np.float32)
    back = window.outward(window.inward(points))
    # float32 window coordinates of a strongly enlarged window lie far out; allow their rounding
    assert np.allclose(back, points, atol=2e-3 * max(1.0, window.side / 100))


@given(windows)
def test_the_middle_is_the_middle(window: Window) -> None:
    at = window.inward(np.array([[window.x, window.y]], np.float32))
    assert np.allclose(at, (window.size_px - 1) / 2, atol=1e-2 * max(1.0, window.zoom))


def ramps(height: int, width: int) -> np.ndarray:
    """A picture whose red is the column and whose green is the row."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([x, y, np.zeros_like(x)]).astype(np.uint8)


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("size_px", [24, 31, 64, 96, 130, 300])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_pixels_land_where_points_do(size_px: int, angle: float, fine: bool) -> None:
    image = ramps(200, 220)
    window = Window(104.3, 97.8, 100.0, size_px, angle)
    cut = window.cut(image, fine)
    grid = np.linspace(4, size_px - 5, 7)
    places = np.array([[x, y] for x in grid for y in grid], np.float32)
    wanted = window.outward(places)
    x, y = np.round(places).astype(int).T
    # the picture is linear, so any fair resampling gives the coordinate itself, to within a level
    near = window.outward(np.stack([x, y], 1).astype(np.float32))
    assert np.abs(wanted - near).max() <= 0.5 / window.zoom * 1.5
    assert np.abs(cut[y, x, :2].astype(float) - near).max() < 1.3


def test_a_window_of_the_whole_picture_is_the_picture() -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    assert np.array_equal(Window(31.5, 31.5, 64, 64).cut(image), image)


def test_shrinking_averages_instead_of_aliasing() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    cut = Window(199.5, 199.5, 400, 50).cut(stripes)
    assert np.ptp(cut) < 12


def test_beyond_the_edge_the_picture_goes_on() -> None:
    image = np.full((40, 40, 3), 77, np.uint8)
    assert (Window(0, 0, 200, 64).cut(image) == 77).all()
