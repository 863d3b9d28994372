import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import StreamResampler
from sonic_stream.stream.timeline import Hop, InputTimeline
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, PACKET_TICKS, ticks


def noise(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(count) * 0.1).astype(np.float32)


def drain(timeline: InputTimeline) -> list[Hop]:
    hops = []
    while (hop := timeline.take()) is not None:
        hops.append(hop)
    return hops


def hops_of(sound: np.ndarray, rate_hz: int, cuts: list[int]) -> list[Hop]:
    timeline, hops, at = InputTimeline(), [], 0
    for cut in [*cuts, len(sound)]:
        timeline.push(sound[at : at + cut], rate_hz, 0)
        at += cut
        hops += drain(timeline)
        if at >= len(sound):
            break
    timeline.end(0)
    return hops + drain(timeline)


@settings(deadline=None, max_examples=40)
@given(
    rate_hz=st.sampled_from([8000, 16_000, 22_050, 24_000, 44_100, 48_000]),
    cuts=st.lists(st.integers(0, 5000), max_size=30),
    length=st.integers(1, 20_000),
)
def test_any_chunking_gives_the_same_hops(rate_hz: int, cuts: list[int], length: int):
    sound = noise(length)
    whole, pieces = hops_of(sound, rate_hz, []), hops_of(sound, rate_hz, cuts)
    assert len(whole) == len(pieces)
    for a, b in zip(whole, pieces, strict=True):
        assert np.allclose(a.heard, b.heard, atol=1e-6) and np.allclose(a.model, b.model, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(1, 3000), max_size=20), length=st.integers(1, 12_000))
def test_no_sample_is_lost_or_changed(cuts: list[int], length: int):
    sound = noise(length)
    heard = np.concatenate([hop.heard for hop in hops_of(sound, 48_000, cuts)])
    start = int(np.flatnonzero(heard)[0])
    assert start <= ticks(0.003)  # the resampler's look-ahead, paid once
    assert np.array_equal(heard[start : start + length], sound)
    assert not heard[start + length :].any()


def test_both_forms_show_the_same_instant():
    sound = noise(48_000)
    hops = hops_of(sound, 48_000, [])
    heard, model = (np.concatenate([getattr(h, name) for h in hops]) for name in ("heard", "model"))
    expected = StreamResampler(48_000, 16_000).push(heard, last=True)
    inside = slice(200, len(sound) // 3 - 200)  # at the edges the filter rings into the silence around
    assert np.allclose(model[inside], expected[inside], atol=1e-5)


def test_two_packets_of_20_ms_complete_a_hop():
    timeline = InputTimeline()
    for i in range(10):
        timeline.push(noise(PACKET_TICKS, i), 48_000, i * PACKET_TICKS)
        assert timeline.ready == (i + 1) // 2


def test_hop_shapes_and_marks():
    hops = hops_of(noise(30_000), 48_000, [])
    assert all(hop.heard.shape == (FRAME_TICKS,) and hop.model.shape == (HOP_SAMPLES,) for hop in hops)
    assert [hop.is_last for hop in hops] == [False] * (len(hops) - 1) + [True]
    assert all(hop.speech for hop in hops) and not hops[0].silent


def test_silence_is_known():
    hops = hops_of(np.zeros(10_000, np.float32), 48_000, [])
    assert all(hop.silent for hop in hops)


def test_a_changed_rate_ends_the_utterance_before():
    timeline = InputTimeline()
    timeline.push(noise(1000), 16_000, 0)
    timeline.push(noise(1000), 24_000, 0)
    first = timeline.take()
    assert first is not None
    rest = [first, *drain(timeline)]
    assert any(hop.is_last for hop in rest)
    assert timeline.is_open


def test_flush_forgets_everything():
    timeline = InputTimeline()
    timeline.push(noise(5000), 48_000, 0)
    timeline.flush()
    assert timeline.queued == 0 and timeline.take() is None and not timeline.is_open
    again = InputTimeline()
    for each in (timeline, again):
        each.push(noise(5000, 7), 48_000, 0)
    a, b = timeline.take(), again.take()
    assert a is not None and b is not None and np.array_equal(a.heard, b.heard)


def test_an_impossible_rate_is_refused_and_harms_nothing():
    timeline = InputTimeline()
    timeline.push(noise(3000), 48_000, 0)
    with pytest.raises(BadInputError):
        timeline.push(noise(3000), 17, 0)
    assert timeline.ready == 1


def test_shortening_takes_a_few_milliseconds_and_keeps_the_forms_together():
    timeline = InputTimeline()
    tone = (0.3 * np.sin(2 * np.pi * 140 * np.arange(48_000) / 48_000)).astype(np.float32)
    timeline.push(tone[:1920], 48_000, 0)
    queued = timeline.queued
    assert timeline.shorten_next(0) > 0
    removed = queued - timeline.queued
    assert ticks(0.005) <= removed <= ticks(0.015)
    timeline.push(tone[1920:19_200], 48_000, 0)
    heard = np.concatenate([hop.heard for hop in drain(timeline)])
    assert np.abs(np.diff(heard[200:])).max() < 3 * np.abs(np.diff(tone)).max()


def test_when_sound_was_handed_in_is_remembered_per_hop():
    timeline = InputTimeline()
    for i in range(6):
        timeline.push(noise(PACKET_TICKS, i), 48_000, 1000 + i)
    handed = [hop.handed for hop in drain(timeline)]
    assert handed == [1000, 1001, 1003]


def test_shortening_a_backlog_moves_everything_up_and_forgets_nothing():
    timeline, plain = InputTimeline(), InputTimeline()
    tone = (0.3 * np.sin(2 * np.pi * 140 * np.arange(24_000) / 48_000)).astype(np.float32)
    for i, at in enumerate(range(0, 24_000, PACKET_TICKS)):
        for each in (timeline, plain):
            each.push(tone[at : at + PACKET_TICKS], 48_000, i)
    assert timeline.ready > 8
    before, queued = timeline.ready, timeline.queued
    assert timeline.shorten_next(99) > 0
    assert ticks(0.005) <= queued - timeline.queued <= ticks(0.015)
    assert timeline.ready in (before, before - 1)
    cut, whole = drain(timeline), drain(plain)
    assert all(a.handed in (b.handed, b.handed + 1) for a, b in zip(cut, whole, strict=False))
    assert max(hop.late for hop in cut) <= max(hop.late for hop in whole)
    heard = np.concatenate([hop.heard for hop in cut])
    assert np.abs(np.diff(heard[200:])).max() < 3 * np.abs(np.diff(tone)).max()
