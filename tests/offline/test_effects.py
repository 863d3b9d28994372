"""What the parameters' names promise, seen in pictures by a tracker; `bench.parameters` measures the rest."""

import cv2
import numpy as np
import pytest

from bench.parameters_stage import Stage, see, slope, unmoved
from sonic_stream.types import CHANNELS, MOUTH_CHANNELS

PORTRAIT = "juno"
MOUTH = [name in MOUTH_CHANNELS for name in CHANNELS]


@pytest.fixture(scope="module")
def stage():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield Stage(seconds=1.4)
    cv2.setNumThreads(threads)


def test_a_gain_of_the_mouth_opens_it_so_much_farther_and_moves_nothing_else(stage):
    usual, seen = stage.usual(PORTRAIT)
    wide = stage.clip(PORTRAIT, dynamic_scale=1.2)
    assert slope(seen.gap, see(wide).gap) == pytest.approx(1.2, abs=0.1)
    others = np.invert(MOUTH)
    assert np.array_equal(wide.motion[:, others], usual.motion[:, others])


def test_a_gain_of_motion_leaves_the_lips_alone(stage):
    usual, seen = stage.usual(PORTRAIT)
    still_clip = stage.clip(PORTRAIT, motion_scale=0.0)
    still, lively = see(still_clip), see(stage.clip(PORTRAIT, motion_scale=1.5))
    for one in (seen, lively):
        assert unmoved(one.gap, one.turn, still.gap) == pytest.approx(1.0, abs=0.05)
    assert np.array_equal(still_clip.motion[:, MOUTH], usual.motion[:, MOUTH])
    assert still.turn.std(0).sum() < seen.turn.std(0).sum() < lively.turn.std(0).sum()
