"""Limits of one session, in Ticks."""

from __future__ import annotations

from dataclasses import dataclass, field

from sonic_stream.stream.catchup import CatchUpSettings
from sonic_stream.stream.delay import DelaySettings
from sonic_stream.stream.economy import EconomySettings
from sonic_stream.timebase import FRAME_TICKS, TICK_RATE, Ticks


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Limits of one session, in Ticks."""

    run_ahead: Ticks = 3 * FRAME_TICKS
    """Sound that is there early is handed to the engine this much before the delay asks for it."""
    queue_limit: Ticks = 2 * TICK_RATE
    """A scripted source (a TTS) is asked to wait beyond this."""
    live_backlog_limit: Ticks = TICK_RATE
    """A live source's sound beyond this is given up."""
    busy_limit: int = 3
    """Pictures the engine may have in hand; one less when it is slower than real time."""
    stall_limit: int = 25
    """Hops it may have in hand in all: beyond that it stands still, and so does the sound."""
    hold_slots: int = 3
    """Slots a starved face is held before it eases into idling."""
    patience: Ticks = 3 * FRAME_TICKS
    """A tail shorter than a hop waits this long for the rest of it."""
    pause_slots: int = 15
    """A live speaker who is silent this long has finished."""
    catch_up: CatchUpSettings = field(default_factory=CatchUpSettings)
    delay: DelaySettings = field(default_factory=DelaySettings)
    economy: EconomySettings = field(default_factory=EconomySettings)
