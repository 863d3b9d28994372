"""Moods, and the looks of somebody who listens or thinks: where the face rests and how it behaves.

A mood has a resting expression (offsets of face channels, after the action units of Ekman and Friesen's
FACS: happy 6 + 12, sad 1 + 4 + 15, angry 4 + 5 + 7 + 23, surprised 1 + 2 + 5) and habits (how far, how
fast, how often). `MoodBlend` eases from one to another, so that a change in the middle of a word makes no
jump; what the voice does to the mouth stays the voice's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sonic_stream.timebase import FPS
from sonic_stream.types import F32, FACE_CHANNELS

DEGREE = math.pi / 180
AT = {name: i for i, name in enumerate(FACE_CHANNELS)}
EASE_S = 0.28
"""Time constant of each of two smoothers in a row: nine tenths of the way take 1.1 s."""


@dataclass(frozen=True, slots=True)
class Mood:
    """`face`: offsets of FACE_CHANNELS at full strength (`lids`: both droop, 0..1). The rest are factors."""

    face: dict[str, float] = field(default_factory=dict)
    amount: float = 1.0
    """Of the head's movement."""
    tempo: float = 1.0
    """Of its pace."""
    accents: float = 1.0
    """Of nods and brows on stressed syllables."""
    blinks: float = 1.0
    """Of the number of blinks."""


LOOKS: dict[str, Mood] = {
    "neutral": Mood(),
    "happy": Mood(
        {"smile": 0.6, "squint": 0.22, "brow_outer": 0.12, "brow_inner": 0.08, "pitch": -1.0 * DEGREE},
        amount=1.15,
        tempo=1.1,
        accents=1.2,
    ),
    "sad": Mood(
        {
            "frown": 0.6,
            "brow_inner": 0.75,
            "brow_down": 0.12,
            "lids": 0.14,
            "pitch": 3.5 * DEGREE,
            "gaze_y": 3.0 * DEGREE,
            "roll": 1.5 * DEGREE,
            "smile": -0.2,
        },
        amount=0.6,
        tempo=0.75,
        accents=0.6,
        blinks=1.2,
    ),
    "angry": Mood(
        {"brow_down": 0.9, "squint": 0.35, "wide": 0.12, "frown": 0.35, "pitch": 2.5 * DEGREE, "smile": -0.2},
        amount=0.95,
        tempo=1.2,
        accents=1.5,
        blinks=0.7,
    ),
    "surprised": Mood(
        {"brow_inner": 0.8, "brow_outer": 0.85, "wide": 0.65, "pitch": -2.0 * DEGREE, "shift_z": -0.01},
        amount=1.1,
        tempo=1.1,
        accents=1.3,
        blinks=0.6,
    ),
    "tender": Mood(
        {
            "smile": 0.3,
            "brow_inner": 0.35,
            "squint": 0.12,
            "lids": 0.08,
            "roll": 3.5 * DEGREE,
            "pitch": 1.0 * DEGREE,
        },
        amount=0.75,
        tempo=0.8,
        accents=0.8,
    ),
    "listening": Mood(
        {"brow_inner": 0.12, "brow_outer": 0.12, "smile": 0.08, "roll": 1.5 * DEGREE, "shift_z": 0.012},
        amount=0.8,
        blinks=0.9,
    ),
    "thinking": Mood(
        {"brow_down": 0.22, "brow_inner": 0.15, "squint": 0.12, "pitch": -1.0 * DEGREE, "yaw": 2.5 * DEGREE},
        amount=0.7,
        tempo=0.8,
        blinks=0.6,
    ),
}
"""The moods of `types.MOODS`, and what attention adds to them."""

NECK_SHIFT_PER_RADIAN = 0.25
"""The head turns about the neck: tilting it moves the face sideways, nodding it moves it down."""
EYES_HOLD = 0.85
"""Share of the head's turning that the eyes make good to keep looking at the viewer."""


def _offsets(face: dict[str, float]) -> F32:
    offsets = np.zeros(len(FACE_CHANNELS) + 1, np.float32)
    for name, value in face.items():
        offsets[-1 if name == "lids" else AT[name]] = value
    offsets[AT["gaze_x"]] -= EYES_HOLD * offsets[AT["yaw"]]
    offsets[AT["gaze_y"]] -= EYES_HOLD * offsets[AT["pitch"]]
    offsets[AT["shift_x"]] += NECK_SHIFT_PER_RADIAN * offsets[AT["roll"]]
    offsets[AT["shift_y"]] += NECK_SHIFT_PER_RADIAN * offsets[AT["pitch"]]
    return offsets


NAMES = {name: i for i, name in enumerate(LOOKS)}
OFFSETS = np.stack([_offsets(look.face) for look in LOOKS.values()])
HABITS = np.array([[m.amount, m.tempo, m.accents, m.blinks] for m in LOOKS.values()], np.float32)


@dataclass(frozen=True, slots=True)
class Habits:
    """Factors of a face's behaviour just now."""

    amount: float = 1.0
    tempo: float = 1.0
    accents: float = 1.0
    blinks: float = 1.0


class MoodBlend:
    """One slot's mood; `step` gives its expression and habits for the next picture."""

    def __init__(self) -> None:
        self._near, self._shown = np.zeros((2, len(LOOKS)), np.float32)
        self._begun = False

    def step(self, mood: str, amount: float, attention: str) -> tuple[F32, float, Habits]:
        """Offsets float32 [FACE_CHANNELS], droop of the lids 0..1, habits.

        The first picture has its mood at once: a clip does not begin with a change of face.
        """
        goal = np.zeros(len(LOOKS), np.float32)
        goal[NAMES[mood]] = amount
        if attention != "auto":
            goal[NAMES[attention]] = 1
        if not self._begun:
            self._near[:] = self._shown[:] = goal
            self._begun = True
        share = 1 - math.exp(-1 / (FPS * EASE_S))
        self._near += share * (goal - self._near)
        self._shown += share * (self._near - self._shown)
        offsets = self._shown @ OFFSETS
        amounts = 1 + self._shown @ (HABITS - 1)
        return offsets[:-1], float(offsets[-1]), Habits(*(float(a) for a in amounts))
