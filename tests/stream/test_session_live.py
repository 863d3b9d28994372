"""A session that hears a live source: late, at a wrong clock, far behind, silent; and how soon it answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sonic_stream.stream.events import State
from sonic_stream.timebase import FRAME_TICKS, seconds, ticks


def test_real_time_speech_stays_within_the_latency_it_promises(stage):
    world = stage.World()
    world.end_at(stage.push(world, stage.voice(5), 1.0))
    world.run(8)
    latencies = sorted(seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech)
    # 20 ms packet + 20 ms until the hop is full + 80 ms look-ahead + delay and slot grid.
    assert latencies[len(latencies) // 2] <= 0.200
    assert latencies[int(len(latencies) * 0.95)] <= 0.240


def test_speech_that_is_there_pays_no_look_ahead(stage):
    world = stage.World()
    world.push_at(1.0, stage.voice(1.9))
    world.end_at(1.0)
    world.run(4)
    assert world.first_spoken_s() - 1.0 <= 0.121
    assert world.session.stats.held <= 1


def drifting(stage, share: float, live_s: float = 60) -> Any:
    """A microphone whose clock is off by `share`, speaking with pauses."""
    world = stage.World(live=True)
    sound = stage.voice(live_s)
    for begin in range(0, len(sound), 4 * 48_000):
        sound[begin : begin + 48_000] = 0
    stage.push(world, sound, 1.0, pace=1 + share)
    return world.run(live_s)


@pytest.mark.parametrize("share", [-0.01, 0.01])
def test_a_microphone_with_a_wrong_clock_stays_close(stage, share: float):
    world = drifting(stage, share)
    late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
    assert max(late[len(late) // 2 :]) < 0.36
    assert world.session.stats.underruns <= 1  # where the test's microphone ends


def test_after_a_hiccup_live_delay_comes_back(stage):
    world = stage.World(live=True)
    sound = stage.voice(30)
    for begin in range(0, len(sound), 3 * 48_000):
        sound[begin : begin + 24_000] = 0
    delays = [0.0] * 500 + [0.7] * 10 + [0.0] * 990
    stage.push(world, sound, 1.0, delays)
    world.run(30)
    late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
    assert max(late[-100:]) < 0.4


def test_live_sound_far_behind_is_given_up_and_the_face_comes_to_rest(stage):
    world = stage.World(live=True)
    world.push_at(1.0, stage.voice(5.0))
    world.end_at(1.01)
    world.run(6)
    stats = world.session.stats
    assert stats.discarded > 50
    spoken = sum(u.speech for u in world.units) / 25
    assert spoken < 1.5
    assert world.session.state is State.IDLE
    assert [e.kind for e in world.events] == ["speaking_started", "speaking_finished"]


def test_a_muted_microphone_lets_the_face_rest(stage):
    world = stage.World(live=True)
    stage.push(world, np.concatenate([stage.voice(2), np.zeros(3 * 48_000, np.float32)]), 1.0)
    world.run(6)
    assert [e.kind for e in world.events][:2] == ["speaking_started", "speaking_finished"]
    assert world.events[1].at - world.events[0].at < ticks(2.9)


def test_after_the_server_stood_still_live_delay_comes_back_without_a_pause_in_speech(stage):
    world = stage.World(live=True)
    stage.push(world, stage.voice(28), 1.0)
    play = world._slot

    def stand_still_from_3_to_3_5() -> None:
        slot = world.now // FRAME_TICKS
        if slot == 88:
            world.session.align.skip_slots(13)
        if not 75 <= slot < 88:
            play()

    world._slot = stand_still_from_3_to_3_5  # type: ignore[method-assign]
    world.run(29)
    late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
    assert max(late) > 0.6
    assert max(late[-100:]) < 0.3
    assert world.session.stats.shortened > 20
