"""How much of what the microphone hears is the avatar's own voice, coming back from a loudspeaker.

Levels in bands are compared, not waves: a browser's echo canceller, a room and a codec leave no wave that
could be matched. Learned while the avatar speaks: how late its sound comes back, and how loud in each
band. What the microphone hears beyond that is somebody else. Pure logic on 16 kHz sound, no clock: one hop
of what is played goes in with each hop that is heard.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.types import F32

FRAME_SAMPLES = HOP_SAMPLES // 2
"""20 ms: levels are compared in such frames."""
BAND_EDGES_HZ = (150, 300, 500, 800, 1250, 2000, 3200, 5000)
BANDS = len(BAND_EDGES_HZ) - 1
LONGEST_DELAY_FRAMES = 30
"""600 ms from the server's sender to the microphone's packet: a phone on a bad net."""
MEMORY_FRAMES = 150
"""Three seconds of speech teach delay and coupling."""
ENOUGH_FRAMES = 25
"""Frames of the avatar's speech (half a second) before what was learned is believed."""
PRIOR_COUPLING_DB = 0.0
"""How loud the echo may be until that is known: as loud as the avatar itself."""
CERTAIN = 0.88
"""Share of the frames heard while only the avatar spoke that stay below the echo as it is learned ..."""
MARGIN_DB = 3.0
"""... and the rest of them by not more than about this."""
SPREAD_FRAMES = 2
"""A frame's echo may come this much earlier or later."""
REVERBERATION = 0.7
"""Share of a frame's echo that the room still holds in the next (60 dB in 0.8 s)."""
PLAYING_DB = -55.0
"""Below this the avatar counts as silent."""
_SILENCE = 1e-10

_hz = np.fft.rfftfreq(FRAME_SAMPLES, 1 / MODEL_RATE_HZ)
_FILTERS = np.stack([(_hz >= low) & (_hz < high) for low, high in pairwise(BAND_EDGES_HZ)], 1).astype(
    np.float64
)
_WINDOW = np.hanning(FRAME_SAMPLES)
_SCALE = 2 / (FRAME_SAMPLES * np.sum(_WINDOW**2))


def band_powers(hop: F32) -> F32:
    """float32 [2, BANDS], mean square in each band of both frames of a hop."""
    frames = hop.reshape(2, FRAME_SAMPLES) * _WINDOW
    power = np.abs(np.fft.rfft(frames)) ** 2 @ _FILTERS * _SCALE
    return np.asarray(power + _SILENCE, np.float32)


def decibel(power: F32 | float) -> F32:
    return np.asarray(10 * np.log10(np.maximum(power, _SILENCE)), np.float32)


class EchoGuard:
    """One session's knowledge of its loudspeaker and room; lasts as long as the session."""

    def __init__(self) -> None:
        shape = (LONGEST_DELAY_FRAMES + MEMORY_FRAMES, BANDS)
        self._played = np.full(shape, _SILENCE, np.float32)
        self._reach = np.full(shape, _SILENCE, np.float32)  # the same, swollen and with the room's tail
        self._heard = np.full((MEMORY_FRAMES, BANDS), _SILENCE, np.float32)
        self._coupling_db = np.full(BANDS, PRIOR_COUPLING_DB, np.float32)
        self._known = False
        self.delay_frames = 0
        """From playing to hearing, as far as it is known."""

    @property
    def coupling_db(self) -> float:
        """Level of the echo against the avatar's own, median over the bands."""
        return float(np.median(self._coupling_db))

    @property
    def is_playing(self) -> bool:
        """The avatar's sound may reach the microphone about now."""
        return bool(decibel(self._played[-LONGEST_DELAY_FRAMES:].sum(1).max()) > PLAYING_DB)

    def hear(self, heard: F32, played: F32) -> float:
        """The share 0..1 of a hop's energy that is no echo; float32 [HOP_SAMPLES] at 16 kHz both."""
        heard_powers, played_powers = band_powers(heard), band_powers(played)
        for frame in played_powers:
            self._played = np.concatenate([self._played[1:], frame[None]])
            swollen = self._played[-1 - 2 * SPREAD_FRAMES :].max(0)
            reach = np.maximum(swollen, self._reach[-1] * REVERBERATION)
            self._reach = np.concatenate([self._reach[1:], reach[None]]).astype(np.float32)
        self._heard = np.concatenate([self._heard[2:], heard_powers])
        if decibel(played_powers.sum(1).max()) > PLAYING_DB:
            self._learn()
        beyond = [self._beyond(heard_powers[i], 1 - i) for i in range(2)]
        return float(sum(beyond) / heard_powers.sum())

    def _beyond(self, heard: F32, frames_ago: int) -> float:
        """The energy of one frame that its echo does not explain."""
        end = len(self._reach) - frames_ago
        if self._known:
            source = self._reach[end - 1 - max(0, self.delay_frames - SPREAD_FRAMES)]
        else:
            source = self._reach[end - LONGEST_DELAY_FRAMES : end].max(0)
        echo = source * 10 ** ((self._coupling_db + MARGIN_DB) / 10)
        return float(np.maximum(0, heard - echo).sum())

    def _learn(self) -> None:
        """Delay by the likeness of both levels over time, coupling by how far they then lie apart."""
        heard = decibel(self._heard)
        likeness = [
            _likeness(heard, decibel(_ago(self._played, delay))) for delay in range(LONGEST_DELAY_FRAMES + 1)
        ]
        delay = int(np.argmax(likeness))
        active = decibel(_ago(self._played, delay).sum(1)) > PLAYING_DB
        if active.sum() < ENOUGH_FRAMES:
            return
        self.delay_frames, self._known = delay, True
        source = decibel(_ago(self._reach, max(0, delay - SPREAD_FRAMES)))
        apart = np.quantile(heard[active] - source[active], CERTAIN, axis=0)
        self._coupling_db = apart.astype(np.float32)


def _ago(track: F32, frames: int) -> F32:
    """The last `MEMORY_FRAMES` of a track as they were so many frames ago."""
    end = len(track) - frames
    return track[end - MEMORY_FRAMES : end]


def _likeness(a: F32, b: F32) -> float:
    """Correlation of two level tracks, each band around its own mean."""
    a, b = a - a.mean(0), b - b.mean(0)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
