"""How far sound and picture of one media time are apart when they are sent: measured, for the gauge.

Both are noted where their encoded packets leave for the network.
"""

from __future__ import annotations

from collections import deque

from sonic_stream.timebase import FPS, Ticks

REMEMBERED = 64
"""Moments of the other stream that are waited for."""


class SkewMeter:
    """Over the last ten seconds of pictures."""

    def __init__(self) -> None:
        self._sound: dict[Ticks, float] = {}
        self._pictures: dict[Ticks, float] = {}
        self._skews_ms: deque[float] = deque(maxlen=10 * FPS)

    def sent(self, is_picture: bool, pts: Ticks, now_s: float) -> None:
        """The first packet of what shows or sounds at `pts` has left."""
        mine, other = (self._pictures, self._sound) if is_picture else (self._sound, self._pictures)
        other_s = other.pop(pts, None)
        if other_s is None:
            mine[pts] = now_s
            while len(mine) > REMEMBERED:
                del mine[next(iter(mine))]
        else:
            self._skews_ms.append((now_s - other_s) * (1000 if is_picture else -1000))

    @property
    def median_ms(self) -> float:
        """Positive: pictures leave later than their sound."""
        return round(_quantile(list(self._skews_ms), 0.5), 1)

    @property
    def p99_ms(self) -> float:
        """Of the absolute skew."""
        return round(_quantile([abs(skew) for skew in self._skews_ms], 0.99), 1)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
