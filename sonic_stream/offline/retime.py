"""Motion at 25 a second -> motion at another rate, read off the curves between its pictures.

Each coefficient runs along a monotone cubic (Fritsch & Carlson 1980; slopes by the harmonic mean), which
passes through every given value and never leaves the range of two neighbours: lips that are shut stay shut,
and nothing overshoots. Look-ahead: two pictures of the given motion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sonic_stream.timebase import FPS, TICK_RATE
from sonic_stream.types import F32, MotionFrame


def keys_needed(count: int, fps: int) -> int:
    """How many pictures at 25 a second `count` pictures at `fps` are read from, with the one after them."""
    return (max(count - 1, 0) * FPS) // fps + 2


def retimed(keys: Iterable[MotionFrame], count: int, fps: int) -> Iterator[MotionFrame]:
    """`count` frames at `fps` along the curves through `keys` (frame k at k / 25 s, at least one)."""
    stream = iter(keys)
    window = [next(stream)] * 4
    # Beyond both ends the curves go on level. The first frame is frame 0 and the one before it.
    begin = -2
    for number in range(count):
        key, left = divmod(number * FPS, fps)
        while begin < key:
            window = [*window[1:], next(stream, window[-1])]
            begin += 1
        pts = number * (TICK_RATE // fps)
        yield window[1] if left == 0 else _between(window, left / fps, pts)


def _between(window: list[MotionFrame], share: float, pts: int) -> MotionFrame:
    """The motion `share` of the way from the second of four frames to the third."""
    before, a, b, after = (np.append(frame.coeffs, frame.speaking) for frame in window)
    slope_a, slope_b = _slope(a - before, b - a), _slope(b - a, after - b)
    s = share
    value = (
        (1 + 2 * s) * (1 - s) ** 2 * a
        + s * (1 - s) ** 2 * slope_a
        + s**2 * (3 - 2 * s) * b
        + s**2 * (s - 1) * slope_b
    )
    value = np.clip(value, np.minimum(a, b), np.maximum(a, b))
    return MotionFrame(pts, value[:-1].astype(np.float32), float(value[-1]))


def _slope(left: F32, right: F32) -> F32:
    """The slope at a value between two steps: 0 at a peak, else nearer to the smaller step."""
    product = left * right
    total = left + right
    return np.where(product > 0, 2 * product / np.where(product > 0, total, 1), 0)
