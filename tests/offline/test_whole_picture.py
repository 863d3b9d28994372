"""The square laid back: the portrait's own pixels outside, no seam, no shift, no change of colour."""

import cv2
import numpy as np
import pytest

from sonic_stream.face.window import Window
from sonic_stream.offline.whole_picture import WholePicture
from sonic_stream.types import Colours, Identity, PortraitSettings


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(20, 235, (max(height // 24, 2), max(width // 24, 2), 3), np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def laid_identity(portrait, box, size: int, person: float = 0.3) -> Identity:
    """An identity whose square lies at `box`, its person a disc of radius `person` in the middle."""
    zero = np.zeros(3, np.float32)
    across = np.linspace(-0.5, 0.5, size)
    matte = np.where(np.hypot(across[None], across[:, None]) < person, 255, 0).astype(np.uint8)
    return Identity(
        id="test", settings=PortraitSettings(), crop=Window(*box, size).cut(portrait), crop_box=box,
        landmarks=np.zeros((478, 2), np.float32), shape=zero, expression=zero,
        vertices=np.zeros((1, 3), np.float32), rotation=np.eye(3, dtype=np.float32), scale=1.0,
        translation=np.zeros(2, np.float32), matte=matte, colours=Colours(zero, zero, zero, 0.5),
        fit_error=0.01, lids_fit=True,
    )  # fmt: skip


BOXES = [
    (200.3, 150.7, 180.0),  # inside
    (200.0, 80.0, 150.0),  # at the upper edge
    (60.0, 200.0, 190.0),  # beyond the left edge
    (200.0, 150.0, 420.0),  # larger than the picture
    (200.0, 150.0, 64.0),  # enlarged square
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [(301, 401), (300, 400)])
def test_an_unchanged_square_gives_the_portrait_back(box, size):
    portrait = smooth(*size)
    identity = laid_identity(portrait, box, 128)
    whole = WholePicture(portrait, identity)
    assert whole.shape == (300, 400)
    made = whole.lay(identity.crop)
    assert made.shape == (300, 400, 3) and made.dtype == np.uint8
    error = made.astype(int) - portrait[:300, :400]
    assert np.abs(error).mean() < 1.0, "the square is shifted"
    assert np.abs(error.mean((0, 1))).max() < 0.2, "colours changed"


@pytest.mark.parametrize("box", BOXES)
def test_a_wholly_other_square_stays_inside_and_fades_at_its_edges(box):
    portrait = smooth(300, 400)
    identity = laid_identity(portrait, box, 128)
    made = WholePicture(portrait, identity).lay(np.full((128, 128, 3), 255, np.uint8))
    change = np.abs(made.astype(int) - portrait).max(2)
    x, y, side = box
    rows, columns = np.mgrid[:300, :400]
    beyond = np.maximum(np.abs(columns - x), np.abs(rows - y)) - side / 2
    assert change[beyond > 1].max(initial=0) == 0, "pixels outside the square changed"
    edge = (
        (np.abs(beyond) < 1) & (np.minimum(columns, 399 - columns) > 1) & (np.minimum(rows, 299 - rows) > 1)
    )
    assert change[edge].max(initial=0) < 12, "there is a seam"
    middle = made[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3]
    assert middle.min() > 250, "the person is not painted"


def test_background_far_from_the_person_is_the_portraits_own():
    portrait = smooth(300, 400)
    identity = laid_identity(portrait, (200, 150, 200), 256, person=0.08)
    made = WholePicture(portrait, identity).lay(np.zeros((256, 256, 3), np.uint8))
    rows, columns = np.mgrid[:300, :400]
    away = np.hypot(columns - 200, rows - 150)
    assert (made[away > 65] == portrait[away > 65]).all()
    assert made[away < 10].max() == 0


def test_the_portrait_is_not_touched():
    portrait = smooth(300, 400)
    before = portrait.copy()
    whole = WholePicture(portrait, laid_identity(portrait, (200, 150, 180), 128))
    one = whole.lay(np.zeros((128, 128, 3), np.uint8))
    again = whole.lay(np.full((128, 128, 3), 9, np.uint8))
    assert (portrait == before).all() and one.base is None and (one != again).any()
