"""Motion at other rates: through every value, never beyond its neighbours, exact in time and number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.config import RATES
from sonic_stream.engine import HopInput, HopResult
from sonic_stream.offline.animate import animate
from sonic_stream.offline.retime import keys_needed, retimed
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, TICK_RATE
from sonic_stream.types import CHANNELS, Controls, MotionFrame, VideoFrame


def frames(values) -> list[MotionFrame]:
    made = []
    for number, value in enumerate(values):
        coeffs = np.zeros(len(CHANNELS), np.float32)
        coeffs[0], coeffs[-1] = value, -value
        made.append(MotionFrame(number * FRAME_TICKS, coeffs, float(value > 0)))
    return made


curves = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(curves, st.sampled_from(RATES))
def test_every_rate_keeps_the_given_values_and_stays_between_them(values, fps):
    count = round(len(values) / 25 * fps)
    made = list(retimed(frames(values), count, fps))
    assert [f.pts for f in made] == [i * (TICK_RATE // fps) for i in range(count)]
    padded = np.array([*values, values[-1], values[-1]])
    for number, frame in enumerate(made):
        key, left = divmod(number * 25, fps)
        low, high = sorted(padded[[key, key + (left > 0)]])
        assert low - 1e-6 <= frame.coeffs[0] <= high + 1e-6
        assert frame.coeffs[-1] == pytest.approx(-frame.coeffs[0], abs=1e-6)
        if left == 0:
            assert frame.coeffs[0] == np.float32(values[key])


def test_a_smooth_curve_is_followed_closely():
    t = np.arange(50) / 25
    made = list(retimed(frames(np.sin(2 * np.pi * 2 * t)), 96, 50))
    wanted = np.sin(2 * np.pi * 2 * np.arange(96) / 50)
    error = np.abs([f.coeffs[0] for f in made] - wanted)
    middle = (np.sin(2 * np.pi * 2 * t[:-1]) + np.sin(2 * np.pi * 2 * t[1:])) / 2
    straight = np.abs(middle - np.sin(2 * np.pi * 2 * (t[:-1] + 0.02)))
    assert error[2:-2].max() < 0.04 and error.mean() < straight.mean()


def test_a_closed_mouth_stays_closed_between_two_closed_pictures():
    made = [f.coeffs[0] for f in retimed(frames([0.3, 0.0, 0.0, 0.4, 0.1]), 10, 50)]
    assert made[2] == made[3] == made[4] == 0
    assert all(value >= 0 for value in made)


@pytest.mark.parametrize("fps", RATES)
def test_needed_keys_are_enough_and_no_more_than_one_too_many(fps):
    for count in (1, 2, 7, 50, 61):
        needed = keys_needed(count, fps)
        last = (count - 1) * 25 / fps
        assert last <= needed - 1 <= last + 1


class Curve:
    """An engine whose motion is a slow sine of the sound's time, painted as a grey."""

    lookahead, capacity, steps_available = 2 * FRAME_TICKS, 1, 0

    def __init__(self) -> None:
        self.painted = 0
        self.opened: set[int] = set()

    def open(self, identity, controls) -> int:
        self.opened.add(0)
        return 0

    def close(self, slot) -> None:
        self.opened.clear()

    def reset(self, slot) -> None:
        pass

    def step(self, batch: list[HopInput]) -> list[HopResult]:
        (hop,) = batch
        motion = hop.motion
        if motion is None:
            pts = hop.pts - self.lookahead
            coeffs = np.full(len(CHANNELS), 0.5 + 0.5 * np.sin(2 * np.pi * pts / TICK_RATE), np.float32)
            motion = MotionFrame(pts, coeffs, 1.0)
        self.painted += hop.paint
        grey = np.full((2, 2, 3), round(200 * float(motion.coeffs[0])), np.uint8)
        return [HopResult(0, motion, VideoFrame(motion.pts, grey))]


def hops():
    while True:
        yield np.zeros(HOP_SAMPLES, np.float32)


@pytest.mark.parametrize("fps", RATES)
def test_pictures_at_every_rate_show_their_own_time_and_none_is_painted_for_nothing(fps):
    engine, told = Curve(), []
    made = list(animate(engine, None, hops(), 2 * fps, Controls(), fps=fps, on_key=told.append))
    assert [r.video.pts for r in made] == [i * (TICK_RATE // fps) for i in range(2 * fps)]
    at_s = np.arange(2 * fps) / fps
    grey = np.array([int(r.video.image[0, 0, 0]) for r in made]) / 200
    np.testing.assert_allclose(grey, 0.5 + 0.5 * np.sin(2 * np.pi * at_s), atol=0.02)
    assert engine.painted == 2 * fps
    assert [f.pts for f in told] == [i * FRAME_TICKS for i in range(50)]
    assert not engine.opened


def test_leaving_early_frees_the_slot():
    engine = Curve()
    stream = animate(engine, None, hops(), 100, Controls(), fps=50)
    next(stream)
    stream.close()
    assert not engine.opened
