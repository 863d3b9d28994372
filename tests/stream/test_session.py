"""The whole session on a virtual clock: what is said is heard, told and may be interrupted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.errors import BadInputError
from sonic_stream.stream.events import State
from sonic_stream.timebase import FRAME_TICKS, seconds, ticks


def test_idle_face_moves_25_times_a_second(stage):
    world = stage.World().run(4)
    assert len(world.pictures()) == 100
    assert world.session.state is State.IDLE
    assert not world.sound.any()


def test_what_is_heard_is_exactly_what_was_said(stage):
    world, said = stage.World(), stage.voice(3)
    for i in range(0, len(said), 7001):
        world.push_at(1 + i / 200_000, said[i : i + 7001])
    world.end_at(2)
    world.run(7)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    # The first 5 ms are faded in; everything else is the sound itself.
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300 : len(said)])
    assert world.session.stats.underruns == 0


def test_a_picture_shows_the_sound_of_its_own_slot(stage):
    world = stage.World()
    world.end_at(stage.push(world, stage.voice(2), 1.0))
    world.run(5)
    contents = {u.slot: u.pts for u in world.units if u.pts is not None}
    for slot, code in world.pictures():
        assert code * FRAME_TICKS == contents[slot]


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(0, 0.06), min_size=5, max_size=50))
def test_jitter_of_60_ms_puts_no_zero_into_speech(stage, delays: list[float]):
    world, said = stage.World(), stage.voice(6)
    world.end_at(stage.push(world, said, 1.0, delays))
    world.run(9)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300:])
    assert world.session.stats.underruns == 0


def test_interruption_is_heard_at_once_and_nothing_old_comes_after(stage):
    world, old, new = stage.World(), stage.voice(2, 1), stage.voice(1, 2)
    world.push_at(1.0, old)
    world.at(1.7, lambda: world.session.interrupt(world.now))
    world.push_at(2.2, new)
    world.end_at(2.2)
    world.run(5)
    sound = world.sound
    after = sound[ticks(1.74) : ticks(2.2)]
    assert not after[240:].any()
    heard_new = sound[ticks(2.2) :]
    start = int(np.flatnonzero(heard_new)[0])
    assert np.array_equal(heard_new[start + 300 : start + len(new)], new[300:])
    finished = [e for e in world.events if e.kind == "speaking_finished"]
    assert [e.interrupted for e in finished] == [True, False]


def test_pictures_go_on_after_an_interruption(stage):
    world = stage.World()
    world.push_at(1.0, stage.voice(1.9))
    world.at(1.7, lambda: world.session.interrupt(world.now))
    world.run(4)
    slots = [slot for slot, _ in world.pictures()]
    gaps = np.diff(slots)
    assert gaps.max() <= 3


def test_events_frame_what_is_played(stage):
    world = stage.World()
    world.push_at(1.0, stage.voice(1.0))
    world.end_at(1.0)
    world.run(4)
    assert [e.kind for e in world.events] == ["speaking_started", "speaking_finished"]
    started, finished = world.events
    assert finished.at - started.at == finished.position
    assert abs(seconds(finished.position) - 1.0) <= 0.05


def test_a_source_that_forgets_its_end_is_played_out(stage):
    world, said = stage.World(), stage.voice(0.5)
    world.push_at(1.0, said)
    world.run(3)
    assert len(np.flatnonzero(world.sound)) >= len(said) - 10
    assert world.session.state is State.IDLE
    assert [e.kind for e in world.events][-1] == "speaking_finished"


def test_a_script_is_asked_to_wait_beyond_two_seconds(stage):
    world = stage.World()
    assert world.session.has_room
    world.session.push(stage.voice(2.2), 48_000, 0)
    assert not world.session.has_room


def test_a_closed_session_takes_no_sound_and_asks_for_nothing(stage):
    session = stage.World().session
    session.close()
    assert session.state is State.CLOSED
    assert session.due(0) == []
    with pytest.raises(BadInputError, match="closed"):
        session.push(stage.voice(0.1), 48_000, 0)


def test_status_is_plain_numbers_and_words(stage):
    told = stage.World().run(1).session.status()
    assert told["state"] == "idle" and told["played"] == 25
    assert all(isinstance(value, int | float | str) for value in told.values())


def test_marks_are_told_when_their_sound_plays(stage):
    world = stage.World()
    rate = 48_000

    def speak() -> None:
        for i in range(3):
            world.session.mark(f"sentence {i}")
            world.session.mark(f"word of {i}", rate // 2)
            world.session.push(stage.voice(1.0, i), rate, world.now)
        world.session.end(world.now)

    world.at(1.0, speak)
    world.run(6)
    marks = [e for e in world.events if e.kind == "mark"]
    assert [e.mark for e in marks] == [f"{kind} {i}" for i in range(3) for kind in ("sentence", "word of")]
    assert [seconds(e.position) for e in marks] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.05)
    started = world.events[0]
    assert all(e.at - started.at == e.position for e in marks)


def test_marks_of_what_was_interrupted_are_never_told(stage):
    world = stage.World()

    def speak() -> None:
        world.session.mark("heard")
        world.session.push(stage.voice(1.5), 48_000, world.now)
        world.session.mark("not heard")
        world.session.push(stage.voice(0.4), 48_000, world.now)
        world.session.end(world.now)

    world.at(1.0, speak)
    world.at(1.8, lambda: world.session.interrupt(world.now))
    world.push_at(2.5, stage.voice(1.0))
    world.end_at(2.5)
    world.run(5)
    assert [e.mark for e in world.events if e.kind == "mark"] == ["heard"]
