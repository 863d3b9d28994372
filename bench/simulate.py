"""A whole live session on a clock that jumps: a source, an engine that takes its time, play-out every 40 ms.

The session is the real one (`LiveSession`); engine and clock are made up, so half an hour passes in a minute
and every run is the same. Two usual designs are simulated beside it on the same arrivals.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sonic_stream.stream.align import Unit
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import FRAME_TICKS, PACKET_TICKS, TICK_RATE, Ticks, seconds, ticks
from sonic_stream.types import F32

LOOKAHEAD: Ticks = 2 * FRAME_TICKS
HEAR_S = 0.003
"""What the engine needs for a hop that it is told not to paint."""
NOTICED_S = 0.005
"""A gap in sound that is longer is a stall."""
SPEECH_S, PAUSE_S = 3.0, 1.0
"""The source speaks and pauses; a quarter of its sound is silence."""

Work = Callable[[float], float]
"""Seconds for a picture that is begun at this time (s)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`work` makes the engine's times from a random generator; `pace` 1.01: the source's clock runs 1 % slow,
    0.99: fast."""

    words: str
    work: Callable[[np.random.Generator], Work]
    pace: float = 1.0


def usual(comp_s: float = 0.02, spike_share: float = 0.0, spike_s: float = 0.25) -> Callable[..., Work]:
    """Around `comp_s` (log-normal, sigma 0.25), now and then `spike_s` more."""

    def make(rng: np.random.Generator) -> Work:
        def work(_: float) -> float:
            spike = spike_s if rng.random() < spike_share else 0.0
            return comp_s * float(rng.lognormal(0, 0.25)) + spike

        return work

    return make


def hiccup(at_s: float, for_s: float) -> Callable[..., Work]:
    """One picture takes `for_s`."""

    def make(rng: np.random.Generator) -> Work:
        plain, due = usual()(rng), [True]

        def work(now_s: float) -> float:
            if due[0] and now_s >= at_s:
                due[0] = False
                return for_s
            return plain(now_s)

        return work

    return make


def constant(comp_s: float) -> Callable[..., Work]:
    return lambda rng: lambda now_s: comp_s


SCENARIOS = {
    "quiet": Scenario("nothing wrong", usual()),
    "spiky": Scenario("spiky generator", usual(spike_share=0.0075)),
    "hiccup": Scenario("one 1.5 s hiccup", hiccup(100, 1.5)),
    "fast": Scenario("source clock 1 % fast", usual(), 0.99),
    "slow": Scenario("source clock 1 % slow", usual(), 1.01),
    "weak": Scenario("generator 3 % too slow", constant(0.04 * 1.03)),
}
"""Spikes: 0.75 % of 40 ms hops are as many a second as 3 % of 160 ms windows."""


@dataclass
class World:
    """A live source that speaks from second 1 on, without an end."""

    scenario: Scenario
    duration_s: float
    seed: int = 1
    session: LiveSession[int] = field(init=False)
    units: list[tuple[int, Ticks | None, bool, int | None, Ticks]] = field(default_factory=list)
    """slot, content time, speech, picture, when its sound began at the source."""
    on_slot: Callable[[World], None] | None = None

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.session = LiveSession(0, LOOKAHEAD)
        self._work = self.scenario.work(rng)
        self._noise = (rng.standard_normal(PACKET_TICKS * 50) * 0.1).astype(np.float32)
        self._agenda: list[tuple[Ticks, int, Callable[[], None]]] = []
        self._order = 0
        self._free: Ticks = 0
        self._wake: Ticks = 0
        self._packet = 0
        self.now: Ticks = 0

    def _at(self, when: Ticks, do: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (when, self._order, do))

    def _sound(self, number: int) -> F32:
        at_s = number * PACKET_TICKS / TICK_RATE
        begin = number % 50 * PACKET_TICKS
        loud = at_s % (SPEECH_S + PAUSE_S) < SPEECH_S
        return self._noise[begin : begin + PACKET_TICKS] * np.float32(loud)

    def _arrival(self, number: int) -> Ticks:
        """When a packet is complete, on the server's clock."""
        return ticks(1 + (number + 1) * self.scenario.pace * PACKET_TICKS / TICK_RATE)

    def _push(self) -> None:
        self.session.push(self._sound(self._packet), TICK_RATE, self.now, live=True)
        self._packet += 1
        self._at(self._arrival(self._packet), self._push)

    def _feed(self) -> None:
        for hop in self.session.due(self.now):
            begin = max(self._free, self.now)
            work = ticks(self._work(seconds(begin)) if hop.paint else HEAR_S)
            self._free = begin + work
            pts, took = hop.pts - LOOKAHEAD, self._free - self.now
            picture = pts if hop.paint else None
            self._at(
                self._free,
                lambda p=pts, i=picture, e=hop.epoch, t=took, w=work: self.session.painted(p, i, e, t, w),
            )
        wake = self.session.next_due(self.now)
        if wake > self.now and not self.now < self._wake <= wake:
            self._wake = wake
            self._at(wake, lambda: None)

    def _slot(self) -> None:
        unit: Unit[int] = self.session.tick()
        self.session.take_events()
        # `handed`: when the first packet of the unit was complete, 20 ms after its sound began.
        began = unit.handed - PACKET_TICKS
        self.units.append((unit.slot, unit.pts, unit.speech, unit.picture, began))
        if self.on_slot is not None:
            self.on_slot(self)
        self._at((unit.slot + 1) * FRAME_TICKS, self._slot)

    def run(self) -> World:
        """Plays it all."""
        self.session.begin()
        self._feed()
        self._at(0, self._slot)
        self._at(self._arrival(0), self._push)
        while self._agenda[0][0] <= ticks(self.duration_s):
            self.now, _, do = heapq.heappop(self._agenda)
            do()
            self._feed()
        return self

    def latencies_ms(self) -> np.ndarray:
        """From a sound's beginning at the source to the slot that plays it."""
        return np.array(
            [
                (slot * FRAME_TICKS - began) * 1000 / TICK_RATE
                for slot, _, speech, _, began in self.units
                if speech
            ]
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one design in one scenario: latency in ms, stalls of the sound and still pictures a minute."""

    p50_ms: float
    p95_ms: float
    end_ms: float
    stalls_per_min: float
    still_per_min: float

    def as_text(self) -> str:
        stalls = f"{self.stalls_per_min:.1f}/{self.still_per_min:.0f}"
        return f"{self.p50_ms:.0f} / {self.p95_ms:.0f} / {self.end_ms:.0f} ms, {stalls}"


def outcome(latencies_ms: np.ndarray, stalls: int, still: int, duration_s: float) -> Outcome:
    return Outcome(
        round(float(np.percentile(latencies_ms, 50)), 1),
        round(float(np.percentile(latencies_ms, 95)), 1),
        round(float(latencies_ms[-25:].mean()), 1),
        round(stalls * 60 / duration_s, 2),
        round(still * 60 / duration_s, 1),
    )


def ours(scenario: Scenario, duration_s: float) -> Outcome:
    """The session as it is."""
    world = World(scenario, duration_s).run()
    stats = world.session.stats
    return outcome(world.latencies_ms(), stats.underruns, stats.held, duration_s)


def usual_designs(scenario: Scenario, duration_s: float) -> tuple[Outcome, Outcome]:
    """Sound that leaves with its picture: as soon as it is made (late ones back to back), and 100 ms after
    the first was made (what is missing is waited for)."""
    work = scenario.work(np.random.default_rng(1))
    hop_s, ahead = FRAME_TICKS / TICK_RATE, LOOKAHEAD // FRAME_TICKS
    count = int((duration_s - 2) / (hop_s * scenario.pace)) - ahead
    made, free = np.zeros(count), 0.0
    for k in range(count):
        complete = 1 + (k + 1 + ahead) * hop_s * scenario.pace
        begin = max(free, complete)
        made[k] = free = begin + work(begin)
    spoken = 1 + np.arange(count) * hop_s * scenario.pace
    unbuffered = _scheduled(made, spoken, hop_s, duration_s)
    return unbuffered, _waiting(made, spoken, hop_s, duration_s, 0.1)


def _scheduled(made: np.ndarray, spoken: np.ndarray, hop_s: float, duration_s: float) -> Outcome:
    played = np.maximum(made, made[0] + np.arange(len(made)) * hop_s)
    gaps = np.diff(played) - hop_s
    stalls, still = int((gaps > NOTICED_S).sum()), int((gaps / hop_s).round().clip(0, None).sum())
    kept = played < duration_s
    return outcome((played - spoken)[kept] * 1000, stalls, still, duration_s)


def _waiting(
    made: np.ndarray, spoken: np.ndarray, hop_s: float, duration_s: float, delay_s: float
) -> Outcome:
    played, at, stalls, still = np.zeros(len(made)), made[0] + delay_s, 0, 0
    for k, ready in enumerate(made):
        missed = 0
        while at < ready - 1e-9:
            at += hop_s
            missed += 1
        stalls += missed > 0
        still += missed
        played[k] = at
        at += hop_s
    kept = played < duration_s
    return outcome((played - spoken)[kept] * 1000, stalls, still, duration_s)
