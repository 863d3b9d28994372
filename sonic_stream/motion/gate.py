"""Does somebody speak? The rule that shuts the mouth at the end of speech and keeps it shut in noise.

Three witnesses per hop: the network's own speech output, the energy over a tracked noise floor, and how
long it has been quiet. The gate opens at once and closes within 120 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.motion.features import LOG_FLOOR
from sonic_stream.types import F32

OPEN_AT, CLOSE_AT = 0.6, 0.4
"""Speech probability that opens the gate, and below which it closes."""
CERTAIN = 0.9
"""From this probability on a quiet sound is believed to be speech all the same (a whisper, a singer)."""
CLEAR_NATS = 1.2
"""Loudness over the noise floor that counts as sound (5 dB)."""
SILENCE_NATS = LOG_FLOOR + 2.5
"""Below this no microphone hears anybody."""
FLOOR_FALL, FLOOR_RISE, FLOOR_RISE_IN_SPEECH = 0.3, 0.02, 0.0005
"""Share of the way that the floor goes in a hop to a quieter sound, to a louder one that is no speech
(a few seconds), and to speech (minutes)."""
LONGEST_CLOSURE_HOPS = 5
"""Quiet that a stop consonant may last (200 ms)."""
LONGEST_SILENCE_HOPS = 3
"""The same where there is no sound at all, not even a room's."""
CUT_HOPS = 3
"""Pictures in which a mouth that is interrupted shuts, whatever it still hears of the sound nobody will."""
RISE, FALL = 0.5, 0.4
"""Change of the gate in one hop: two pictures to open, three to shut."""


@dataclass(slots=True)
class Gate:
    """One slot's gate; `value` runs from 0 (at rest) to 1 (speaking)."""

    value: float = 0.0
    speaking: bool = False
    floor: float = LOG_FLOOR + 4
    quiet_hops: int = 0
    cut_hops: int = 0

    def cut(self) -> None:
        """The speech was interrupted: the mouth eases shut from the next picture on."""
        self.cut_hops, self.quiet_hops = CUT_HOPS, LONGEST_SILENCE_HOPS

    def step(self, probability: float, loudness: float) -> float:
        """`probability` 0..1 of speech at the picture shown; `loudness` of the newest hop (`loudness_of`)."""
        rise = FLOOR_RISE if probability < CLOSE_AT else FLOOR_RISE_IN_SPEECH
        self.floor += (loudness - self.floor) * (FLOOR_FALL if loudness < self.floor else rise)
        quiet = loudness < max(self.floor + CLEAR_NATS, SILENCE_NATS)
        # A feature window still holds the end of what was cut: no reason to wait for the next quiet.
        self.quiet_hops = self.quiet_hops + 1 if quiet or self.cut_hops else 0
        enough = CLOSE_AT if self.speaking else OPEN_AT
        self.speaking = probability > enough and not self.cut_hops and not self._over(probability, loudness)
        self.cut_hops = max(0, self.cut_hops - 1)
        self.value = float(np.clip(self.value + (RISE if self.speaking else -FALL), 0, 1))
        return self.value

    def _over(self, probability: float, loudness: float) -> bool:
        """Whether it has been quiet for longer than any sound of speech is."""
        if loudness < SILENCE_NATS:
            return self.quiet_hops > LONGEST_SILENCE_HOPS
        return self.quiet_hops > LONGEST_CLOSURE_HOPS and probability < CERTAIN


def loudness_of(mel_FM: F32) -> float:
    """Natural log of the mean power of a hop's log-mel frames, float32 [F, MELS]."""
    return float(np.log(np.mean(np.exp(mel_FM), dtype=np.float64)))
