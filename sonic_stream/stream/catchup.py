"""Keeps live sound near the present: delay that it can do without is cut out of it.

What could be spared differs from hop to hop; only the least of a while can be taken without regret. Pure
logic in Ticks, no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sonic_stream.stream.splice import LONGEST_CUT, SHORTEST_CUT
from sonic_stream.stream.stats import StreamStats
from sonic_stream.stream.timeline import InputTimeline
from sonic_stream.timebase import FRAME_TICKS, TICK_RATE, Ticks


@dataclass(frozen=True, slots=True)
class CatchUpSettings:
    """When how much may go."""

    excess: Ticks = 5 * FRAME_TICKS // 4
    """Delay that live sound could do without is cut out of it: what is over this ..."""
    excess_for: Ticks = TICK_RATE // 2
    """... when it could for so long ..."""
    small_excess_for: Ticks = 3 * TICK_RATE
    """... and all of it when it could for so long: a source whose clock runs slow eats it up by itself."""
    longest_silent_cut: Ticks = 3 * FRAME_TICKS // 4
    """Of a hop in which nobody speaks; a silent hop that is not needed at all is left out."""
    shorten_every: Ticks = 3 * TICK_RATE // 10
    """Within speech at most one cut (5-15 ms) in this time: 5 % at the most."""


class Spare:
    """The least that could be spared over the last `observe_for`."""

    def __init__(self, observe_for: Ticks) -> None:
        self._observe_for = observe_for
        self._seen: deque[tuple[Ticks, Ticks]] = deque()

    def restart(self) -> None:
        """What was observed counts no more."""
        self._seen.clear()

    def least(self, could: Ticks, now: Ticks) -> Ticks:
        """The hop at `now` could do without `could`; returns what every hop of the last while could do
        without, 0 until one has passed since something could be spared at all."""
        if could <= 0:
            self.restart()
            return 0
        self._seen.append((now, could))
        if now - self._seen[0][0] < self._observe_for:
            return 0
        while len(self._seen) > 1 and now - self._seen[1][0] >= self._observe_for:
            self._seen.popleft()
        return min(seen for _, seen in self._seen)

    def used(self, taken: Ticks) -> None:
        """`taken` was cut out."""
        self._seen = deque((at, seen - taken) for at, seen in self._seen)


class CatchUp:
    """One session's, working on its timeline."""

    def __init__(self, timeline: InputTimeline, stats: StreamStats, settings: CatchUpSettings) -> None:
        self._timeline, self._stats, self._settings = timeline, stats, settings
        self._small = Spare(settings.small_excess_for)
        self._large = Spare(settings.excess_for)
        self._last_cut: Ticks = 0

    def restart(self) -> None:
        """What was observed counts no more."""
        self._small.restart()
        self._large.restart()

    def hold_close(self, early: Ticks, now: Ticks) -> None:
        """Sound was complete `early` before its picture has to be asked for: leaves the next hop out if it is
        silent, or cuts a few ms out of it, where sound has long been early.

        A hop is complete when the packet with its end comes. What that packet brings beyond it has waited for
        nothing, so it can go; more than that, and the hop completes a packet later, for which there must be
        time.
        """
        hop = self._timeline.peek()
        assert hop is not None
        needless = self._needless(early, now)
        if hop.is_last or needless < SHORTEST_CUT:
            return
        taken = 0
        if hop.silent and needless >= FRAME_TICKS:
            self._timeline.take()
            taken = FRAME_TICKS
            self._stats.trimmed += 1
        elif hop.silent:
            taken = self._timeline.shorten_next(now, min(needless, self._settings.longest_silent_cut))
        elif now - self._last_cut >= self._settings.shorten_every:
            taken = self._timeline.shorten_next(now, min(needless, LONGEST_CUT))
            self._last_cut = now
            self._stats.shortened += 1
        self._small.used(taken)
        self._large.used(taken)

    def _needless(self, early: Ticks, now: Ticks) -> Ticks:
        packet = min(self._timeline.packet, FRAME_TICKS)
        could = self._timeline.rest + early // packet * packet if early >= 0 and packet else 0
        large = self._large.least(could - self._settings.excess, now)
        return max(large, self._small.least(could, now))
