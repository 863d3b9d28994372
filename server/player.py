"""The pump of one session: on every slot of the media clock it takes a unit and gives it to both tracks.

It owns the session's tempo and nothing else: what a slot plays is decided by `LiveSession`, what it
looks like by the engine behind the bridge.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.bridge import EngineBridge, Painted
from server.clock import MediaClock
from server.tracks import PictureTrack, VoiceTrack
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import FRAME_TICKS, PACKET_TICKS, Ticks
from sonic_stream.types import U8

logger = logging.getLogger(__name__)

CATCH_UP_SLOTS = 1
"""Slots that may be played late, back to back; beyond that they are skipped."""


class Player:
    """Runs from `start` until `stop`; `on_failure` is called once if the engine gives up, `on_painted` for
    each picture."""

    def __init__(
        self,
        session: LiveSession[U8],
        bridge: EngineBridge,
        on_failure: Callable[[], None],
        on_painted: Callable[[Painted], None] | None = None,
    ) -> None:
        self.clock = MediaClock()
        self.voice = VoiceTrack(self.clock)
        self.pictures = PictureTrack(self.clock)
        self._session = session
        self._bridge = bridge
        self._on_failure = on_failure
        self._on_painted = on_painted
        self._ticked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.first_picture_at_s: float | None = None

    def start(self) -> None:
        """Asks for the first pictures at once; play-out begins when a track is first read."""
        self.feed()
        self._task = asyncio.create_task(self._run(), name="player")
        self._task.add_done_callback(self._check)

    async def stop(self) -> None:
        self.voice.stop()
        self.pictures.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._wake()

    def feed(self) -> None:
        """Hands the engine every hop that is due; called after each push, picture and slot."""
        hops = self._session.due(self.clock.now())
        if hops:
            self._bridge.submit(hops, self._painted)

    def hush(self) -> None:
        """After an interruption: what already left the session falls silent too."""
        self.voice.hush()
        self.feed()

    async def next_slot(self) -> None:
        """Returns after the next slot was played (or the player stopped)."""
        await self._ticked.wait()

    def _painted(self, painted: Painted | None) -> None:
        if painted is None:
            self._on_failure()
            return
        p = painted
        if self._on_painted is not None:
            self._on_painted(p)
        self._session.painted(p.pts, p.picture, p.epoch, p.took, p.work)
        self.feed()

    def _check(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("play-out failed", exc_info=task.exception())
            self._on_failure()

    async def _run(self) -> None:
        await self.clock.started.wait()
        self._session.begin()
        align = self._session.align
        while True:
            now = self.clock.now()
            behind = now // FRAME_TICKS - align.slot
            if behind > CATCH_UP_SLOTS:
                align.skip_slots(behind - CATCH_UP_SLOTS)
            while align.slot * FRAME_TICKS <= now:
                self._play_slot()
            self.feed()
            await self.clock.sleep_until(self._next_wake())

    def _next_wake(self) -> Ticks:
        now, slot = self.clock.now(), self._session.align.slot * FRAME_TICKS
        due = self._session.next_due(now)
        return min(due, slot) if due > now else slot

    def _play_slot(self) -> None:
        unit = self._session.tick()
        pts = unit.slot * FRAME_TICKS
        for at in range(0, FRAME_TICKS, PACKET_TICKS):
            self.voice.put(pts + at, unit.sound[at : at + PACKET_TICKS])
        if unit.picture is not None:
            self.pictures.put(pts, unit.picture)
        self._wake()

    def _wake(self) -> None:
        self._ticked.set()  # wakes everybody who waits now ...
        self._ticked.clear()  # ... and nobody who comes later
