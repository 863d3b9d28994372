"""Head, gaze, lids, brows and breath: what a face does besides speaking.

Seeded and stepped once per picture, one object per slot, numpy only. The voice steers it loosely, as in
people: whether somebody speaks and how lively sets the amount, loud syllables set accents, ends of phrases
invite blinks; mood and attention change the habits. Amounts and rates follow measurements of talking
people (docs/motion.md).
"""

from __future__ import annotations

import math

import numpy as np

from sonic_stream.motion.gestures import Gestures
from sonic_stream.motion.moods import EYES_HOLD, NECK_SHIFT_PER_RADIAN, Habits
from sonic_stream.timebase import FPS
from sonic_stream.types import F32, FACE_CHANNELS

STEP_S = 1 / FPS
AT = {name: i for i, name in enumerate(FACE_CHANNELS)}
DEGREE = math.pi / 180

# Wandering: (channel, standard deviation while speaking, rate in Hz). A channel may have several.
WANDERS: tuple[tuple[str, float, float], ...] = (
    ("yaw", 2.1 * DEGREE, 0.05),
    ("yaw", 2.5 * DEGREE, 0.34),
    ("yaw", 0.9 * DEGREE, 1.0),
    ("pitch", 0.8 * DEGREE, 0.05),
    ("pitch", 2.2 * DEGREE, 0.36),
    ("pitch", 0.9 * DEGREE, 1.0),
    ("roll", 2.2 * DEGREE, 0.05),
    ("roll", 1.55 * DEGREE, 0.32),
    ("roll", 0.55 * DEGREE, 0.95),
    ("shift_x", 0.012, 0.07),
    ("shift_y", 0.008, 0.09),
    ("shift_z", 0.010, 0.06),
    ("brow_inner", 0.05, 0.15),
    ("brow_outer", 0.05, 0.15),
    ("brow_down", 0.03, 0.10),
    ("smile", 0.05, 0.05),
    ("squint", 0.03, 0.08),
)
WANDER_CHANNEL = np.array([AT[name] for name, _, _ in WANDERS])
WANDER_SPREAD = np.array([spread for _, spread, _ in WANDERS])
WANDER_RATE = 2 * math.pi * np.array([rate for _, _, rate in WANDERS])
WANDER_DAMPING = 0.7
IDLE_AMOUNT = 0.45
"""Share of the head's movement that is left while nobody speaks."""

ACCENT_RATE = 2 * math.pi * 1.7
ACCENT_CHANCE = 0.55
ACCENT_REST_S = 0.45
ACCENT_CHANNELS = np.array([AT["pitch"], AT["yaw"], AT["roll"], AT["brow_inner"], AT["brow_outer"]])
LARGEST_ACCENT = np.array([0.13, 0.13, 0.13, 0.45, 0.45])
ACCENT_SPREAD = np.array([4.2 * DEGREE, 3.4 * DEGREE, 2.0 * DEGREE, 0.22, 0.25])

TALKING_BLINK_S, IDLE_BLINK_S = 4.4, 5.3
"""Mean time from one spontaneous blink to the next; phrase ends and gaze shifts add more."""
BLINK_REST_S = 0.45
PHRASE_END_BLINK = 0.45
GAZE_BLINK = 0.6
GAZE_BLINK_FROM = 6 * DEGREE

TALKING_LOOK_S, TALKING_AWAY_S = 3.0, 0.9
IDLE_LOOK_S, IDLE_AWAY_S = 8.0, 0.4
THINKING_LOOK_S, THINKING_AWAY_S = 0.8, 2.2
THINKING_GAZE = 9 * DEGREE
"""How far up somebody looks who looks for an answer."""
MICRO_SACCADE_HZ = 1.4
MICRO_SACCADE = 0.35 * DEGREE
SACCADE_SHARE = 0.75
"""Part of the way to the new gaze that is made in one picture."""
LARGEST_GAZE = 25 * DEGREE

BREATH_HZ = 0.24
BREATH_SHIFT, BREATH_PITCH = 0.0035, 0.25 * DEGREE
LOUD_MEMORY_S = 1.0
AROUSAL_S, CALM_S = 0.7, 8.0
"""How lively a voice is: its loudness of late against that of the last seconds."""
AROUSAL_PER_NAT = 0.25
LEAST_AROUSAL, MOST_AROUSAL = 0.75, 1.35
STEADY = Habits()


class Behaviour:
    """One slot's face; `step` gives its FACE_CHANNELS for the next picture."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._wander, self._wander_speed = np.zeros((2, len(WANDERS)))
        self._accent, self._accent_speed, self._accent_goal = np.zeros((3, len(ACCENT_CHANNELS)))
        self._accent_left_s = self._since_accent_s = 0.0
        self._activity = 0.0
        self._loud_mean, self._loud_before = -12.0, -12.0
        self._was_speaking = False
        self._breath_phase = float(self._rng.uniform(0, 2 * math.pi))
        self._breath_hz = BREATH_HZ
        self._blink_in_s = float(self._rng.uniform(0.8, 4.0))
        self._blink_age_s = math.inf
        self._blink_shape = (0.09, 0.02, 0.24, 1.0)
        self._gaze, self._gaze_goal, self._gaze_base = np.zeros((3, 2))
        self._away = False
        self._attention = "auto"
        self._look_left_s = float(self._rng.exponential(IDLE_LOOK_S) + 1.0)
        self._breath_start = math.sin(self._breath_phase)
        self._gestures = Gestures(seed)
        self._loud_late: float | None = None
        self._loud_long = 0.0

    @property
    def arousal(self) -> float:
        """How lively the voice is, about 1; more when it rises over what it was in the last seconds."""
        if self._loud_late is None:
            return 1.0
        over = AROUSAL_PER_NAT * (self._loud_late - self._loud_long)
        return min(MOST_AROUSAL, max(LEAST_AROUSAL, 1 + over))

    def step(self, speaking: float, loudness: float, habits: Habits = STEADY, attention: str = "auto") -> F32:
        """The face while `speaking` (0..1) with `loudness` (natural-log power); float32 [17]."""
        self._activity += (speaking - self._activity) * STEP_S / 0.8
        self._hear(speaking, loudness)
        liveliness = 1 + (self.arousal - 1) * self._activity
        amount = (IDLE_AMOUNT + (1 - IDLE_AMOUNT) * self._activity) * liveliness * habits.amount
        face = np.zeros(len(FACE_CHANNELS))
        self._add_wander(face, amount, STEP_S * habits.tempo)
        self._add_accents(face, speaking, loudness, liveliness * habits.accents)
        face += self._gestures.step(speaking, attention == "listening")
        face[AT["shift_x"]] += NECK_SHIFT_PER_RADIAN * face[AT["roll"]]
        face[AT["shift_y"]] += NECK_SHIFT_PER_RADIAN * face[AT["pitch"]]
        self._add_breath(face)
        if self._was_speaking and speaking < 0.5 and self._rng.random() < PHRASE_END_BLINK:
            self._blink_in_s = min(self._blink_in_s, float(self._rng.uniform(0.0, 0.3)))
        self._was_speaking = speaking >= 0.5
        self._add_gaze(face, speaking, attention)
        self._add_blink(face, speaking, habits.blinks)
        for name in ("brow_inner", "brow_outer", "brow_down", "squint", "wide"):
            face[AT[name]] = max(0.0, face[AT[name]])
        return face.astype(np.float32)

    def _hear(self, speaking: float, loudness: float) -> None:
        if speaking < 0.5:
            return
        if self._loud_late is None:
            self._loud_late = self._loud_long = loudness
        self._loud_late += (loudness - self._loud_late) * STEP_S / AROUSAL_S
        self._loud_long += (loudness - self._loud_long) * STEP_S / CALM_S

    def _add_wander(
        self, face: np.ndarray[tuple[int], np.dtype[np.float64]], amount: float, step_s: float
    ) -> None:
        """Damped oscillators driven by noise: smooth, with most power about their rate."""
        drive = np.sqrt(4 * WANDER_DAMPING * WANDER_RATE**3) * WANDER_SPREAD
        push = drive * self._rng.standard_normal(len(WANDERS)) / math.sqrt(step_s)
        pull = 2 * WANDER_DAMPING * WANDER_RATE * self._wander_speed + WANDER_RATE**2 * self._wander
        self._wander_speed += step_s * (push - pull)
        self._wander += step_s * self._wander_speed
        np.add.at(face, WANDER_CHANNEL, amount * self._wander)

    def _add_accents(
        self,
        face: np.ndarray[tuple[int], np.dtype[np.float64]],
        speaking: float,
        loudness: float,
        gain: float,
    ) -> None:
        """Nods and raised brows of 200-300 ms on syllables that stand out."""
        rise = loudness - self._loud_before
        stands_out = loudness > self._loud_mean + 0.5 and rise > 0.6
        self._loud_before = loudness
        if speaking > 0.5:
            self._loud_mean += (loudness - self._loud_mean) * STEP_S / LOUD_MEMORY_S
        self._since_accent_s += STEP_S
        self._accent_left_s -= STEP_S
        if self._accent_left_s <= 0:
            self._accent_goal[:] = 0
        if speaking > 0.5 and stands_out and self._since_accent_s > ACCENT_REST_S:
            self._since_accent_s = 0.0
            if self._rng.random() < ACCENT_CHANCE:
                strength = gain * self._rng.gamma(2.0, 0.5)
                self._accent_goal = strength * ACCENT_SPREAD * self._rng.standard_normal(len(ACCENT_SPREAD))
                self._accent_goal[0] = abs(self._accent_goal[0])
                brows = self._rng.random() < 0.5
                self._accent_goal[3:] = np.abs(self._accent_goal[3:]) if brows else 0
                self._accent_left_s = float(self._rng.uniform(0.12, 0.22))
        # Critically damped, in two half steps: the rate is high for one picture.
        for _ in range(2):
            pull = 2 * ACCENT_RATE * self._accent_speed + ACCENT_RATE**2 * (self._accent - self._accent_goal)
            self._accent_speed -= STEP_S / 2 * pull
            self._accent += STEP_S / 2 * self._accent_speed
        face[ACCENT_CHANNELS] += np.clip(self._accent, -0.13, LARGEST_ACCENT)
        face[AT["wide"]] += 0.25 * max(0.0, float(self._accent[3]))

    def _add_breath(self, face: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        self._breath_hz += 0.02 * (BREATH_HZ - self._breath_hz) + 0.002 * float(self._rng.standard_normal())
        self._breath_phase += 2 * math.pi * float(np.clip(self._breath_hz, 0.2, 0.3)) * STEP_S
        breath = math.sin(self._breath_phase) - self._breath_start
        self._breath_start *= 0.98  # the portrait's own place at first, without a jump
        face[AT["shift_y"]] += BREATH_SHIFT * breath
        face[AT["pitch"]] += BREATH_PITCH * breath

    def _add_gaze(
        self, face: np.ndarray[tuple[int], np.dtype[np.float64]], speaking: float, attention: str
    ) -> None:
        self._look_left_s -= STEP_S
        thinking = attention == "thinking"
        if attention != self._attention:  # a new look begins with the eyes
            self._attention, self._away = attention, not thinking
            self._look_left_s = min(self._look_left_s, float(self._rng.uniform(0.05, 0.3)))
        if self._look_left_s <= 0:
            self._away = not self._away
            look_s, away_s = (IDLE_LOOK_S, IDLE_AWAY_S)
            if thinking:
                look_s, away_s = THINKING_LOOK_S, THINKING_AWAY_S
            elif speaking > 0.5:
                look_s, away_s = TALKING_LOOK_S, TALKING_AWAY_S
            mean_s = away_s if self._away else look_s
            self._look_left_s = 0.2 + float(self._rng.gamma(2.0, mean_s / 2))
            before = self._gaze_base.copy()
            if self._away:
                side = self._rng.choice((-1.0, 1.0)) * self._rng.uniform(4, 12) * DEGREE
                up = THINKING_GAZE * self._rng.uniform(0.3, 1) if thinking else 0.0
                self._gaze_base = np.array([side, self._rng.normal(1, 3) * DEGREE - up])
            else:
                self._gaze_base = np.zeros(2)
            self._gaze_goal = self._gaze_base
            moved = float(np.hypot(*(self._gaze_base - before)))
            if moved > GAZE_BLINK_FROM and self._rng.random() < GAZE_BLINK:
                self._blink_in_s = min(self._blink_in_s, 0.0)
        elif self._rng.random() < MICRO_SACCADE_HZ * STEP_S:
            self._gaze_goal = self._gaze_base + MICRO_SACCADE * self._rng.standard_normal(2)
        self._gaze = self._gaze + SACCADE_SHARE * (self._gaze_goal - self._gaze)
        held = EYES_HOLD * face[[AT["yaw"], AT["pitch"]]]
        gaze = np.clip(self._gaze - held, -LARGEST_GAZE, LARGEST_GAZE)
        face[AT["gaze_x"]], face[AT["gaze_y"]] = gaze
        face[AT["wide"]] -= 0.3 * max(0.0, float(gaze[1]))
        face[AT["squint"]] += 0.3 * max(0.0, float(gaze[1]))  # lids follow a lowered gaze

    def _add_blink(
        self, face: np.ndarray[tuple[int], np.dtype[np.float64]], speaking: float, often: float
    ) -> None:
        self._blink_in_s -= STEP_S
        self._blink_age_s += STEP_S
        closing_s, held_s, opening_s, depth = self._blink_shape
        if self._blink_in_s <= 0 and self._blink_age_s > closing_s + held_s + 0.6 * opening_s:
            mean_s = max(2 * BLINK_REST_S, (TALKING_BLINK_S if speaking > 0.5 else IDLE_BLINK_S) / often)
            self._blink_in_s = BLINK_REST_S + float(self._rng.gamma(1.4, (mean_s - BLINK_REST_S) / 1.4))
            self._blink_shape = (
                float(self._rng.uniform(0.06, 0.10)),
                float(self._rng.choice((0.0, 0.0, 0.0, 0.06))),
                float(self._rng.uniform(0.13, 0.26)),
                float(self._rng.choice((1.0, 1.0, 1.0, 0.85))),
            )
            self._blink_age_s = 0.0
        closing_s, held_s, opening_s, depth = self._blink_shape
        for name, behind_s in (("blink_left", 0.0), ("blink_right", 0.006)):
            age_s = self._blink_age_s + STEP_S / 2 - behind_s
            if age_s < closing_s:
                shut = math.sin(0.5 * math.pi * max(0.0, age_s) / closing_s) ** 2
            elif age_s < closing_s + held_s:
                shut = 1.0
            elif age_s < closing_s + held_s + opening_s:
                shut = (1 - (age_s - closing_s - held_s) / opening_s) ** 2
            else:
                shut = 0.0
            face[AT[name]] = depth * shut
