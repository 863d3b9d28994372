"""Laws of the resampler: exact length, the same samples for any chunking, aligned, short delay."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import StreamResampler

RATES = [
    (48_000, 16_000),
    (44_100, 48_000),
    (24_000, 48_000),
    (22_050, 16_000),
    (8_000, 48_000),
    (16_000, 44_100),
]


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(-0.5, 0.5, count).astype(np.float32)


def in_chunks(resampler: StreamResampler, samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    edges = [0, *sorted(min(c, len(samples)) for c in cuts), len(samples)]
    pieces = [samples[a:b] for a, b in itertools.pairwise(edges)]
    made = [resampler.push(p, last=i == len(pieces) - 1) for i, p in enumerate(pieces)]
    return np.concatenate(made)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 9000), st.lists(st.integers(0, 9000), max_size=12))
def test_any_chunking_gives_the_same_samples_and_the_exact_length(rates, count, cuts):
    samples = noise(count)
    whole = StreamResampler(*rates).push(samples, last=True)
    assert len(whole) == round(count * rates[1] / rates[0])
    assert whole.dtype == np.float32
    split = in_chunks(StreamResampler(*rates), samples, cuts)
    assert len(split) == len(whole)
    np.testing.assert_allclose(split, whole, atol=1e-6)


@pytest.mark.parametrize("rates", RATES)
def test_a_tone_stays_where_it_was(rates):
    rate_in, rate_out = rates
    tone_hz = 0.3 * min(rates)
    made = StreamResampler(*rates).push(
        np.sin(2 * np.pi * tone_hz * np.arange(rate_in) / rate_in).astype(np.float32), last=True
    )
    wanted = np.sin(2 * np.pi * tone_hz * np.arange(rate_out) / rate_out)
    inside = slice(rate_out // 50, -rate_out // 50)
    assert np.abs(made - wanted)[inside].max() < 2e-4


def test_what_the_lower_rate_cannot_hold_is_removed():
    tone = np.sin(2 * np.pi * 8_500 * np.arange(48_000) / 48_000).astype(np.float32)
    made = StreamResampler(48_000, 16_000).push(tone, last=True)
    assert np.abs(made[400:-400]).max() < 2e-4


def test_holds_back_no_more_than_it_says():
    resampler = StreamResampler(48_000, 16_000)
    made = 0
    for packet in range(1, 20):
        made += len(resampler.push(noise(960)))
        assert packet * 960 / 48_000 - made / 16_000 <= resampler.delay_s + 1 / 16_000
    assert resampler.delay_s <= 0.0021


def test_after_the_last_chunk_it_is_as_new():
    resampler = StreamResampler(44_100, 48_000)
    first = resampler.push(noise(1000), last=True)
    np.testing.assert_array_equal(resampler.push(noise(1000), last=True), first)


def test_memory_does_not_grow():
    resampler = StreamResampler(44_100, 16_000)
    for _ in range(50):
        resampler.push(noise(4410))
    assert len(resampler._kept) < 2000


@pytest.mark.parametrize("rate", [0, -1, 1000, 10_000_000])
def test_an_absurd_rate_is_refused_with_the_valid_ones(rate):
    with pytest.raises(BadInputError, match="4000 to 384000"):
        StreamResampler(rate, 48_000)
