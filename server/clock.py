"""The media clock of one session: Ticks since its first packet was asked for.

Sound and picture of a session are timed, released and reported (RTCP) by this clock alone. It starts
when the connection stands, not when the offer comes, so that a slow connection makes no burst at the
start.
"""

from __future__ import annotations

import asyncio
import time

from sonic_stream.timebase import TICK_RATE, Ticks


class MediaClock:
    """Stands at 0 until `start`."""

    def __init__(self) -> None:
        self._origin_s = 0.0
        self.unix_origin_s = 0.0
        """Wall-clock time of tick 0, seconds since 1970."""
        self.started = asyncio.Event()

    def start(self) -> None:
        """Sets tick 0 to now; later calls do nothing."""
        if not self.started.is_set():
            self._origin_s = time.monotonic()
            self.unix_origin_s = time.time()
            self.started.set()

    def now(self) -> Ticks:
        if not self.started.is_set():
            return 0
        return int((time.monotonic() - self._origin_s) * TICK_RATE)

    async def sleep_until(self, when: Ticks) -> None:
        """Returns at tick `when` or at once if it has passed; the clock has to run."""
        wait = (when - self.now()) / TICK_RATE
        if wait > 0:
            await asyncio.sleep(wait)
