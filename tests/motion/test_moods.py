from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.motion import Animator
from sonic_stream.motion.behaviour import Behaviour
from sonic_stream.motion.gestures import Gestures
from sonic_stream.motion.moods import LOOKS, OFFSETS, MoodBlend
from sonic_stream.timebase import FPS, FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import ATTENTIONS, CHANNEL_INDEX, F32, FACE_CHANNELS, MOODS, MOUTH_CHANNELS, Controls

AT = {name: i for i, name in enumerate(FACE_CHANNELS)}
BOUNDS = {"brow_inner": 1.0, "brow_outer": 1.0, "brow_down": 1.0, "squint": 1.0, "wide": 1.0, "frown": 1.0}


@pytest.fixture(scope="module")
def shipped() -> Animator:
    return Animator.load(1, 2)


def act(animator: Animator, sound: F32, moods: list[Controls]) -> F32:
    """Coefficients; `moods[i]` are the controls of hop i."""
    animator.reset(0, 3)
    hops = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    return np.stack(
        [
            animator.step([0], [i * FRAME_TICKS], hop[None], [moods[i % len(moods)]])[0].coeffs
            for i, hop in enumerate(hops)
        ]
    )


def test_every_mood_and_attention_has_a_look() -> None:
    assert set(LOOKS) == {*MOODS, *ATTENTIONS} - {"auto"}


def test_neutral_is_the_portraits_own_face() -> None:
    offsets, droop, habits = MoodBlend().step("neutral", 1.0, "auto")
    assert not offsets.any() and droop == 0
    assert (habits.amount, habits.tempo, habits.accents, habits.blinks) == (1, 1, 1, 1)


@pytest.mark.parametrize("mood", [m for m in MOODS if m != "neutral"])
def test_a_mood_moves_the_face_and_never_the_mouth(shipped: Animator, voice: F32, mood: str) -> None:
    plain = act(shipped, voice, [Controls(motion_scale=0)])
    moody = act(shipped, voice, [Controls(motion_scale=0, mood=mood)])
    mouth = len(MOUTH_CHANNELS)
    assert (moody[:, :mouth] == plain[:, :mouth]).all()
    assert np.abs(moody[-1, mouth:] - plain[-1, mouth:]).max() > 0.3


@pytest.mark.parametrize("mood", MOODS)
def test_half_a_mood_is_half_its_look(mood: str) -> None:
    whole, droop, _ = MoodBlend().step(mood, 1.0, "auto")
    half, half_droop, _ = MoodBlend().step(mood, 0.5, "auto")
    np.testing.assert_allclose(half, whole / 2, atol=1e-6)
    assert half_droop == pytest.approx(droop / 2)


def test_moods_can_be_told_apart() -> None:
    faces = np.stack([OFFSETS[list(LOOKS).index(m)] for m in MOODS])
    apart = np.abs(faces[:, None] - faces[None]).max(-1)
    assert apart[~np.eye(len(MOODS), dtype=bool)].min() > 0.25


def test_a_change_of_mood_is_eased_without_a_jump() -> None:
    blend = MoodBlend()
    blend.step("sad", 1.0, "auto")
    path = np.stack([blend.step("happy", 1.0, "auto")[0] for _ in range(3 * FPS)])
    way = np.abs(OFFSETS[list(LOOKS).index("happy")] - OFFSETS[list(LOOKS).index("sad")])[:-1].max()
    assert np.abs(np.diff(path, axis=0)).max() < 0.08 * way
    np.testing.assert_allclose(path[-1], MoodBlend().step("happy", 1.0, "auto")[0], atol=2e-3)


def test_a_mood_changed_while_speaking_leaves_no_step_in_the_face(shipped: Animator, voice: F32) -> None:
    half = len(voice) // HOP_SAMPLES // 2
    controls = [Controls(motion_scale=0)] * half + [Controls(motion_scale=0, mood="angry")] * (half + 1)
    brow = act(shipped, voice, controls)[:, CHANNEL_INDEX["brow_down"]]
    assert brow[half - 1] < 0.01 and brow[-1] > 0.6
    assert np.diff(brow).max() < 0.1


def test_a_clip_begins_in_its_mood() -> None:
    first = MoodBlend().step("happy", 1.0, "auto")[0]
    assert first[AT["smile"]] == pytest.approx(LOOKS["happy"].face["smile"])


def gestures(attention: str, seconds: int = 120) -> F32:
    face = Behaviour(5)
    return np.stack([face.step(0.0, -13.0, attention=attention) for _ in range(seconds * FPS)])


def test_a_listener_nods_and_looks_at_the_speaker() -> None:
    nods = Gestures(5)
    pitch = np.stack([nods.step(0.0, True) for _ in range(120 * FPS)])[:, AT["pitch"]]
    tops = (pitch[1:-1] > pitch[:-2]) & (pitch[1:-1] >= pitch[2:]) & (pitch[1:-1] > np.radians(1))
    assert 15 < tops.sum() < 120  # in two minutes
    assert pitch.min() >= 0
    quiet = Gestures(5)
    assert not np.stack([quiet.step(0.0, False) for _ in range(50 * FPS)])[:, AT["pitch"]].any()


def test_somebody_who_thinks_looks_away_more_and_upwards() -> None:
    away = {a: np.abs(gestures(a)[:, AT["gaze_x"]]) > np.radians(5) for a in ("listening", "thinking")}
    assert away["thinking"].mean() > 0.3 > 2 * away["listening"].mean()
    assert gestures("thinking")[:, AT["gaze_y"]].mean() < -np.radians(1)


def test_micro_expressions_are_small_short_and_not_rare() -> None:
    own = Gestures(7)
    face = np.stack([own.step(1.0, False) for _ in range(300 * FPS)])
    shown = np.abs(face).max(1) > 0.02
    starts = np.flatnonzero(np.diff(shown.astype(int)) == 1)
    assert 40 < len(starts) < 110  # in five minutes
    assert np.abs(face).max() < 0.35
    lengths = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], shown.astype(int), [0]]))))[::2]
    assert lengths.max() <= FPS


@pytest.mark.parametrize("mood", MOODS)
def test_a_mood_keeps_every_channel_possible(shipped: Animator, voice: F32, mood: str) -> None:
    face = act(shipped, np.tile(voice, 3), [Controls(mood=mood)])
    assert np.isfinite(face).all()
    for name, most in BOUNDS.items():
        assert face[:, CHANNEL_INDEX[name]].max() <= 1.6 * most
    lids = face[:, CHANNEL_INDEX["blink_left"]]
    assert lids.min() >= 0 and lids.max() <= 1 + 1e-6


def test_a_lively_voice_moves_the_head_more() -> None:
    def turning(loud: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
        face = Behaviour(2)
        frames = [face.step(1.0, float(x)) for x in loud]
        return float(np.std([f[AT["yaw"]] for f in frames[-10 * FPS :]])), face.arousal

    n = 40 * FPS
    calm = np.full(n, -6.0)
    rising = calm.copy()
    rising[-4 * FPS :] += 3
    assert turning(calm)[1] == pytest.approx(1)
    assert turning(rising)[1] > 1.15
    assert turning(rising)[0] > turning(calm)[0]
