import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sonic_stream.stream.splice import (
    FADE_SAMPLES,
    best_cut,
    bridge_to_silence,
    fade_in,
    shorten,
)
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES


def tone(hz: float, rate_hz: int, count: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(count) / rate_hz)).astype(np.float32)


def test_fade_in_rises_from_zero_and_leaves_the_rest():
    sound = np.ones(1000, np.float32)
    faded = fade_in(sound)
    assert faded[0] == 0
    assert np.all(np.diff(faded[:FADE_SAMPLES]) > 0)
    assert np.array_equal(faded[FADE_SAMPLES:], sound[FADE_SAMPLES:])
    assert sound[0] == 1  # a copy


def test_bridge_continues_the_wave_and_ends_in_silence():
    last = tone(150, 48_000, 1920)
    bridge = bridge_to_silence(last, 960)
    assert abs(bridge[0] - last[-1]) < 1e-6
    steepest = np.abs(np.diff(last)).max()
    assert np.abs(np.diff(bridge)).max() < steepest + 0.5 / FADE_SAMPLES + 1e-6
    assert not bridge[FADE_SAMPLES:].any()


@given(hz=st.floats(90, 300))
def test_a_cut_of_a_voice_takes_whole_periods(hz: float):
    model = tone(hz, 16_000, HOP_SAMPLES)
    start, length = best_cut(model, 80, 240)
    here, there = model[start : start + 80], model[start + length : start + length + 80]
    likeness = here @ there / np.sqrt((here @ here) * (there @ there))
    assert likeness > 0.9
    assert 80 <= length <= 240


def test_shorten_keeps_both_forms_together_and_smooth():
    model, heard = tone(120, 16_000, HOP_SAMPLES), tone(120, 48_000, FRAME_TICKS)
    short_heard, short_model = shorten(heard, model)
    assert len(short_heard) == 3 * len(short_model) < FRAME_TICKS
    assert np.abs(np.diff(short_heard)).max() < 2 * np.abs(np.diff(heard)).max()
