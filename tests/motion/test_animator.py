from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonic_stream.errors import BadInputError
from sonic_stream.motion import Animator
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.weights import load_net
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, MOUTH_CHANNELS, Controls, MotionFrame

MOUTH = slice(0, len(MOUTH_CHANNELS))
FACE = slice(len(MOUTH_CHANNELS), len(CHANNELS))
APERTURE = CHANNEL_INDEX["aperture"]
PLAIN = Controls()


@pytest.fixture
def animator(small_weights: Path) -> Animator:
    return Animator.load(3, 2, small_weights)


@pytest.fixture(scope="session")
def shipped() -> Animator:
    return Animator.load(1)


def run(animator: Animator, sound: F32, slot: int = 0, controls: Controls = PLAIN, seed: int = 0) -> F32:
    """Coefficients [T, C] of a sound from a reset slot."""
    animator.reset(slot, seed)
    hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    frames = [
        animator.step([slot], [i * FRAME_TICKS], hop[None], [controls])[0] for i, hop in enumerate(hops)
    ]
    return np.stack([f.coeffs for f in frames])


def test_a_frame_shows_the_sound_one_lookahead_earlier(animator: Animator) -> None:
    frame = animator.step([1], [FRAME_TICKS * 7], np.zeros((1, HOP_SAMPLES), np.float32), [PLAIN])[0]
    assert isinstance(frame, MotionFrame)
    assert animator.lookahead == 2 * FRAME_TICKS
    assert frame.pts == FRAME_TICKS * 5
    assert frame.coeffs.shape == (len(CHANNELS),)
    assert frame.coeffs.dtype == np.float32


@pytest.mark.parametrize("hops", [0, 2, 4])
def test_each_lookahead_is_offered(small_weights: Path, hops: int) -> None:
    assert Animator.load(1, hops, small_weights).lookahead == hops * FRAME_TICKS


def test_another_lookahead_is_refused(small_weights: Path) -> None:
    with pytest.raises(BadInputError, match="0, 2, 4"):
        Animator.load(1, 3, small_weights)


def test_sound_of_another_shape_is_refused(animator: Animator) -> None:
    with pytest.raises(BadInputError, match="640 samples"):
        animator.step([0], [0], np.zeros((1, 641), np.float32), [PLAIN])


def test_the_mouth_is_what_the_network_says_of_the_whole_sound(shipped: Animator, voice: F32) -> None:
    """Hop by hop through the animator equals the network over the whole, where the gate is open."""
    coeffs = run(shipped, voice)
    net, units = load_net()
    log_mel = LogMel()
    with torch.inference_mode():
        out, _ = net(log_mel(torch.from_numpy(voice)[None], log_mel.rest(1))[0], net.rest(1))
    head = net.config.lookaheads.index(2)
    back = MOUTH_CHANNELS.index("tongue_back")
    whole = np.clip(out.curves[0, :, head, back].numpy() * units[back], 0, 1.2)
    open_gate = np.isclose(coeffs[:, back], whole, atol=1e-4)
    at_rest = coeffs[:, back] <= whole + 1e-4
    assert at_rest.all()
    assert (open_gate | (coeffs[:, APERTURE] == 0)).mean() > 0.9


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([0, 1, 2]), seed=st.integers(0, 99))
def test_slots_do_not_see_each_other(animator: Animator, voice: F32, order: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sounds = [np.roll(voice, int(rng.integers(len(voice)))) for _ in range(3)]
    alone = [run(animator, sound[: 20 * HOP_SAMPLES], k, seed=k) for k, sound in enumerate(sounds)]
    for k in range(3):
        animator.reset(k, k)
    for i in range(20):
        hops = np.stack([sounds[k][i * HOP_SAMPLES : (i + 1) * HOP_SAMPLES] for k in order])
        frames = animator.step(order, [i * FRAME_TICKS] * 3, hops, [PLAIN] * 3)
        for k, frame in zip(order, frames, strict=True):
            assert np.allclose(frame.coeffs, alone[k][i], atol=1e-4)


def test_reset_equals_new(small_weights: Path, voice: F32) -> None:
    used = Animator.load(2, 2, small_weights)
    run(used, voice[::-1].copy(), 1, seed=4)
    new = Animator.load(2, 2, small_weights)
    assert (run(used, voice, 1, seed=9) == run(new, voice, 1, seed=9)).all()


def test_the_seed_moves_the_head_but_never_the_lips(animator: Animator, voice: F32) -> None:
    one, two = run(animator, voice, seed=1), run(animator, voice, seed=2)
    assert (one[:, MOUTH] == two[:, MOUTH]).all()
    assert not np.allclose(one[:, FACE], two[:, FACE])
    assert (run(animator, voice, seed=1) == one).all()


def test_silence_stays_still_for_long(shipped: Animator) -> None:
    coeffs = run(shipped, np.zeros(20 * 25 * HOP_SAMPLES, np.float32))
    assert (coeffs[:, MOUTH] == 0).all()
    assert coeffs[:, FACE].std() > 0


def test_a_quiet_room_stays_still(shipped: Animator) -> None:
    hiss = np.random.default_rng(0).standard_normal(8 * 25 * HOP_SAMPLES).astype(np.float32) * 0.002
    assert run(shipped, hiss)[:, APERTURE].std() < 0.002


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_number_are_silence(animator: Animator, voice: F32, bad: float) -> None:
    spoilt, silenced = voice.copy(), voice.copy()
    spoilt[9000:12000], silenced[9000:12000] = bad, 0
    got = run(animator, spoilt)
    assert np.isfinite(got).all()
    assert (got == run(animator, silenced)).all()


def test_absurdly_loud_sound_gives_a_possible_mouth(shipped: Animator, voice: F32) -> None:
    coeffs = run(shipped, voice * 30000)
    assert np.isfinite(coeffs).all()
    assert 0 <= coeffs[:, APERTURE].min() <= coeffs[:, APERTURE].max() <= 0.2


def test_dynamic_scale_multiplies_the_mouth_alone(shipped: Animator, voice: F32) -> None:
    plain = run(shipped, voice)
    wide = run(shipped, voice, controls=Controls(dynamic_scale=1.2))
    assert plain[:, APERTURE].max() > 0.01
    assert np.allclose(wide[:, APERTURE], 1.2 * plain[:, APERTURE], atol=1e-6)
    assert (wide[:, FACE] == plain[:, FACE]).all()
    assert wide[:, CHANNEL_INDEX["close"]].max() <= 1


def test_motion_scale_0_is_a_still_head_with_live_lips(shipped: Animator, voice: F32) -> None:
    plain = run(shipped, voice)
    still = run(shipped, voice, controls=Controls(motion_scale=0))
    assert (still[:, FACE] == 0).all()
    assert (still[:, MOUTH] == plain[:, MOUTH]).all()


def test_less_motion_still_shuts_the_eyes_in_a_blink(shipped: Animator, voice: F32) -> None:
    plain = run(shipped, np.tile(voice, 2))
    less = run(shipped, np.tile(voice, 2), controls=Controls(motion_scale=0.5))
    blink, yaw = CHANNEL_INDEX["blink_left"], CHANNEL_INDEX["yaw"]
    assert (less[:, blink] == plain[:, blink]).all()
    assert np.allclose(less[:, yaw], 0.5 * plain[:, yaw], atol=1e-6)
