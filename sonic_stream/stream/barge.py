"""When does the user speak? Decides it for every hop of the microphone, so that a voice may interrupt.

Four witnesses have to agree: the chance of speech (`sonic_stream.motion.hearing`), the level over a tracked
noise floor, the level over silence, and what is left when the avatar's own echo is taken away. Speech has
begun when most of the last hops were voice (160 ms in quiet, 200 ms while the avatar speaks), so that a
cough, a key or a drum interrupts nobody; it is over after half a second without. Pure logic, no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sonic_stream.stream.echo import EchoGuard, decibel
from sonic_stream.timebase import FRAME_TICKS, TICK_RATE, Ticks
from sonic_stream.types import F32


class Turn(Enum):
    """What changed with a hop."""

    BEGINS = "begins"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class BargeSettings:
    """Thresholds; hops are 40 ms."""

    likely: float = 0.7
    """Chance of speech from which a hop may be voice."""
    clear_db: float = 8.0
    """Over the noise floor."""
    audible_db: float = -52.0
    """Full scale; below this nobody talks into a microphone."""
    own_share: float = 0.5
    """Of the energy, at least, has to be no echo."""
    window: int = 6
    """Hops looked back on ..."""
    needed: int = 4
    """... of which so many have to be voice (160 ms) ..."""
    needed_while_playing: int = 5
    """... or so many while the avatar is heard (200 ms)."""
    pause: Ticks = TICK_RATE // 2
    """Without voice for so long, the user has finished."""
    warm_hops: int = 20
    """Nothing is believed so soon after the microphone opened (0.8 s); the floor is found meanwhile."""
    floor_fall: float = 0.3
    """Share of the way the floor goes in a hop to a quieter sound ..."""
    floor_rise: float = 0.02
    """... to a louder one that is no speech (a few seconds) ..."""
    floor_rise_in_speech: float = 0.002
    """... and to speech."""


class UserVoice:
    """The state of one microphone."""

    def __init__(self, settings: BargeSettings | None = None) -> None:
        self._settings = settings or BargeSettings()
        self.echo = EchoGuard()
        self._recent: deque[bool] = deque(maxlen=self._settings.window)
        self._quiet: Ticks = 0
        self._floor_db = -60.0
        self._heard_hops = 0
        self.speaking = False
        self.level_db = -100.0
        """Of the last hop, full scale."""
        self.duration: Ticks = 0
        """Of the speech that goes on or was last."""

    def hear(self, heard: F32, played: F32, chance: float) -> Turn | None:
        """One hop at 16 kHz of the microphone and of what the avatar plays meanwhile."""
        s = self._settings
        self.level_db = float(decibel(float(np.mean(np.square(heard, dtype=np.float64)))))
        own = self.echo.hear(heard, played)
        playing = self.echo.is_playing
        self._heard_hops += 1
        voice = (
            self._heard_hops > s.warm_hops
            and chance >= s.likely
            and self.level_db >= max(self._floor_db + s.clear_db, s.audible_db)
            and (own >= s.own_share or not playing)
        )
        self._follow_floor(chance)
        self._recent.append(voice)
        if self.speaking:
            return self._go_on(voice)
        needed = s.needed_while_playing if playing else s.needed
        if sum(self._recent) < needed:
            return None
        self.speaking, self._quiet = True, 0
        self.duration = len(self._recent) * FRAME_TICKS
        return Turn.BEGINS

    def _go_on(self, voice: bool) -> Turn | None:
        self._quiet = 0 if voice else self._quiet + FRAME_TICKS
        self.duration += FRAME_TICKS
        if self._quiet < self._settings.pause:
            return None
        self.speaking = False
        self.duration -= self._quiet
        self._recent.clear()
        return Turn.ENDS

    def _follow_floor(self, chance: float) -> None:
        s = self._settings
        level = max(self.level_db, -80.0)
        rise = s.floor_rise if chance < s.likely else s.floor_rise_in_speech
        if self._heard_hops <= s.warm_hops:
            rise = s.floor_fall
        self._floor_db += (level - self._floor_db) * (s.floor_fall if level < self._floor_db else rise)
