from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from sonic_stream.motion.behaviour import Behaviour
from sonic_stream.timebase import FPS
from sonic_stream.types import F32, FACE_CHANNELS

AT = {name: i for i, name in enumerate(FACE_CHANNELS)}


@lru_cache(maxsize=4)
def acted(seed: int, talking: bool, seconds: int = 300) -> F32:
    """A face over time: phrases of 2-5 s with a syllable beat and short pauses, or nobody speaking."""
    face, rng = Behaviour(seed), np.random.default_rng(100 + seed)
    frames, left, on, speaking = [], 0, False, 0.0
    for i in range(seconds * FPS):
        left -= 1
        if left <= 0:
            on = talking and not on
            left = int(rng.uniform(50, 125) if on else rng.uniform(8, 20))
        speaking = min(1.0, speaking + 0.5) if on else max(0.0, speaking - 0.4)
        beat = 1.5 * np.sin(2 * np.pi * 4.2 * i / FPS) + 0.6 * rng.standard_normal()
        frames.append(face.step(speaking, -4 + beat if on else -13.0))
    return np.stack(frames)


def degrees(face: F32, axis: str) -> F32:
    return np.asarray(np.degrees(face[:, AT[axis]]))


def blinks(face: F32) -> tuple[float, float]:
    """Per minute, and the median length in ms."""
    shut = np.concatenate([[0], face[:, AT["blink_left"]] > 0.4, [0]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(shut) == 1), np.flatnonzero(np.diff(shut) == -1)
    return len(starts) / (len(face) / FPS / 60), float(np.median(ends - starts)) * 1000 / FPS


def test_the_same_seed_acts_the_same_and_another_differently() -> None:
    again = Behaviour(3)
    for i in range(200):
        frame = again.step(0.0, -13.0)
        if i == 199:
            last = frame
    assert (acted(3, False, 300)[199] == last).all()
    assert not np.allclose(acted(3, False)[:500], acted(4, False)[:500])


@pytest.mark.parametrize("axis, spread", [("yaw", 3.4), ("pitch", 2.7), ("roll", 2.9)])
def test_the_talking_head_moves_as_much_as_people(axis: str, spread: float) -> None:
    measured = np.mean([degrees(acted(seed, True), axis).std() for seed in (3, 4)])
    assert measured == pytest.approx(spread, rel=0.3)


def test_the_heads_speed_is_a_persons() -> None:
    face = acted(3, True)
    speed = np.sqrt(sum(np.diff(degrees(face, a)) ** 2 for a in ("yaw", "pitch", "roll"))) * FPS
    assert np.median(speed) == pytest.approx(12, rel=0.3)
    assert 22 < np.quantile(speed, 0.95) < 49


def test_a_listener_is_calmer_than_a_speaker() -> None:
    assert degrees(acted(3, False), "pitch").std() < 0.7 * degrees(acted(3, True), "pitch").std()


def test_blinks_are_as_frequent_and_short_as_peoples() -> None:
    talking = [blinks(acted(seed, True)) for seed in (3, 4)]
    assert np.mean([rate for rate, _ in talking]) == pytest.approx(26, rel=0.3)
    assert np.mean([ms for _, ms in talking]) == pytest.approx(120, rel=0.4)
    rate, _ = blinks(acted(3, False))
    assert rate == pytest.approx(17, rel=0.35)


def test_a_blink_shuts_both_eyes() -> None:
    face = acted(3, True)
    left, right = face[:, AT["blink_left"]], face[:, AT["blink_right"]]
    assert left.max() > 0.98
    assert np.abs(left - right).max() < 0.35
    assert ((left >= 0) & (left <= 1)).all()


def test_the_gaze_keeps_to_the_viewer_while_the_head_turns() -> None:
    face = acted(3, True)
    world = face[:, AT["gaze_x"]] + 0.85 * face[:, AT["yaw"]]
    assert np.mean(np.abs(world) < np.radians(3)) == pytest.approx(0.77, abs=0.15)


def test_it_begins_in_the_portraits_own_pose() -> None:
    first = acted(3, False)[0]
    for name in ("yaw", "pitch", "roll", "gaze_x", "gaze_y", "shift_x", "shift_y", "smile"):
        assert abs(first[AT[name]]) < 0.01, name


def test_nothing_jumps() -> None:
    face = acted(3, True)
    for name in ("yaw", "pitch", "roll"):
        assert np.abs(np.diff(degrees(face, name))).max() < 5, name
    assert np.abs(np.diff(face[:, AT["shift_y"]])).max() < 0.02


def test_an_hour_alone_stays_bounded() -> None:
    face, worst = Behaviour(1), 0.0
    for _ in range(3600 * 5):
        worst = max(worst, float(np.abs(face.step(0.0, -16.1)[AT["yaw"] :]).max()))
    assert worst < 0.35
