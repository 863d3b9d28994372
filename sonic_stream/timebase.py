"""The one clock: integer ticks of 1/48000 s.

A picture lasts `FRAME_TICKS` (25 a second), an audio packet `PACKET_TICKS` (20 ms), a model hop is
`HOP_SAMPLES` samples at `MODEL_RATE_HZ` and lasts one picture. There are no float seconds inside the
engine; seconds appear only where a person reads or writes them.
"""

from typing import TypeAlias

Ticks: TypeAlias = int

TICK_RATE = 48_000
"""Ticks in a second, and the sample rate of all sound that is heard (Hz)."""

FPS = 25
FRAME_TICKS: Ticks = TICK_RATE // FPS
PACKET_TICKS: Ticks = TICK_RATE // 50
MODEL_RATE_HZ = 16_000
HOP_SAMPLES = FRAME_TICKS * MODEL_RATE_HZ // TICK_RATE


def seconds(ticks: Ticks) -> float:
    """Ticks as seconds, for people."""
    return ticks / TICK_RATE


def ticks(seconds_: float) -> Ticks:
    """The tick nearest to `seconds_`."""
    return round(seconds_ * TICK_RATE)
