"""A session, a stand-in engine and a clock that jumps: sound arrives, pictures are made, slots are played."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from sonic_stream.engine.base import HopInput
from sonic_stream.engine.fake import FakeEngine, read_code
from sonic_stream.stream.align import Unit
from sonic_stream.stream.events import Event
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


@pytest.fixture(scope="session")
def stage() -> SimpleNamespace:
    """`World`, `voice` and `push`: what tests of a whole session are made of."""
    return SimpleNamespace(World=World, voice=voice, push=push_packets)
