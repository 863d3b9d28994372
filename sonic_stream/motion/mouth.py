"""The network's raw outputs -> mouth channels that keep their promises.

A mean never quite shuts: what the closure output says is made visible here, lips that meet have no gap,
and a mouth at rest is exactly at rest.
"""

from __future__ import annotations

import numpy as np

from sonic_stream.types import F32, MOUTH_CHANNELS

AT = {name: i for i, name in enumerate(MOUTH_CHANNELS)}
APERTURE, CLOSE, TOUCH, PUCKER, JAW, WIDTH = (
    AT[c] for c in ("aperture", "close", "labiodental", "pucker", "jaw", "width")
)

# What the network gives is an expectation, and expectations lie closer together than lips do. These six
# constants bring them to the spread of measured lips; rounding also narrows gap and width more than the
# fitted targets say, and a jaw that drops narrows the mouth.
GAP_GAIN = 1.9
GAP_REST = 0.015
"""Expected gap that is shown as none, face heights."""
GAP_ROUNDING = 0.01
"""Face heights that full rounding takes from the gap, before the gain."""
LEAST_GAP = 0.15
"""Share of the expected gap that always stays open: only a closure shuts."""
WIDTH_GAIN, WIDTH_ROUNDING, WIDTH_JAW = 1.8, 0.045, 0.012

SPREADS = {
    "jaw": (0.28, 1.1),
    "pucker": (0.2, 1.4),
    "funnel": (0.2, 1.4),
    "stretch": (0.23, 1.1),
    "upper_up": (0.19, 1.15),
    "lower_down": (0.24, 1.1),
    "tongue_tip": (0.45, 1.4),
}
"""Mean in speech and gain about it: gives the other expectations the range of their targets."""
SPREAD_AT = [AT[name] for name in SPREADS]
SPREAD_MEAN, SPREAD_GAIN = np.array(list(SPREADS.values()), np.float32).T

SHUT_FROM, SHUT_AT = 0.18, 0.4
"""Closure probability at which the lips begin to shut, and at which they are shut."""
TOUCH_FROM, TOUCH_AT = 0.3, 0.7
TOUCH_GAP = 0.014
"""Gap while the lower lip is at the upper teeth, face heights: teeth show in it, or f would look like p."""
LARGEST: F32 = np.array([{"aperture": 0.2}.get(c, 1.2) for c in MOUTH_CHANNELS], np.float32)
"""No sound opens the mouth further; the width may shrink as much as it grows."""
LARGEST[WIDTH] = 0.06


def gap_of(expected: F32, pucker: F32) -> F32:
    """The gap to show, face heights, for the expected gap and rounding."""
    shown = GAP_GAIN * (expected - GAP_REST - GAP_ROUNDING * pucker)
    return np.asarray(np.maximum(shown, LEAST_GAP * expected), np.float32)


def width_of(expected: F32, pucker: F32, jaw: F32) -> F32:
    """The change of width to show, face heights, for the expected one, rounding and drop of the jaw."""
    return np.asarray(WIDTH_GAIN * (expected - WIDTH_ROUNDING * pucker - WIDTH_JAW * jaw), np.float32)


def _ramp(x: float, low: float, high: float) -> float:
    share = min(1.0, max(0.0, (x - low) / (high - low)))
    return share * share * (3 - 2 * share)


class Mouth:
    """Turns one slot's network outputs into its MOUTH_CHANNELS."""

    def __init__(self, units: F32) -> None:
        self._units = units
        self._least = np.where(np.arange(len(MOUTH_CHANNELS)) == WIDTH, -LARGEST, 0).astype(np.float32)

    def step(self, curves: F32, closed: float, touching: float, speaking: float) -> F32:
        """`curves` in the network's units, probabilities 0..1; float32 [13] in physical units."""
        mouth = np.nan_to_num(curves) * self._units
        pucker = np.clip(mouth[PUCKER], 0, 1)
        mouth[APERTURE] = gap_of(mouth[APERTURE], pucker)
        mouth[WIDTH] = width_of(mouth[WIDTH], pucker, np.clip(mouth[JAW], 0, 1))
        mouth[SPREAD_AT] = SPREAD_MEAN + SPREAD_GAIN * (mouth[SPREAD_AT] - SPREAD_MEAN)
        mouth = np.clip(mouth, self._least, LARGEST)
        shut = _ramp(closed, SHUT_FROM, SHUT_AT)
        touch = _ramp(touching, TOUCH_FROM, TOUCH_AT) * (1 - shut)
        mouth[CLOSE], mouth[TOUCH] = shut, touch
        gap = mouth[APERTURE] * (1 - shut)
        mouth[APERTURE] = gap + (TOUCH_GAP - gap) * touch
        return np.asarray(mouth * speaking, np.float32)
