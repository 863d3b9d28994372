"""Laws of the picture: rest is the portrait, the background stands still, same in same out, nothing tears."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.picture import Painter
from sonic_stream.types import CHANNELS, F32, U8, Identity

Make = Callable[..., F32]


def psnr(a: U8, b: U8) -> float:
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def test_rest_is_the_portrait(painter: Painter, identity: Identity, coeffs: Make) -> None:
    assert psnr(painter.paint(coeffs()), identity.crop) > 45


def test_the_same_input_gives_the_same_bytes_and_a_fresh_array(
    painter: Painter, identity: Identity, coeffs: Make
) -> None:
    asked = coeffs(aperture=0.08, yaw=0.1, blink_left=0.6, gaze_x=0.1)
    first = painter.paint(asked)
    painter.paint(coeffs(aperture=0.2, roll=-0.2))
    again = Painter(identity).paint(asked)
    np.testing.assert_array_equal(first, again)
    first[:] = 0
    np.testing.assert_array_equal(painter.paint(asked), again)


def test_shape_and_type(painter: Painter, identity: Identity, coeffs: Make) -> None:
    image = painter.paint(coeffs())
    assert image.shape == identity.crop.shape and image.dtype == np.uint8
    with pytest.raises(ValueError, match="shape"):
        painter.paint(np.zeros(3, np.float32))


def test_pixels_far_from_the_head_never_change(painter: Painter, identity: Identity, coeffs: Make) -> None:
    far = np.zeros(identity.matte.shape, bool)
    size = len(far)
    far[: size // 3, : size // 10] = far[: size // 3, -size // 10 :] = True
    assert not identity.matte[far].any()
    for asked in (coeffs(yaw=0.2), coeffs(roll=0.2, pitch=-0.2), coeffs(aperture=0.2, shift_x=0.05)):
        np.testing.assert_array_equal(painter.paint(asked)[far], identity.crop[far])


def test_the_plain_background_stays_plain(painter: Painter, identity: Identity, coeffs: Make) -> None:
    """What the head uncovers is background, not torn or doubled head."""
    image = painter.paint(coeffs(yaw=0.2)).astype(int)
    colour = identity.crop[2, 2].astype(int)
    left = identity.matte.argmax(1) > 0
    row = int(np.flatnonzero(left)[len(np.flatnonzero(left)) // 4])
    first = int((identity.matte[row] > 200).argmax())
    assert np.abs(image[row, : first - 8] - colour).max() < 12


def test_a_small_change_of_input_is_a_small_change_of_picture(
    draw: Callable[..., Identity], coeffs: Make
) -> None:
    """Walks through every channel in fine steps: no step may jump."""
    painter = Painter(draw(192))
    signed = {"width", "gaze_x", "gaze_y", "smile", "yaw", "pitch", "roll", "shift_x", "shift_y", "shift_z"}
    tops = {"aperture": 0.12, "width": 0.04, "gaze_x": 0.3, "gaze_y": 0.3}
    tops |= dict.fromkeys(("yaw", "pitch", "roll"), 0.2) | dict.fromkeys(
        ("shift_x", "shift_y", "shift_z"), 0.1
    )
    for name in CHANNELS:
        top = tops.get(name, 1.0)
        walk = np.linspace(-top if name in signed else 0, top, 25)
        frames = [painter.paint(coeffs(**{name: value})).astype(np.float32) for value in walk]
        steps = np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(frames)])
        assert steps.max() < 4 * np.median(steps) + 0.06, name


def test_extremes_neither_crash_nor_tear(painter: Painter, identity: Identity) -> None:
    rng = np.random.default_rng(1)
    wild = [np.full(len(CHANNELS), v, np.float32) for v in (1e6, -1e6, np.nan, np.inf, 1.0, -1.0)]
    wild += [rng.uniform(-1, 1, len(CHANNELS)).astype(np.float32) for _ in range(10)]
    for asked in wild:
        image = painter.paint(asked)
        assert image.shape == identity.crop.shape
        assert 20 < image.mean() < 235


def test_an_open_mouth_shows_something_else_than_skin(
    painter: Painter, identity: Identity, coeffs: Make
) -> None:
    x, y = identity.landmarks[[13, 14]].mean(0)
    size = identity.crop.shape[0]
    image = painter.paint(coeffs(aperture=0.12, jaw=0.8))
    below = image[int(y) : int(y + 0.04 * size), int(x)]
    assert below.mean(1).min() < 0.6 * identity.crop[int(y + 0.06 * size), int(x)].mean()


@pytest.mark.parametrize("more", [{}, {"smile": 1.0, "squint": 1.0}, {"gaze_y": 0.4, "brow_down": 1.0}])
def test_shut_lids_cover_the_eyeball(
    painter: Painter, identity: Identity, coeffs: Make, more: dict[str, float]
) -> None:
    shut = painter.paint(coeffs(blink_left=1, blink_right=1, **more))
    for middle in (468, 473):
        x, y = np.round(identity.landmarks[middle]).astype(int)
        white = painter.paint(coeffs())[y - 1 : y + 2, x - 1 : x + 2].astype(float)
        skin = shut[y - 1 : y + 2, x - 1 : x + 2].astype(float)
        assert np.ptp(white.mean((0, 1))) < 12, "the drawn eyeball is grey"
        assert skin[..., 0].mean() - skin[..., 2].mean() > 25, "skin is redder than it is blue"


def test_gaze_moves_the_eyeball_alone(painter: Painter, identity: Identity, coeffs: Make) -> None:
    rest, looking = painter.paint(coeffs()), painter.paint(coeffs(gaze_x=0.3))
    changed = np.argwhere(np.abs(rest.astype(int) - looking).max(2) > 3)
    eyes = identity.landmarks[[33, 133, 159, 145, 362, 263, 386, 374]]
    room = 0.03 * identity.crop.shape[0]
    assert len(changed)
    assert changed[:, 0].min() > eyes[:, 1].min() - room and changed[:, 0].max() < eyes[:, 1].max() + room


def test_yaw_to_the_left_moves_the_nose_right(painter: Painter, identity: Identity, coeffs: Make) -> None:
    """The person's left is the picture's right."""
    nose = painter.rig.head.landmarks[1]
    pose = painter.rig.pose(coeffs(yaw=0.2))
    assert pose.project(identity.vertices)[nose, 0] > identity.landmarks[1, 0] + 2


@pytest.mark.parametrize("size", [64, 384])
def test_other_sizes(draw: Callable[..., Identity], coeffs: Make, size: int) -> None:
    image = Painter(draw(size)).paint(coeffs(aperture=0.1, yaw=0.1, blink_left=0.5, roll=0.1))
    assert image.shape == (size, size, 3)


def test_a_picture_without_background_still_paints(draw: Callable[..., Identity], coeffs: Make) -> None:
    identity = draw(128)
    identity.matte[:] = 255
    painter = Painter(identity)
    assert psnr(painter.paint(coeffs()), identity.crop) > 45
    assert painter.paint(coeffs(yaw=0.2, aperture=0.1)).std() > 5


def test_a_second_painter_of_an_identity_shares_the_work(identity: Identity, painter: Painter) -> None:
    assert Painter(identity).rig is painter.rig
