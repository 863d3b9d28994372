"""Small things a face does by itself: nods of a listener, and expressions of a fraction of a second.

Seeded, stepped once per picture, numpy only.
"""

from __future__ import annotations

import math

import numpy as np

from sonic_stream.timebase import FPS
from sonic_stream.types import F32, FACE_CHANNELS

STEP_S = 1 / FPS
DEGREE = math.pi / 180
AT = {name: i for i, name in enumerate(FACE_CHANNELS)}

MICRO_EXPRESSIONS: tuple[tuple[dict[str, float], float], ...] = (
    ({"brow_inner": 0.28, "brow_outer": 0.32}, 0.36),
    ({"brow_inner": 0.3}, 0.5),
    ({"brow_down": 0.22, "squint": 0.1}, 0.5),
    ({"squint": 0.26}, 0.45),
    ({"smile": 0.16}, 0.9),
    ({"frown": 0.2, "brow_down": 0.08}, 0.5),
    ({"wide": 0.22}, 0.3),
)
"""(face channels at the height, seconds)."""
TALKING_MICRO_S, IDLE_MICRO_S = 4.0, 9.0
"""Mean time between two."""
MICRO_REST_S = 0.8

NOD_S = 0.46
"""One nod down and up."""
NODS_IN_A_ROW = (1, 1, 2, 2, 3)
FIRST_NOD_S, LATER_NOD_S = (0.8, 2.0), (2.2, 6.0)
NOD = (2.2 * DEGREE, 4.6 * DEGREE)


class Gestures:
    """One slot's; `step` gives what is added to FACE_CHANNELS."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._micro_in_s = float(self._rng.exponential(IDLE_MICRO_S) + 1)
        self._micro, self._micro_age_s, self._micro_gain = 0, math.inf, 0.0
        self._nod_in_s = 0.0
        self._nod_age_s, self._nods, self._nod_depth = math.inf, 0, 0.0
        self._listened = False

    def step(self, speaking: float, listening: bool) -> F32:
        """float32 [17]; a nod that has begun is finished also when nobody listens any longer."""
        face = np.zeros(len(FACE_CHANNELS), np.float32)
        self._add_micro(face, speaking)
        self._add_nod(face, listening)
        return face

    def _add_micro(self, face: F32, speaking: float) -> None:
        self._micro_in_s -= STEP_S
        self._micro_age_s += STEP_S
        channels, length_s = MICRO_EXPRESSIONS[self._micro]
        if self._micro_in_s <= 0 and self._micro_age_s > length_s:
            self._micro = int(self._rng.integers(len(MICRO_EXPRESSIONS)))
            self._micro_age_s, self._micro_gain = 0.0, float(self._rng.uniform(0.5, 1.0))
            mean_s = TALKING_MICRO_S if speaking > 0.5 else IDLE_MICRO_S
            self._micro_in_s = MICRO_REST_S + float(self._rng.exponential(mean_s - MICRO_REST_S))
            channels, length_s = MICRO_EXPRESSIONS[self._micro]
        if self._micro_age_s < length_s:
            height = self._micro_gain * math.sin(math.pi * (self._micro_age_s + STEP_S / 2) / length_s) ** 2
            for name, value in channels.items():
                face[AT[name]] += height * value

    def _add_nod(self, face: F32, listening: bool) -> None:
        if listening and not self._listened:
            self._nod_in_s = float(self._rng.uniform(*FIRST_NOD_S))
        self._listened = listening
        self._nod_age_s += STEP_S
        if listening:
            self._nod_in_s -= STEP_S
            if self._nod_in_s <= 0:
                self._nod_age_s = 0.0
                self._nods = int(self._rng.choice(NODS_IN_A_ROW))
                self._nod_depth = float(self._rng.uniform(*NOD))
                self._nod_in_s = self._nods * NOD_S + float(self._rng.uniform(*LATER_NOD_S))
        if self._nod_age_s < self._nods * NOD_S:
            turn, within = divmod(self._nod_age_s + STEP_S / 2, NOD_S)
            depth = self._nod_depth * 0.75**turn  # each smaller than the one before
            face[AT["pitch"]] += depth * math.sin(math.pi * within / NOD_S) ** 2
