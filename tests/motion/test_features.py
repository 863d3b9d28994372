from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.motion.features import FRAME_SAMPLES, FRAMES_PER_HOP, LOG_FLOOR, MELS, LogMel, mel_filters
from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ


def test_every_band_hears_something() -> None:
    assert (mel_filters().sum(0) > 0.1).all()


def test_silence_is_the_floor() -> None:
    log_mel = LogMel()
    mel, _ = log_mel(torch.zeros(2, HOP_SAMPLES), log_mel.rest(2))
    assert mel.shape == (2, FRAMES_PER_HOP, MELS)
    assert torch.allclose(mel, torch.tensor(LOG_FLOOR))


def test_a_tone_is_loudest_in_its_own_band() -> None:
    log_mel = LogMel()
    tone = np.sin(2 * np.pi * 1000 * np.arange(1600) / MODEL_RATE_HZ).astype(np.float32)
    mel, _ = log_mel(torch.from_numpy(tone)[None], log_mel.rest(1))
    mels = 2595 * np.log10(1 + np.array([30, 1000, 7800]) / 700)
    expected = (mels[1] - mels[0]) / (mels[2] - mels[0]) * (MELS + 1) - 1
    assert abs(int(mel[0, -1].argmax()) - expected) <= 1


def test_doubling_the_sound_adds_its_decibels() -> None:
    log_mel = LogMel()
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1600)).astype(np.float32))
    one, _ = log_mel(noise, log_mel.rest(1))
    two, _ = log_mel(2 * noise, log_mel.rest(1))
    assert torch.allclose(two - one, torch.tensor(math.log(4.0)), atol=1e-3)


def test_a_frame_hears_nothing_later() -> None:
    log_mel = LogMel()
    sound = torch.zeros(1, 10 * FRAME_SAMPLES)
    sound[:, 5 * FRAME_SAMPLES] = 1
    mel, _ = log_mel(sound, log_mel.rest(1))
    assert torch.allclose(mel[:, :5], torch.tensor(LOG_FLOOR))
    assert (mel[:, 5:7] > LOG_FLOOR + 1).any()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(0, 2**16))
def test_any_split_gives_the_same_frames(parts: list[int], seed: int) -> None:
    log_mel = LogMel()
    total = sum(parts) * FRAME_SAMPLES
    sound = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, total)).astype(np.float32))
    whole, _ = log_mel(sound, log_mel.rest(2))
    tail, got = log_mel.rest(2), []
    for piece in torch.split(sound, [p * FRAME_SAMPLES for p in parts], dim=1):
        mel, tail = log_mel(piece, tail)
        got.append(mel)
    assert torch.allclose(torch.cat(got, 1), whole, atol=1e-4)
