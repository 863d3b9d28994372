"""How far ahead of its play-out a picture must be asked for: an adaptive delay.

Every picture is late by some amount: the lateness of its sound against the fastest recent sound plus
the time the engine took. The target is a high percentile of that over the last ten seconds plus a
margin; each underrun adds to it for a while. Ticks throughout, no clock.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from math import ceil

from sonic_stream.timebase import FRAME_TICKS, TICK_RATE, Ticks


@dataclass(frozen=True, slots=True)
class DelaySettings:
    """Limits of the adaptive delay."""

    quantile: float = 0.97
    margin: Ticks = TICK_RATE // 100
    shortest: Ticks = FRAME_TICKS
    longest: Ticks = 10 * FRAME_TICKS
    history: int = 256
    """Pictures looked back on (25 a second)."""
    boost: Ticks = FRAME_TICKS
    """Added at an underrun ..."""
    boost_limit: Ticks = 5 * FRAME_TICKS
    boost_decay: Ticks = TICK_RATE // 2500
    """... and taken back with every picture (10 ms a second)."""


class ArrivalClock:
    """Lateness of live sound against the fastest of its own recent arrivals.

    A window is what one push completes; only its first hop says how late the source runs, the others
    came early.
    """

    def __init__(self, history: int = 128) -> None:
        self._fastest: deque[Ticks] = deque(maxlen=history)

    def restart(self) -> None:
        """A new utterance: its schedule has nothing to do with the last one's."""
        self._fastest.clear()

    def window(self, arrival: Ticks, position: Ticks) -> None:
        """A window whose first hop lies at `position` of the utterance came at `arrival`."""
        self._fastest.append(arrival - position)

    def moved_up(self, by: Ticks) -> None:
        """`by` was cut out of the utterance: what follows lies that much earlier in it, and is not late."""
        self._fastest = deque((late + by for late in self._fastest), self._fastest.maxlen)

    def lateness(self, arrival: Ticks, position: Ticks) -> Ticks:
        """How much later than the fastest recent window's schedule, never negative."""
        if not self._fastest:
            return 0
        return max(0, arrival - position - min(self._fastest))


class DelayEstimator:
    """The target delay, from the lateness of pictures."""

    def __init__(self, settings: DelaySettings | None = None) -> None:
        self._settings = settings or DelaySettings()
        self._recent: deque[Ticks] = deque()
        self._sorted: list[Ticks] = []
        self._boost: Ticks = 0

    def add(self, late: Ticks) -> None:
        """One more picture, `late` Ticks after its sound could first have been there."""
        if len(self._recent) == self._settings.history:
            oldest = self._recent.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._recent.append(late)
        insort(self._sorted, late)
        self._boost = max(0, self._boost - self._settings.boost_decay)

    def restart(self) -> None:
        """From here on pictures are made otherwise: how late they were says nothing any more."""
        self._recent.clear()
        self._sorted.clear()

    def underrun(self) -> None:
        self._boost = min(self._settings.boost_limit, self._boost + self._settings.boost)

    def quantile(self, share: float) -> Ticks:
        if not self._sorted:
            return 0
        return self._sorted[max(0, ceil(share * len(self._sorted)) - 1)]

    @property
    def target(self) -> Ticks:
        """Ticks between asking for a picture and the slot that plays it."""
        s = self._settings
        wanted = self.quantile(s.quantile) + s.margin + self._boost if self._sorted else 2 * s.shortest
        return max(s.shortest, min(s.longest, wanted))
