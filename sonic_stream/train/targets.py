"""Phone timings -> how the mouth should move: the curves the network learns.

Every phone pulls every channel towards its own target with a strength (dominance) that grows before
the phone and fades after it; a channel is the weighted mean of all pulls (Cohen & Massaro 1993, "Modeling
coarticulation in synthetic visual speech"). On top of that what a mean cannot say: p, b and m shut the
lips, f and v bring the lower lip to the teeth, and a pause long enough to be one is rest.

Aperture and width constants were fitted on measured lips of real speakers; the other channels follow
from how the sounds are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonic_stream.timebase import FPS
from sonic_stream.train.phones import CLASS_INDEX, CLASSES, SILENCE, VOWELS, Segment
from sonic_stream.types import F32, MOUTH_CHANNELS

CURVE_HZ = 100
PER_PICTURE = CURVE_HZ // FPS
REACH_S = 0.45
"""A phone's pull is nothing further away than this."""

APERTURE_UNIT = 0.23
"""Face heights of inner-lip gap for one unit of aperture."""
APERTURE_REST = 0.15
"""Aperture units at which the gap is nothing. Fitted targets are means and so lie too close together;
unit and rest spread them to the range that measured lips show (standard deviation 0.024 and more)."""
WIDTH_UNIT = 0.042
"""Face heights of mouth width for a width target of 1."""
UNITS: F32 = np.array(
    [{"aperture": APERTURE_UNIT, "width": WIDTH_UNIT}.get(c, 1.0) for c in MOUTH_CHANNELS], np.float32
)

TOUCH_APERTURE = 0.05
"""Aperture units left while the lower lip is at the teeth."""
REST_PAUSE_S = 0.2
"""A shorter pause keeps the neighbours' shape; in a longer one the mouth goes to rest."""
SETTLE_S = 0.11
"""From the end of speech until the mouth is at rest."""
WAKE_S = 0.09
"""The mouth leaves rest so long before the first sound."""

# Target, dominance, anticipation and carry-over rate (1/s) of aperture, then of width. AX, II, UE, OE, BV and
# XI are not among the measured sounds: their gaps are like those of fitted neighbours (XI: S and SH, BV: W).
LIPS: dict[str, tuple[tuple[float, float, float, float], tuple[float, float, float, float]]] = {
    "AA": ((0.585, 1.50, 18.2, 21.2), (0.050, 0.88, 26.1, 19.3)),
    "AE": ((0.695, 0.80, 10.5, 19.7), (0.379, 0.97, 15.9, 16.4)),
    "AH": ((0.399, 1.02, 19.8, 23.1), (0.021, 0.63, 25.5, 21.6)),
    "AX": ((0.400, 0.50, 24.0, 22.0), (0.050, 0.50, 22.0, 20.0)),
    "AO": ((0.456, 1.08, 20.7, 19.1), (-0.601, 1.01, 11.6, 11.9)),
    "EH": ((0.564, 1.34, 29.0, 19.0), (0.170, 1.17, 26.0, 10.3)),
    "ER": ((0.274, 1.15, 23.7, 22.5), (-0.216, 1.81, 18.9, 20.5)),
    "EY": ((0.625, 1.10, 9.3, 17.6), (0.546, 1.08, 13.4, 15.1)),
    "IH": ((0.490, 0.85, 16.8, 23.7), (0.311, 1.26, 28.4, 8.6)),
    "IY": ((0.480, 1.24, 25.5, 19.2), (0.158, 2.24, 21.8, 12.0)),
    "II": ((0.350, 1.10, 24.0, 22.0), (0.150, 1.00, 22.0, 20.0)),
    "OW": ((0.457, 1.19, 23.3, 23.2), (-0.646, 1.15, 13.6, 11.8)),
    "UH": ((0.221, 0.97, 14.2, 16.9), (0.011, 0.68, 23.1, 24.3)),
    "UW": ((0.277, 3.08, 26.4, 18.3), (-0.237, 2.44, 3.5, 13.0)),
    "UE": ((0.220, 1.40, 24.0, 22.0), (-0.700, 3.00, 11.0, 15.0)),
    "OE": ((0.450, 1.10, 24.0, 22.0), (-0.450, 1.00, 22.0, 20.0)),
    "P": ((0.196, 6.79, 39.3, 41.0), (-0.179, 0.76, 13.5, 18.9)),
    "W": ((0.175, 2.50, 27.6, 30.6), (-0.658, 1.65, 9.0, 9.2)),
    "F": ((0.202, 3.43, 45.9, 24.8), (0.183, 0.64, 24.5, 18.5)),
    "BV": ((0.175, 2.00, 24.0, 22.0), (-0.100, 0.40, 22.0, 20.0)),
    "TH": ((0.249, 1.03, 26.4, 23.7), (0.114, 0.75, 23.0, 22.3)),
    "D": ((0.266, 0.55, 21.3, 21.5), (0.130, 0.35, 25.3, 17.6)),
    "S": ((0.359, 1.52, 7.3, 30.4), (0.173, 1.28, 22.5, 12.3)),
    "SH": ((0.348, 1.30, 23.8, 22.4), (-0.280, 1.57, 12.8, 14.0)),
    "XI": ((0.350, 1.60, 24.0, 22.0), (0.100, 0.80, 22.0, 20.0)),
    "L": ((0.292, 0.87, 18.6, 20.9), (-0.214, 0.29, 21.0, 18.3)),
    "R": ((0.173, 1.18, 22.7, 21.5), (-0.311, 1.61, 4.2, 13.6)),
    "K": ((0.382, 0.37, 23.3, 19.7), (0.308, 0.22, 21.6, 19.9)),
    "Y": ((0.362, 0.84, 23.2, 22.1), (0.105, 0.81, 21.1, 21.3)),
    "H": ((0.647, 0.12, 24.4, 21.4), (0.237, 0.12, 22.2, 19.9)),
    "SIL": ((0.232, 0.16, 12.9, 28.2), (0.165, 0.17, 11.9, 25.3)),
}

# jaw, pucker, funnel, stretch, upper_up, lower_down, tongue_tip, tongue_out, tongue_back
SHAPE_CHANNELS = (
    "jaw",
    "pucker",
    "funnel",
    "stretch",
    "upper_up",
    "lower_down",
    "tongue_tip",
    "tongue_out",
    "tongue_back",
)
SHAPES: dict[str, tuple[float, ...]] = {
    "SIL": (0.04, 0.00, 0.00, 0.00, 0.00, 0.00, 0.0, 0.0, 0.0),
    "AA": (0.90, 0.00, 0.10, 0.05, 0.25, 0.35, 0.0, 0.0, 0.1),
    "AE": (0.75, 0.00, 0.00, 0.45, 0.35, 0.45, 0.0, 0.0, 0.0),
    "AH": (0.55, 0.00, 0.05, 0.10, 0.20, 0.30, 0.0, 0.0, 0.0),
    "AX": (0.35, 0.00, 0.05, 0.10, 0.15, 0.20, 0.0, 0.0, 0.0),
    "AO": (0.65, 0.30, 0.50, 0.00, 0.15, 0.25, 0.0, 0.0, 0.2),
    "EH": (0.55, 0.00, 0.00, 0.45, 0.30, 0.40, 0.0, 0.0, 0.0),
    "ER": (0.30, 0.20, 0.45, 0.00, 0.15, 0.20, 0.3, 0.0, 0.1),
    "EY": (0.42, 0.00, 0.00, 0.60, 0.30, 0.40, 0.0, 0.0, 0.0),
    "IH": (0.30, 0.00, 0.00, 0.45, 0.25, 0.35, 0.1, 0.0, 0.0),
    "IY": (0.18, 0.00, 0.00, 0.75, 0.30, 0.40, 0.2, 0.0, 0.0),
    "II": (0.25, 0.10, 0.00, 0.30, 0.20, 0.30, 0.1, 0.0, 0.0),
    "OW": (0.45, 0.55, 0.45, 0.00, 0.10, 0.15, 0.0, 0.0, 0.3),
    "UH": (0.30, 0.45, 0.35, 0.00, 0.10, 0.15, 0.0, 0.0, 0.3),
    "UW": (0.20, 0.90, 0.35, 0.00, 0.05, 0.05, 0.0, 0.0, 0.4),
    "UE": (0.18, 0.85, 0.35, 0.10, 0.05, 0.10, 0.2, 0.0, 0.0),
    "OE": (0.40, 0.55, 0.40, 0.10, 0.10, 0.15, 0.1, 0.0, 0.0),
    "P": (0.12, 0.05, 0.00, 0.00, 0.00, 0.00, 0.0, 0.0, 0.0),
    "W": (0.18, 0.95, 0.40, 0.00, 0.05, 0.05, 0.0, 0.0, 0.3),
    "F": (0.12, 0.00, 0.00, 0.10, 0.35, 0.00, 0.0, 0.0, 0.0),
    "BV": (0.15, 0.20, 0.00, 0.00, 0.05, 0.00, 0.0, 0.0, 0.0),
    "TH": (0.22, 0.00, 0.00, 0.15, 0.15, 0.20, 0.5, 1.0, 0.0),
    "D": (0.20, 0.00, 0.00, 0.20, 0.20, 0.25, 1.0, 0.0, 0.0),
    "S": (0.08, 0.00, 0.00, 0.45, 0.30, 0.45, 0.7, 0.0, 0.0),
    "SH": (0.12, 0.40, 0.85, 0.00, 0.40, 0.45, 0.5, 0.0, 0.0),
    "XI": (0.12, 0.10, 0.30, 0.40, 0.35, 0.45, 0.5, 0.0, 0.0),
    "L": (0.30, 0.00, 0.00, 0.15, 0.20, 0.25, 1.0, 0.0, 0.0),
    "R": (0.22, 0.45, 0.55, 0.00, 0.20, 0.20, 0.4, 0.0, 0.2),
    "K": (0.26, 0.00, 0.00, 0.10, 0.15, 0.20, 0.0, 0.0, 1.0),
    "Y": (0.18, 0.00, 0.00, 0.60, 0.25, 0.35, 0.2, 0.0, 0.2),
    "H": (0.35, 0.00, 0.00, 0.10, 0.15, 0.20, 0.0, 0.0, 0.2),
}

ROUNDED = ("W", "UW", "UE", "OW", "AO", "OE", "UH", "SH", "R", "ER")
"""Lip rounding begins early (anticipation spans 120-200 ms) and is strong."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Per class and channel: target, dominance, anticipation and carry-over, float32 [classes, channels]."""

    target: F32
    dominance: F32
    before_hz: F32
    after_hz: F32


def _tables() -> Tables:
    at = {name: i for i, name in enumerate(MOUTH_CHANNELS)}
    shape = (len(CLASSES), len(MOUTH_CHANNELS))
    target, dominance = np.zeros(shape, np.float32), np.full(shape, 0.8, np.float32)
    before, after = np.full(shape, 22.0, np.float32), np.full(shape, 20.0, np.float32)
    rounding = [at["pucker"], at["funnel"]]
    for name, i in CLASS_INDEX.items():
        target[i, [at[c] for c in SHAPE_CHANNELS]] = SHAPES[name]
        if name in VOWELS:
            dominance[i] = 0.5 if name == "AX" else 1.0
        if name in ("D", "L", "K", "S", "TH", "Y"):  # indifferent to rounding: they take their neighbours'
            dominance[i, rounding] = 0.3
        if name in ("D", "L", "TH", "S"):
            dominance[i, at["tongue_tip"]] = 3.0
        if name in ROUNDED:
            dominance[i, rounding] = 2.5
            before[i, rounding], after[i, rounding] = 11.0, 15.0
        strong = {"K": ("tongue_back", 3.0), "TH": ("tongue_out", 4.0), "F": ("upper_up", 1.5)}
        if name in strong:
            dominance[i, at[strong[name][0]]] = strong[name][1]
        if name in ("P", "F", "BV", "K"):  # the jaw is free to stay where the vowel has it
            dominance[i, at["jaw"]] = 0.6
        if name == "P":
            dominance[i, [at["upper_up"], at["lower_down"]]] = 4.0
            before[i], after[i] = 30.0, 30.0
        if name in ("S", "SH", "XI"):  # teeth nearly together
            dominance[i, at["jaw"]] = 2.0
        if name == "H":
            dominance[i] = 0.12
        for channel, constants in zip(("aperture", "width"), LIPS[name], strict=True):
            k = at[channel]
            target[i, k], dominance[i, k], before[i, k], after[i, k] = constants
    return Tables(target, dominance, before, after)


TABLES = _tables()
P, F = CLASS_INDEX["P"], CLASS_INDEX["F"]
IS_VOWEL = np.array([name in VOWELS for name in CLASSES])


@dataclass(frozen=True, slots=True)
class Targets:
    """One value per picture. Events are 0 or 1."""

    curves: F32
    """float32 [T, len(MOUTH_CHANNELS)], physical units"""
    events: F32
    """float32 [T, 3]: closed, lip at the teeth, speaking"""
    phone: np.ndarray[tuple[int], np.dtype[np.int64]]
    """Class heard in the middle of the picture, int64 [T]"""


def _bump(t: F32, start_s: float, end_s: float, ramp_s: float) -> F32:
    """1 from start to end with smooth ramps outside."""
    x = np.clip(1 - np.maximum(np.maximum(start_s - t, t - end_s), 0) / ramp_s, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def targets(segments: Sequence[Segment], pictures: int) -> Targets:
    """The mouth for `pictures` pictures; picture i is the mean over its own 40 ms."""
    n = pictures * PER_PICTURE
    t = ((np.arange(n) + 0.5) / CURVE_HZ).astype(np.float32)
    pull = np.zeros((n, len(MOUTH_CHANNELS)), np.float32)
    weight = np.full((n, len(MOUTH_CHANNELS)), 1e-4, np.float32)
    shut, touch, rest = np.zeros((3, n), np.float32)
    events = np.zeros((pictures, 3), np.float32)
    phone = np.full(pictures, SILENCE, np.int64)
    centres_s = (np.arange(pictures) + 0.5) / FPS
    for index, s in enumerate(segments):
        length_s = s.end_s - s.start_s
        target = TABLES.target[s.phone]
        if IS_VOWEL[s.phone]:
            gain = (1.12 if s.stressed else 1.0) * (0.85 if length_s < 0.06 else 1.0)
            target = target.copy()
            target[:2] *= gain  # aperture and jaw
        first, last = np.searchsorted(t, (s.start_s - REACH_S, s.end_s + REACH_S))
        near = slice(int(first), int(last))
        # A phone is fully itself in its middle part only.
        edge_s = length_s * (0.2 if IS_VOWEL[s.phone] else 0.1)
        if s.phone == SILENCE:
            edge_s = min(0.08, length_s / 2)
        early = np.maximum(s.start_s + edge_s - t[near], 0)[:, None]
        late = np.maximum(t[near] - (s.end_s - edge_s), 0)[:, None]
        w = TABLES.dominance[s.phone] * np.exp(
            -TABLES.before_hz[s.phone] * early - TABLES.after_hz[s.phone] * late
        )
        pull[near] += w * target
        weight[near] += w
        if s.phone == P:
            shut_to_s = max(s.end_s - 0.015, s.start_s + 0.04)
            before = segments[index - 1] if index else None
            from_rest = before and before.phone == SILENCE and before.end_s - before.start_s >= REST_PAUSE_S
            # Lips at rest are shut already: the first sound's closure is never opened before.
            shut_from_s = s.start_s - WAKE_S if from_rest else s.start_s
            shut[near] = np.maximum(shut[near], _bump(t[near], shut_from_s + 0.005, shut_to_s, 0.05))
            inside = (centres_s >= shut_from_s) & (centres_s < shut_to_s)
            inside[np.argmin(np.abs(centres_s - (s.start_s + shut_to_s) / 2))] = True
            events[inside, 0] = 1
        if s.phone == F:
            touch[near] = np.maximum(touch[near], _bump(t[near], s.start_s, s.end_s, 0.06))
            inside = (centres_s >= s.start_s) & (centres_s < s.end_s)
            inside[np.argmin(np.abs(centres_s - (s.start_s + s.end_s) / 2))] = True
            events[inside, 1] = 1
        if s.phone == SILENCE and length_s >= REST_PAUSE_S:
            from_s = -1.0 if index == 0 else s.start_s + SETTLE_S
            to_s = s.end_s + 1 if index == len(segments) - 1 else s.end_s - WAKE_S
            rest[near] = np.maximum(rest[near], _bump(t[near], from_s, max(from_s, to_s), SETTLE_S - 0.02))
        phone[(centres_s >= s.start_s) & (centres_s < s.end_s)] = s.phone
    curves = pull / weight
    at = {name: i for i, name in enumerate(MOUTH_CHANNELS)}
    curves[:, at["aperture"]] = np.maximum(curves[:, at["aperture"]] - APERTURE_REST, 0) * (1 - shut)
    curves[:, at["aperture"]] = np.minimum(curves[:, at["aperture"]], 1 - (1 - TOUCH_APERTURE) * touch)
    curves[:, at["close"]], curves[:, at["labiodental"]] = shut, touch
    curves *= (1 - rest)[:, None]
    mean = curves.reshape(pictures, PER_PICTURE, -1).mean(1)
    # Lips that meet within a picture are shown met: a mean over 40 ms would show a gap.
    fully = np.where(events[:, :1] > 0, shut.reshape(pictures, PER_PICTURE).max(1)[:, None], 0)[:, 0]
    mean[:, at["close"]] = np.maximum(mean[:, at["close"]], fully)
    mean[:, at["aperture"]] *= 1 - fully
    resting = rest.reshape(pictures, PER_PICTURE).mean(1)
    events[:, 2] = resting < 0.5
    return Targets((mean * UNITS).astype(np.float32), events, phone)
