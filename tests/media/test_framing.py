"""Laws of framing: any chunking gives the same hops, without a gap, the tail padded."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.media.framing import HopFramer
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20_000), st.lists(st.integers(0, 20_000), max_size=10), st.integers(-4, 100))
def test_any_chunking_gives_the_same_hops(count, cuts, first_picture):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    whole = HopFramer(pts=first_picture * FRAME_TICKS).push(samples, last=True)
    framer = HopFramer(pts=first_picture * FRAME_TICKS)
    edges = [0, *sorted(min(c, count) for c in cuts), count]
    hops = [h for a, b in itertools.pairwise(edges) for h in framer.push(samples[a:b])]
    hops += framer.push(np.zeros(0, np.float32), last=True)

    assert [h.pts for h in hops] == [(first_picture + i) * FRAME_TICKS for i in range(len(hops))]
    assert len(hops) == len(whole) == -(-round(count / 3) // HOP_SAMPLES)
    for one, other in zip(hops, whole, strict=True):
        assert one.samples.shape == (HOP_SAMPLES,) and one.sample_rate == MODEL_RATE_HZ
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-6)
    assert [h.is_last for h in whole] == [False] * (len(whole) - 1) + [True] * bool(whole)


def test_the_tail_is_padded_with_silence():
    hops = HopFramer().push(np.full(FRAME_TICKS + 480, 0.5, np.float32), last=True)
    assert len(hops) == 2
    assert np.abs(hops[1].samples[:100]).min() > 0.4
    assert not hops[1].samples[160:].any()


def test_a_hop_comes_with_the_packet_that_completes_it():
    framer = HopFramer()
    packets_needed = 1
    while not framer.push(np.zeros(960, np.float32)):
        packets_needed += 1
    assert packets_needed == 3  # 40 ms of sound and 2 ms for the filter


def test_reset_changes_epoch_and_place_and_forgets():
    framer = HopFramer()
    framer.push(np.ones(3000, np.float32))
    framer.reset(pts=7 * FRAME_TICKS, epoch=3)
    hop = framer.push(np.zeros(FRAME_TICKS, np.float32), last=True)[0]
    assert (hop.pts, hop.epoch) == (7 * FRAME_TICKS, 3)
    assert not hop.samples.any()
