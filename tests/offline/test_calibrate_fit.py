"""The lag of one curve against another, and the curves' interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.offline.calibrate import Calibration
from sonic_stream.offline.calibrate_fit import Lag, cubic, find_lag, without_slow
from sonic_stream.types import CHANNEL_INDEX, CHANNELS


def speech(seconds: float, seed: int = 1):
    """A smooth curve with the rhythm of syllables, as a function of time."""
    rng = np.random.default_rng(seed)
    waves = [(rng.uniform(1, 6), rng.uniform(0, 6), rng.uniform(0.3, 1)) for _ in range(12)]
    return lambda t: sum(a * np.sin(2 * np.pi * f * t + p) for f, p, a in waves) * 0.01 + 0.04


def asked_of(gap, width, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * 25)) / 25
    rows = np.zeros((len(t), len(CHANNELS)), np.float32)
    rows[:, CHANNEL_INDEX["aperture"]] = gap(t)
    rows[:, CHANNEL_INDEX["width"]] = width(t)
    return rows


def seen_of(gap, width, times, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "aperture": gap(times) + noise * rng.standard_normal(len(times)),
        "width": 0.7 + 2 * width(times) + noise * rng.standard_normal(len(times)),
    }


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.6, 0.6), st.sampled_from([23.976, 25.0, 30.0, 50.0]), st.integers(0, 5))
def test_any_lag_is_found_between_pictures(lag_s, fps, seed):
    gap, width = speech(8, seed), speech(8, seed + 100)
    times = np.arange(0.0, 8.0, 1 / fps)
    seen = seen_of(lambda t: gap(t - lag_s), lambda t: width(t - lag_s), times, noise=0.004)
    found = find_lag(times, seen, asked_of(gap, width, 8))
    assert found is not None
    assert found.offset_s == pytest.approx(lag_s, abs=0.006)
    assert found.confidence > 0.5
    assert found.spread_s < 0.01


def test_sound_that_begins_later_is_taken_into_account():
    gap, width = speech(8), speech(8, 2)
    times = np.arange(0.0, 8.0, 0.04)
    found = find_lag(times, seen_of(gap, width, times), asked_of(gap, width, 8), asked_begin_s=0.03)
    assert found is not None and found.offset_s == pytest.approx(-0.03, abs=0.002)


def test_other_peoples_sound_is_not_believed():
    sure = 0
    for seed in range(12):
        times = np.arange(0.0, 10.0, 0.04)
        seen = seen_of(speech(10, seed), speech(10, seed + 50), times)
        found = find_lag(times, seen, asked_of(speech(10, seed + 200), speech(10, seed + 300), 10))
        assert found is not None
        sure += Calibration(found, len(times)).sure
    assert sure == 0


def test_too_little_is_no_lag():
    gap, width = speech(8), speech(8, 2)
    few = np.arange(10) / 25
    assert find_lag(few, seen_of(gap, width, few), asked_of(gap, width, 8)) is None
    times = np.arange(100) / 25
    still = {"aperture": np.zeros(100), "width": np.full(100, 0.7)}
    assert find_lag(times, still, asked_of(gap, width, 4)) is None
    assert find_lag(times, seen_of(gap, width, times), np.zeros((100, len(CHANNELS)), np.float32)) is None


def test_a_slow_drift_of_the_tracker_does_not_matter():
    gap, width = speech(8), speech(8, 2)
    times = np.arange(0.0, 8.0, 0.04)
    seen = seen_of(gap, width, times)
    seen["aperture"] = seen["aperture"] + 0.2 * np.sin(2 * np.pi * 0.1 * times)
    found = find_lag(times, seen, asked_of(gap, width, 8))
    assert found is not None and abs(found.offset_s) < 0.006


def test_cubic_keeps_rows_and_straight_lines():
    rows = np.random.default_rng(0).standard_normal((9, 3))
    assert np.allclose(cubic(rows, np.arange(9.0)), rows)
    line = np.arange(9.0)
    at = np.linspace(1, 7, 25)
    assert np.allclose(cubic(line, at), at)
    assert np.isnan(cubic(line, np.array([-0.1, 8.1]))).all()


def test_slow_changes_go_and_fast_ones_stay():
    t = np.arange(0, 6, 0.04)
    slow, fast = 3 * np.sin(2 * np.pi * 0.05 * t), np.sin(2 * np.pi * 4 * t)
    left = without_slow(t, slow + fast)[25:-25]
    assert np.abs(left - fast[25:-25]).max() < 0.2


@pytest.mark.parametrize(
    ("offset_ms", "correlation", "words"),
    [
        (3, 0.9, "nothing to mend"),
        (-30, 0.9, "30 +- 2 ms before the sound"),
        (45, 0.9, "45 +- 2 ms after the sound"),
        (180, 0.9, "more than the 50 ms that are mended unasked"),
        (45, 0.3, "not sure"),
    ],
)
def test_findings_are_told_in_words(offset_ms, correlation, words):
    found = Calibration(Lag(offset_ms / 1000, 0.002, correlation, 0.2), 100)
    assert words in found.sentence()
    assert found.mendable == (correlation > 0.5 and abs(offset_ms) <= 50)
