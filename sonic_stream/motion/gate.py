"""Does somebody speak? The rule that shuts the mouth at the end of speech and keeps it shut in noise.

Three witnesses per hop: the network's own speech output, the energy over a tracked noise floor, and
the time since either last said yes. The gate opens at once and closes within 120 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.motion.features import LOG_FLOOR
from sonic_stream.types import F32

OPEN_AT, CLOSE_AT = 0.6, 0.4
"""Speech probability that opens the gate, and below which it closes."""
CLEAR_NATS = 1.2
"""Loudness over the noise floor that counts as sound (5 dB)."""
SILENCE_NATS = LOG_FLOOR + 2.5
"""Below this no microphone hears anybody."""
FLOOR_RISE = 0.02
"""The floor follows a louder background by 2 % of the way a hop: a few seconds."""
RISE, FALL = 0.5, 0.4
"""Change of the gate in one hop: two pictures to open, three to shut."""


@dataclass(slots=True)
class Gate:
    """One slot's gate; `value` runs from 0 (at rest) to 1 (speaking)."""

    value: float = 0.0
    speaking: bool = False
    floor: float = LOG_FLOOR + 4
    quiet_hops: int = 0

    def step(self, probability: float, loudness: float) -> float:
        """`probability` 0..1 of speech at the picture shown; `loudness` of its sound, natural-log power."""
        self.floor += (loudness - self.floor) * (0.3 if loudness < self.floor else FLOOR_RISE)
        quiet = loudness < max(self.floor + CLEAR_NATS, SILENCE_NATS)
        self.quiet_hops = self.quiet_hops + 1 if quiet else 0
        enough = CLOSE_AT if self.speaking else OPEN_AT
        self.speaking = probability > enough and loudness_allows(self.quiet_hops, loudness)
        change = RISE if self.speaking else -FALL
        self.value = float(np.clip(self.value + change, 0, 1))
        return self.value


def loudness_allows(quiet_hops: int, loudness: float) -> bool:
    """Silence may last as long as a stop's closure (200 ms) before it ends speech for certain."""
    return quiet_hops <= 5 and not (quiet_hops > 3 and loudness < SILENCE_NATS)


def loudness_of(mel_FM: F32) -> float:
    """Natural log of the mean power of a hop's log-mel frames, float32 [F, MELS]."""
    return float(np.log(np.mean(np.exp(mel_FM), dtype=np.float64)))
