"""Two curves of one mouth, one seen and one asked for by the sound -> how late the seen one is.

The lag is where the correlation of both is largest, found between pictures by interpolation. Gap and width
count together: the gap tells syllables, the width vowels. What changes more slowly than speech (a turning
head, a tracker's drift) is taken out first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sonic_stream.timebase import FPS
from sonic_stream.types import CHANNEL_INDEX, F32

Curve = NDArray[np.float64]

SEARCH_S: Final = 1.0
"""Lags looked at, to both sides."""
STEP_S: Final = 0.005
SLOW_S: Final = 1.5
"""Changes over more than this are no speech."""
WEIGHTS: Final = {"aperture": 1.0, "width": 0.5}
PEAK_S: Final = 0.02
"""The peak is a parabola over this much to both sides."""
ELSEWHERE_S: Final = 0.2
"""From here on a lag is another one, not this one's shoulder."""
BLOCK_S: Final = 1.0
LEAST_OVERLAP: Final = 0.5
LEAST_PICTURES: Final = 20


@dataclass(frozen=True, slots=True)
class Lag:
    """How late the lips are."""

    offset_s: float
    """Positive: the lips come after the sound."""
    spread_s: float
    """Standard error of `offset_s`, from leaving parts out; infinite when there is too little to tell."""
    correlation: float
    """Of lips and sound at that offset, -1 to 1."""
    elsewhere: float
    """The largest correlation at any other offset."""

    @property
    def confidence(self) -> float:
        """0 to 1: how clearly this offset stands out from all others, and how well parts agree."""
        clear = (self.correlation - max(self.elsewhere, 0.0)) / 0.3
        steady = 1.0 / (1.0 + (self.spread_s / 0.015) ** 2)
        return float(np.clip(clear, 0.0, 1.0) * steady)


def cubic(rows: NDArray[np.floating], at: Curve) -> Curve:
    """`rows` [T, ...] at the places `at` [N] (in rows) by Catmull-Rom; NaN outside 0 .. T - 1."""
    last = len(rows) - 1
    first = np.clip(np.floor(at), 0, max(last - 1, 0)).astype(int)
    share = (at - first).reshape(-1, *[1] * (rows.ndim - 1))
    a, b, c, d = (rows[np.clip(first + k, 0, last)].astype(np.float64) for k in (-1, 0, 1, 2))
    curve = b + 0.5 * share * (c - a + share * (2 * a - 5 * b + 4 * c - d + share * (3 * (b - c) + d - a)))
    curve[(at < 0) | (at > last)] = np.nan
    return np.asarray(curve, np.float64)


def without_slow(times_s: Curve, values: Curve) -> Curve:
    """`values` less their mean over `SLOW_S` about each time."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    begin = np.searchsorted(times_s, times_s - SLOW_S / 2)
    end = np.searchsorted(times_s, times_s + SLOW_S / 2, side="right")
    return np.asarray(values - (sums[end] - sums[begin]) / (end - begin), np.float64)


def find_lag(times_s: Curve, seen: dict[str, Curve], asked: F32, asked_begin_s: float = 0.0) -> Lag | None:
    """The lag of the curves `seen` (names of `WEIGHTS`, [N] at `times_s`) against `asked` coefficients
    [T, channels], 25 a second from `asked_begin_s` on. None when there is too little of either.
    """
    reach = round(SEARCH_S / STEP_S)
    lags_s = np.asarray(np.arange(-reach, reach + 1) * STEP_S, np.float64)
    blocks = ((times_s - times_s[0]) // BLOCK_S).astype(int) if len(times_s) else np.zeros(0, int)
    if len(times_s) < LEAST_PICTURES or len(asked) < LEAST_PICTURES:
        return None
    sums = []
    asked_s = np.arange(len(asked)) / FPS
    for name, weight in WEIGHTS.items():
        wanted = without_slow(asked_s, asked[:, CHANNEL_INDEX[name]].astype(np.float64))
        shown = without_slow(times_s, seen[name])
        if wanted.std() < 1e-5 or shown.std() < 1e-6:
            continue  # nothing moves
        sums.append((weight, _sums(times_s - asked_begin_s, shown, wanted, lags_s, blocks)))
    if not sums:
        return None
    whole = _correlation([(weight, parts.sum(axis=2)) for weight, parts in sums], len(times_s))
    offset_s, peak = _peak(lags_s, whole)
    far = np.abs(lags_s - offset_s) > ELSEWHERE_S
    count = int(blocks[-1]) + 1
    spread_s = float("inf")
    if count >= 3:
        near = np.abs(lags_s - offset_s) <= ELSEWHERE_S
        left = [
            [(weight, parts.sum(axis=2) - parts[:, :, i]) for weight, parts in sums] for i in range(count)
        ]
        others = [_peak(lags_s[near], _correlation(part, len(times_s))[near])[0] for part in left]
        spread_s = float(np.sqrt((count - 1) * np.var(others)))
    return Lag(offset_s, spread_s, peak, float(whole[far].max()))


def _sums(times_s: Curve, shown: Curve, wanted: Curve, lags_s: Curve, blocks: NDArray[np.int_]) -> Curve:
    """n, x, y, xx, yy, xy summed by lag and block: [6, lags, blocks]."""
    out = np.zeros((6, len(lags_s), int(blocks[-1]) + 1))
    for row, lag_s in enumerate(lags_s):
        asked = cubic(wanted, (times_s - lag_s) * FPS)
        there = np.isfinite(asked)
        x, y, block = asked[there], shown[there], blocks[there]
        for i, values in enumerate((np.ones_like(x), x, y, x * x, y * y, x * y)):
            out[i, row] = np.bincount(block, values, minlength=out.shape[2])
    return out


def _correlation(parts: list[tuple[float, Curve]], pictures: int) -> Curve:
    """The weighted mean correlation by lag, from sums [6, lags]; -1 where too little overlaps."""
    total = np.zeros(parts[0][1].shape[1])
    for weight, (n, x, y, xx, yy, xy) in parts:
        n = np.maximum(n, 1)
        across = xy - x * y / n
        along = np.maximum((xx - x * x / n) * (yy - y * y / n), 1e-30)
        total += weight * across / np.sqrt(along)
    total /= sum(weight for weight, _ in parts)
    total[parts[0][1][0] < max(LEAST_OVERLAP * pictures * 0.9, LEAST_PICTURES / 2)] = -1.0
    return total


def _peak(lags_s: Curve, correlation: Curve) -> tuple[float, float]:
    """Place and height of the largest correlation, the place between the lags looked at."""
    top = int(np.argmax(correlation))
    reach = round(PEAK_S / STEP_S)
    near = slice(max(top - reach, 0), top + reach + 1)
    bend, slope, _ = np.polyfit(lags_s[near] - lags_s[top], correlation[near], 2)
    shift = -slope / (2 * bend) if bend < 0 else 0.0
    return float(lags_s[top] + np.clip(shift, -PEAK_S, PEAK_S)), float(correlation[top])
