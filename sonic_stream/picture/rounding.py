"""How lips round in speech: narrower as a whole, a little fuller, and hardly higher.

The head model's pucker and funnel are grimaces: half as strong as they are asked for in speech they lift the
upper lip to the nose, and they draw the middle of the lips together much more than the corners, whose creases
are then left standing beside a ball of lips. Here the same shapes go forward and narrow the mouth as much as
before, but evenly, and with a share of the lifting. Depends on the head model alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sonic_stream.face.head import PARTS, load_head
from sonic_stream.picture.plane import curve
from sonic_stream.types import F32

ROUNDING = {"roundPucker": ("mouthPucker", 0.4), "roundFunnel": ("mouthFunnel", 0.3)}
"""Each shape by name: the head's own that it is made of, and the share of lifting and lowering kept."""
_FORWARD = 0.8
"""Share kept of how far the lips come forward."""
_EVEN_WITHIN, _EVEN_UP_TO = 0.7, 1.4
"""Height over the line between the lips up to which the narrowing is even, and where it is the head's own."""
_BEYOND_CORNER = 1.35
"""Half widths of the mouth at which the narrowing is the head's own again."""
_LINING = (1.0, 2.5)
"""Depth behind the rims at which the lining begins to keep the head's own movement, and where it does."""


@lru_cache(maxsize=1)
def rounding_shapes() -> F32:
    """The shapes float32 [len(ROUNDING), V, 3] of the shipped head, in the order of `ROUNDING`."""
    head = load_head()
    rims = head.mean[np.concatenate([head.lip_rim_upper, head.lip_rim_lower])]
    right, left = (head.mean[head.landmarks[i]] for i in (61, 291))
    middle, half = (left[0] + right[0]) / 2, (left[0] - right[0]) / 2
    place = (head.mean[:, 0] - middle) / half
    high = np.abs(head.mean[:, 1] - curve(rims[:, 0], rims[:, 1], head.mean[:, 0]))
    behind = curve(rims[:, 0], rims[:, 2], head.mean[:, 0]) - head.mean[:, 2]
    even = _fading(high, _EVEN_WITHIN, _EVEN_UP_TO) * _fading(np.abs(place), 1.0, _BEYOND_CORNER)
    even *= _fading(behind, *_LINING)
    even[~np.isin(head.vertex_part, [PARTS.index("skin"), PARTS.index("cavity")])] = 0
    shapes = []
    for source, kept in ROUNDING.values():
        shape = head.expression[head.expression_index(source)].copy()
        corner = (shape[head.landmarks[61], 0] - shape[head.landmarks[291], 0]) / 2
        narrowed = -corner * np.clip(place, -1, 1)
        shape[:, 0] += even * (narrowed - shape[:, 0])
        shape[:, 1] *= kept
        shape[:, 2] *= _FORWARD
        shapes.append(shape)
    return np.asarray(np.stack(shapes), np.float32)


def _fading(value: F32, begin: float, end: float) -> F32:
    """1 up to `begin`, 0 from `end` on, smooth between."""
    share = np.clip((end - value) / (end - begin), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
