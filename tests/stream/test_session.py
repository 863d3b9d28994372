"""The whole session on a virtual clock: sound arrives, the engine takes its time, slots are played."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonic_stream.engine.base import HopInput
from sonic_stream.engine.fake import FakeEngine, read_code
from sonic_stream.errors import BadInputError
from sonic_stream.stream.align import Unit
from sonic_stream.stream.events import Event, State
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import FRAME_TICKS, PACKET_TICKS, Ticks, seconds, ticks
from sonic_stream.types import U8, Controls, Identity

LOOKAHEAD = 2 * FRAME_TICKS
Work = Callable[[int], float]


@dataclass
class World:
    """A session, an engine that needs `work_s(i)` for picture i, and a clock that jumps."""

    work_s: Work = lambda _: 0.015
    hear_s: float = 0.003
    live: bool = False
    rate_hz: int = 48_000
    session: LiveSession[U8] = field(init=False)
    units: list[Unit[U8]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = FakeEngine(48, LOOKAHEAD)
        identity: Identity = None  # type: ignore[assignment]  # the stand-in never looks at it
        self.session = LiveSession(self.engine.open(identity, Controls()), LOOKAHEAD)
        self._free: Ticks = 0
        self._made = 0
        self._agenda: list[tuple[Ticks, int, Callable[[], None]]] = []
        self._order = 0
        self._wake: Ticks = 0
        self.now: Ticks = 0
        self.hops: list[HopInput] = []

    def at(self, time_s: float, do: Callable[[], None]) -> None:
        self._at(ticks(time_s), do)

    def _at(self, when: Ticks, do: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (when, self._order, do))

    def push_at(self, time_s: float, samples: np.ndarray) -> None:
        self.at(time_s, lambda: self.session.push(samples, self.rate_hz, self.now, self.live))

    def end_at(self, time_s: float) -> None:
        self.at(time_s, lambda: self.session.end(self.now))

    def _feed(self) -> None:
        for hop in self.session.due(self.now):
            self.hops.append(hop)
            work = ticks(self.work_s(self._made) if hop.paint else self.hear_s)
            self._made += hop.paint
            self._free = max(self._free, self.now) + work
            video = self.engine.step([hop])[0].video
            took = self._free - self.now
            image = video.image if video.image.size else None
            self._at(
                self._free,
                lambda v=video, i=image, t=took, w=work: self.session.painted(v.pts, i, v.epoch, t, w),
            )
        wake = self.session.next_due(self.now)
        if wake > self.now and not self.now < self._wake <= wake:
            self._wake = wake
            self._at(wake, lambda: None)

    def _slot(self) -> None:
        self.units.append(self.session.tick())
        self.events += self.session.take_events()

    def run(self, duration_s: float) -> World:
        """Warms up with the clock at 0, then plays."""
        planned, self._agenda = self._agenda, []
        self._feed()
        for _ in range(12):
            due, self._agenda = sorted(self._agenda), []
            for _, _, do in due:
                do()
            self._feed()
        self._agenda, self._free = planned, 0
        heapq.heapify(self._agenda)
        self.session.begin()
        for slot in range(round(duration_s * 25)):
            self._at(slot * FRAME_TICKS, self._slot)
        while self._agenda and self._agenda[0][0] <= ticks(duration_s):
            self.now, _, do = heapq.heappop(self._agenda)
            do()
            self._feed()
        return self

    # -- what was seen and heard -------------------------------------------------------------------------

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate([unit.sound for unit in self.units])

    def spoken(self) -> np.ndarray:
        return np.concatenate([unit.sound for unit in self.units if unit.speech])

    def first_spoken_s(self) -> float:
        return next(seconds(unit.slot * FRAME_TICKS) for unit in self.units if unit.speech)

    def pictures(self) -> list[tuple[int, int]]:
        """(slot, what the picture says) of each new picture."""
        return [(u.slot, read_code(u.picture)) for u in self.units if u.picture is not None]


def voice(duration_s: float, seed: int = 0) -> np.ndarray:
    count = round(duration_s * 48_000)
    return (np.random.default_rng(seed).standard_normal(count) * 0.1).astype(np.float32)


def push_packets(
    world: World, sound: np.ndarray, begin_s: float, delay_s: Sequence[float] | float = 0.0, pace: float = 1.0
) -> float:
    """20 ms pieces, each pushed when it is complete plus its delay, never out of order.

    Returns when the last one is pushed.
    """
    latest = 0.0
    for i, at in enumerate(range(0, len(sound), PACKET_TICKS)):
        late = delay_s if isinstance(delay_s, float) else delay_s[i % len(delay_s)]
        latest = max(latest, begin_s + (i + 1) * 0.02 * pace + late)
        world.push_at(latest, sound[at : at + PACKET_TICKS])
    return latest


def test_idle_face_moves_25_times_a_second():
    world = World().run(4)
    assert len(world.pictures()) == 100
    assert world.session.state is State.IDLE
    assert not world.sound.any()


def test_what_is_heard_is_exactly_what_was_said():
    world, said = World(), voice(3)
    for i in range(0, len(said), 7001):
        world.push_at(1 + i / 200_000, said[i : i + 7001])
    world.end_at(2)
    world.run(7)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    # The first 5 ms are faded in; everything else is the sound itself.
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300 : len(said)])
    assert world.session.stats.underruns == 0


def test_a_picture_shows_the_sound_of_its_own_slot():
    world = World()
    world.end_at(push_packets(world, voice(2), 1.0))
    world.run(5)
    contents = {u.slot: u.pts for u in world.units if u.pts is not None}
    for slot, code in world.pictures():
        assert code * FRAME_TICKS == contents[slot]


def test_real_time_speech_stays_within_the_latency_it_promises():
    world = World()
    world.end_at(push_packets(world, voice(5), 1.0))
    world.run(8)
    latencies = sorted(seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech)
    # 20 ms packet + 20 ms until the hop is full + 80 ms look-ahead + delay and slot grid.
    assert latencies[len(latencies) // 2] <= 0.200
    assert latencies[int(len(latencies) * 0.95)] <= 0.240


def test_speech_that_is_there_pays_no_look_ahead():
    world = World()
    world.push_at(1.0, voice(1.9))
    world.end_at(1.0)
    world.run(4)
    assert world.first_spoken_s() - 1.0 <= 0.121
    assert world.session.stats.held <= 1


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(0, 0.06), min_size=5, max_size=50))
def test_jitter_of_60_ms_puts_no_zero_into_speech(delays: list[float]):
    world, said = World(), voice(6)
    world.end_at(push_packets(world, said, 1.0, delays))
    world.run(9)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300:])
    assert world.session.stats.underruns == 0


def test_interruption_is_heard_at_once_and_nothing_old_comes_after():
    world, old, new = World(), voice(2, 1), voice(1, 2)
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


def test_pictures_go_on_after_an_interruption():
    world = World()
    world.push_at(1.0, voice(1.9))
    world.at(1.7, lambda: world.session.interrupt(world.now))
    world.run(4)
    slots = [slot for slot, _ in world.pictures()]
    gaps = np.diff(slots)
    assert gaps.max() <= 3


def test_events_frame_what_is_played():
    world = World()
    world.push_at(1.0, voice(1.0))
    world.end_at(1.0)
    world.run(4)
    assert [e.kind for e in world.events] == ["speaking_started", "speaking_finished"]
    started, finished = world.events
    assert finished.at - started.at == finished.position
    assert abs(seconds(finished.position) - 1.0) <= 0.05


def test_a_stalled_engine_holds_the_picture_and_not_the_sound():
    world, said = World(work_s=lambda i: 1.5 if i == 100 else 0.015), voice(6)
    world.end_at(push_packets(world, said, 1.0))
    world.run(10)
    silent = [u for u in world.units if u.speech and not u.sound.any()]
    assert not silent
    heard = world.spoken()
    assert len(heard) >= len(said)
    assert max(np.diff([slot for slot, _ in world.pictures()])) * 0.04 < 1.9


@pytest.mark.parametrize("work_s", [0.06, 0.12])
def test_an_engine_slower_than_real_time_loses_pictures_and_no_sound(work_s: float):
    world, said = World(work_s=lambda _: work_s), voice(8)
    world.end_at(push_packets(world, said, 1.0))
    world.run(12)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300:])
    rate = len(world.pictures()) / 12
    assert rate > 0.7 / work_s
    assert max(u.behind for u in world.units) <= 2 * FRAME_TICKS


def test_a_machine_too_slow_for_a_live_voice_paints_plainly_and_answers_sooner():
    def late_s(plain_s: float) -> tuple[float, World]:
        world = World(live=True)
        world.work_s = lambda _: plain_s if world.session.status()["plain"] else 0.036
        push_packets(world, voice(30), 1.0)
        world.run(30)
        late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
        return sorted(late[-250:])[125], world

    plainly, world = late_s(0.02)
    assert [hop.controls.inference_steps for hop in world.hops[-5:]] == [0] * 5
    assert world.session.controls.inference_steps == Controls().inference_steps
    assert plainly < late_s(0.036)[0]


def test_every_hop_reaches_the_engine_without_a_gap():
    world = World(work_s=lambda i: 0.09 if i % 3 else 0.01)
    push_packets(world, voice(3), 1.0, [0.0, 0.05, 0.01])
    world.at(2.0, lambda: world.session.interrupt(world.now))
    world.run(5)
    assert [hop.pts for hop in world.hops] == [i * FRAME_TICKS for i in range(len(world.hops))]


def drifting(share: float, live_s: float = 60) -> World:
    """A microphone whose clock is off by `share`, speaking with pauses."""
    world = World(live=True)
    sound = voice(live_s)
    for begin in range(0, len(sound), 4 * 48_000):
        sound[begin : begin + 48_000] = 0
    push_packets(world, sound, 1.0, pace=1 + share)
    return world.run(live_s)


@pytest.mark.parametrize("share", [-0.01, 0.01])
def test_a_microphone_with_a_wrong_clock_stays_close(share: float):
    world = drifting(share)
    late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
    assert max(late[len(late) // 2 :]) < 0.36
    assert world.session.stats.underruns <= 1  # where the test's microphone ends


def test_after_a_hiccup_live_delay_comes_back():
    world = World(live=True)
    sound = voice(30)
    for begin in range(0, len(sound), 3 * 48_000):
        sound[begin : begin + 24_000] = 0
    delays = [0.0] * 500 + [0.7] * 10 + [0.0] * 990
    push_packets(world, sound, 1.0, delays)
    world.run(30)
    late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
    assert max(late[-100:]) < 0.4


def test_a_source_that_forgets_its_end_is_played_out():
    world, said = World(), voice(0.5)
    world.push_at(1.0, said)
    world.run(3)
    assert len(np.flatnonzero(world.sound)) >= len(said) - 10
    assert world.session.state is State.IDLE
    assert [e.kind for e in world.events][-1] == "speaking_finished"


def test_a_script_is_asked_to_wait_beyond_two_seconds():
    world = World()
    assert world.session.has_room
    world.session.push(voice(2.2), 48_000, 0)
    assert not world.session.has_room


def test_a_closed_session_takes_no_sound_and_asks_for_nothing():
    session = World().session
    session.close()
    assert session.state is State.CLOSED
    assert session.due(0) == []
    with pytest.raises(BadInputError, match="closed"):
        session.push(voice(0.1), 48_000, 0)


def test_status_is_plain_numbers_and_words():
    told = World().run(1).session.status()
    assert told["state"] == "idle" and told["played"] == 25
    assert all(isinstance(value, int | float | str) for value in told.values())


def test_live_sound_far_behind_is_given_up_and_the_face_comes_to_rest():
    world = World(live=True)
    world.push_at(1.0, voice(5.0))
    world.end_at(1.01)
    world.run(6)
    stats = world.session.stats
    assert stats.discarded > 50
    spoken = sum(u.speech for u in world.units) / 25
    assert spoken < 1.5
    assert world.session.state is State.IDLE
    assert [e.kind for e in world.events] == ["speaking_started", "speaking_finished"]


def test_a_muted_microphone_lets_the_face_rest():
    world = World(live=True)
    push_packets(world, np.concatenate([voice(2), np.zeros(3 * 48_000, np.float32)]), 1.0)
    world.run(6)
    assert [e.kind for e in world.events][:2] == ["speaking_started", "speaking_finished"]
    assert world.events[1].at - world.events[0].at < ticks(2.9)


def test_after_the_server_stood_still_live_delay_comes_back_without_a_pause_in_speech():
    world = World(live=True)
    push_packets(world, voice(28), 1.0)
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


def test_marks_are_told_when_their_sound_plays():
    world = World()
    rate = 48_000

    def speak() -> None:
        for i in range(3):
            world.session.mark(f"sentence {i}")
            world.session.mark(f"word of {i}", rate // 2)
            world.session.push(voice(1.0, i), rate, world.now)
        world.session.end(world.now)

    world.at(1.0, speak)
    world.run(6)
    marks = [e for e in world.events if e.kind == "mark"]
    assert [e.mark for e in marks] == [f"{kind} {i}" for i in range(3) for kind in ("sentence", "word of")]
    assert [seconds(e.position) for e in marks] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5], abs=0.05)
    started = world.events[0]
    assert all(e.at - started.at == e.position for e in marks)


def test_marks_of_what_was_interrupted_are_never_told():
    world = World()

    def speak() -> None:
        world.session.mark("heard")
        world.session.push(voice(1.5), 48_000, world.now)
        world.session.mark("not heard")
        world.session.push(voice(0.4), 48_000, world.now)
        world.session.end(world.now)

    world.at(1.0, speak)
    world.at(1.8, lambda: world.session.interrupt(world.now))
    world.push_at(2.5, voice(1.0))
    world.end_at(2.5)
    world.run(5)
    assert [e.mark for e in world.events if e.kind == "mark"] == ["heard"]
