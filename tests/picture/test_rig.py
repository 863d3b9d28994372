"""Laws of the rig: what is asked for is what the mesh shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.face.head import load_head
from sonic_stream.picture.patch import slit_of
from sonic_stream.picture.rig import Rig, limited, turn
from sonic_stream.picture.rims import gaps
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, Identity

Make = Callable[..., F32]


@pytest.fixture(scope="module")
def rig(identity: Identity) -> Rig:
    return Rig(load_head(), identity)


def vertices_of(rig: Rig, identity: Identity, weights: F32) -> F32:
    return identity.vertices + np.tensordot(weights, rig.basis, 1)


def test_rest_is_the_portrait_itself_when_its_mouth_is_shut(rig: Rig, coeffs: Make) -> None:
    np.testing.assert_allclose(rig.weights(coeffs()), rig.portrait, atol=1e-6)


def test_a_parted_portrait_comes_to_rest_with_lips_that_touch(
    draw: Callable[..., Identity], coeffs: Make
) -> None:
    rig = Rig(load_head(), draw(expression={"jawOpen": 0.4, "mouthSmile_L": 0.5, "mouthSmile_R": 0.5}))
    rest = rig.weights(coeffs())
    smile = load_head().expression_index("mouthSmile_L")
    assert rig.relaxing == 1
    assert abs(rig.aperture_of(rest)) < 1e-5
    assert 0.1 < rest[smile] < 0.3, "a share of the person's own smile stays"


@settings(max_examples=60, deadline=None)
@given(
    aperture=st.floats(0, 0.15),
    pucker=st.floats(0, 1),
    funnel=st.floats(0, 1),
    stretch=st.floats(0, 1),
    upper=st.floats(0, 1),
    lower=st.floats(0, 1),
    width=st.floats(-0.03, 0.03),
)
def test_aperture_asked_is_aperture_of_the_mesh(
    rig: Rig,
    coeffs: Make,
    aperture: float,
    pucker: float,
    funnel: float,
    stretch: float,
    upper: float,
    lower: float,
    width: float,
) -> None:
    asked = coeffs(
        aperture=aperture,
        pucker=pucker,
        funnel=funnel,
        stretch=stretch,
        upper_up=upper,
        lower_down=lower,
        width=width,
    )
    assert rig.aperture_of(rig.weights(asked)) == pytest.approx(aperture, abs=2e-3)


@pytest.mark.parametrize("aperture", [0.02, 0.05, 0.12])
@pytest.mark.parametrize("shapes", [{}, {"pucker": 0.8, "funnel": 0.3}, {"stretch": 0.8, "upper_up": 0.4}])
def test_the_gap_asked_for_is_the_gap_that_is_seen(
    rig: Rig, identity: Identity, coeffs: Make, aperture: float, shapes: dict[str, float]
) -> None:
    head = load_head()
    vertices = vertices_of(rig, identity, rig.weights(coeffs(aperture=aperture, **shapes)))
    placed = rig.source_pose.project(vertices.astype(np.float32))
    slit = slit_of(gaps()[0], placed)
    seen = float((slit.bottom - slit.top)[len(slit.top) // 2])
    face = float(placed[head.landmarks[152], 1] - placed[head.landmarks[10], 1])
    assert seen / face == pytest.approx(aperture, abs=0.008)


@pytest.mark.parametrize("width", [-0.04, -0.02, 0.02, 0.04])
@pytest.mark.parametrize("aperture", [0.0, 0.05])
def test_width_asked_is_width_of_the_mesh(rig: Rig, coeffs: Make, width: float, aperture: float) -> None:
    weights = rig.weights(coeffs(width=width, aperture=aperture))
    assert rig.width_of(weights) == pytest.approx(width, abs=1e-4)


def test_width_gives_way_before_it_is_opposed(rig: Rig, coeffs: Make) -> None:
    stretch = load_head().expression_index("mouthStretch_L")
    rounded = rig.weights(coeffs(aperture=0.03, pucker=0.9, funnel=0.3, width=-0.03))
    assert rounded[stretch] == pytest.approx(0, abs=1e-6)
    assert rig.width_of(rounded) == pytest.approx(-0.03, abs=1e-4)


@pytest.mark.parametrize("aperture", [0.0, 0.05, 0.15])
def test_close_shuts_whatever_else_is_asked(rig: Rig, coeffs: Make, aperture: float) -> None:
    weights = rig.weights(coeffs(aperture=aperture, close=1, jaw=0.6, funnel=0.5, lower_down=0.4))
    assert -0.01 < rig.aperture_of(weights) <= 1e-4


def test_jaw_may_hang_behind_shut_lips(rig: Rig, coeffs: Make) -> None:
    jaw = load_head().expression_index("jawOpen")
    weights = rig.weights(coeffs(jaw=0.8))
    assert weights[jaw] > 0.3
    assert rig.aperture_of(weights) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("roll", [0.0, 0.3])
def test_lids_meet_at_one_and_are_still_at_zero(
    draw: Callable[..., Identity], coeffs: Make, roll: float
) -> None:
    head, identity = load_head(), draw(roll=roll)
    rig = Rig(head, identity)
    shut = vertices_of(rig, identity, rig.weights(coeffs(blink_left=1, blink_right=1)))
    open_ = vertices_of(rig, identity, rig.weights(coeffs()))
    for side in range(2):
        upper, lower = head.lid_rims[2 * side], head.lid_rims[2 * side + 1]
        np.testing.assert_allclose(shut[upper], shut[lower], atol=1e-4)
        assert (open_[upper] - open_[lower])[2:-2, 1].min() > 0.4


def test_one_eye_may_wink(rig: Rig, identity: Identity, coeffs: Make) -> None:
    head = load_head()
    wink = vertices_of(rig, identity, rig.weights(coeffs(blink_left=1)))
    rest = vertices_of(rig, identity, rig.weights(coeffs()))
    assert np.abs(wink[head.lid_rims[0]] - rest[head.lid_rims[0]]).max() > 0.5
    np.testing.assert_allclose(wink[head.lid_rims[2]], rest[head.lid_rims[2]], atol=1e-6)


def test_lids_meet_also_when_the_eyes_look_down_or_are_wide(
    rig: Rig, identity: Identity, coeffs: Make
) -> None:
    head = load_head()
    for more in ({"gaze_y": 0.4}, {"wide": 1.0}, {"squint": 1.0}):
        shut = vertices_of(rig, identity, rig.weights(coeffs(blink_left=1, blink_right=1, **more)))
        apart = shut[head.lid_rims[0]] - shut[head.lid_rims[1]]
        assert np.abs(apart[:, 1]).max() < 0.1


def test_eyes_that_fit_badly_do_not_blink(draw: Callable[..., Identity], coeffs: Make) -> None:
    rig = Rig(load_head(), draw(lids_fit=False))
    np.testing.assert_array_equal(rig.weights(coeffs(blink_left=1, blink_right=1)), rig.weights(coeffs()))


def test_turn_follows_the_signs_of_the_channels() -> None:
    ahead, left = np.array([0, 0, 1.0]), np.array([1.0, 0, 0])
    assert (turn(0.2, 0, 0) @ ahead)[0] > 0.1, "yaw turns to the person's left"
    assert (turn(0, 0.2, 0) @ ahead)[1] < -0.1, "pitch nods down"
    assert (turn(0, 0, 0.2) @ left)[1] < -0.1, "roll lowers the person's left shoulder's side"
    np.testing.assert_allclose(turn(0.1, 0.2, 0.3) @ turn(0.1, 0.2, 0.3).T, np.eye(3), atol=1e-6)


def test_shifts_are_in_face_heights(rig: Rig, identity: Identity, coeffs: Make) -> None:
    head = load_head()
    face = head.mean[head.landmarks[10], 1] - head.mean[head.landmarks[152], 1]
    rest, moved = (rig.pose(coeffs(shift_x=x)).project(identity.vertices) for x in (0, 0.1))
    np.testing.assert_allclose((moved - rest)[:, 0], 0.1 * face * identity.scale, rtol=1e-3)
    assert rig.pose(coeffs(shift_z=0.2)).scale > identity.scale


def test_limits_keep_what_is_not_a_number_at_rest(coeffs: Make) -> None:
    wild = np.full(len(CHANNELS), np.nan, np.float32)
    np.testing.assert_array_equal(limited(wild), coeffs())
    assert limited(coeffs(aperture=-1))[CHANNEL_INDEX["aperture"]] == 0
    assert limited(coeffs(yaw=-9))[CHANNEL_INDEX["yaw"]] == pytest.approx(-0.5)
