"""How lips round in speech: narrower as a whole, a little fuller, and hardly higher.

The head model's pucker and funnel are grimaces: half as strong as they are asked for in speech they lift the
upper lip to the nose, and they draw the middle of the lips together much more than the corners, whose creases
are then left standing beside a ball of lips. Here the same shapes go forward and narrow the mouth as much as
before, but evenly, and with a share of the lifting. Depends on the head model alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sonic_stream.face.head import PARTS, Head, load_head
from sonic_stream.picture.plane import curve
from sonic_stream.picture.rims import Gap
from sonic_stream.types import CHANNEL_INDEX, F32

ROUNDING = {"roundPucker": ("mouthPucker", 0.4), "roundFunnel": ("mouthFunnel", 0.3)}
"""Each shape by name: the head's own that it is made of, and the share of lifting and lowering kept."""
NAMES = (*ROUNDING, "roundDrop")
"""All shapes that `rounding_shapes` gives."""
_DROP_REACH, _DROP_WITHIN = (1.5, 1.3), (0.25, 0.8)
"""How far about a corner the skin sinks with it (across, down), head units; between which half widths of
the mouth the sinking begins."""
_FORWARD = 0.8
"""Share kept of how far the lips come forward."""
_EVEN_WITHIN, _EVEN_UP_TO = 0.7, 1.4
"""Height over the line between the lips up to which the narrowing is even, and where it is the head's own."""
_BEYOND_CORNER = 1.35
"""Half widths of the mouth at which the narrowing is the head's own again."""
_LINING = (1.0, 2.5)
"""Depth behind the rims at which the lining begins to keep the head's own movement, and where it does."""

_HOLE, _HOLE_POWER, _HOLE_REACH = (0.1, 0.62), 0.7, (0.8, 2.4)
"""Half widths of the mouth over which a small hole ends, and how roundly; distance from the rims over which
skin is taken along."""
_WIDE_HOLE, _WIDENS = (0.2, 0.9), (0.03, 0.12)
"""The same for a hole opened wide, and the apertures between which the one becomes the other."""
_AT_TEETH = (0.1, 0.75)
"""The same for the band of teeth above a lower lip that touches them ("f")."""
_HOLE_SOFTER = 0.15
"""Half widths by which the hole's ends spread with each head unit away from the rims."""
_ROUND_FROM, _ROUND_AT = 0.25, 0.9
"""Pucker and funnel together from which a mouth counts as rounded, and as wholly."""
_WIDE = (0.045, 0.15)
"""Apertures between which an opening gets too wide for a hole."""


@lru_cache(maxsize=1)
def rounding_shapes() -> F32:
    """The shapes float32 [len(NAMES), V, 3] of the shipped head, in the order of `NAMES`.

    `roundDrop` lowers both corners by one head unit: lips that open to a hole close about its middle.
    """
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
    drop = np.zeros_like(head.mean)
    away = np.stack([np.abs(np.abs(place) - 1) * half, head.mean[:, 1] - (right[1] + left[1]) / 2], 1)
    near = np.exp(-((away / _DROP_REACH) ** 2).sum(1))
    near *= 1 - _fading(np.abs(place), *_DROP_WITHIN)
    drop[:, 1] = -near * np.isin(head.vertex_part, [PARTS.index("skin"), PARTS.index("cavity")])
    shapes.append(drop)
    return np.asarray(np.stack(shapes), np.float32)


def rounded(coeffs: F32) -> float:
    """How far the lips form a small hole rather than a slit, 0..1."""
    pucker, funnel, aperture = (float(coeffs[CHANNEL_INDEX[n]]) for n in ("pucker", "funnel", "aperture"))
    much = np.clip((pucker + funnel - _ROUND_FROM) / (_ROUND_AT - _ROUND_FROM), 0, 1)
    return float(much * np.clip((_WIDE[1] - aperture) / (_WIDE[1] - _WIDE[0]), 0, 1))


class Hole:
    """Lips that round part in a small hole, lips at the teeth ("f") in their middle: beside it they stay
    together, and their skin moves as if shut.

    Depends on the head model alone.
    """

    def __init__(self, head: Head, mouth: Gap) -> None:
        right, left = (head.mean[head.landmarks[i]] for i in (61, 291))
        middle, half = (left[0] + right[0]) / 2, (left[0] - right[0]) / 2
        self._lines = [rim.line[np.argsort(head.mean[rim.line, 0])] for rim in (mouth.upper, mouth.lower)]
        rims = np.concatenate(self._lines)
        every = np.concatenate([mouth.upper.vertices, mouth.lower.vertices])
        beyond = np.concatenate([mouth.upper.beyond, mouth.lower.beyond])
        across = head.mean[every][:, None, :2] - head.mean[rims][None, :, :2]
        far = np.where(beyond >= 0, 0.0, np.sqrt((across**2).sum(2)).min(1))
        place = (head.mean[every, 0] - middle) / half
        # Away from the rims the change of the outline is gentler.
        wider = _HOLE_SOFTER * far
        shares = []
        for begin, end in (_HOLE, _WIDE_HOLE, _AT_TEETH):
            outward = np.clip((np.abs(place) - begin + wider) / (end - begin + 2 * wider), 0, 1)
            shares.append((1 - (1 - outward**2) ** _HOLE_POWER) * _fading(far, *_HOLE_REACH))
        near = shares[0] > 0
        self._vertices = every[near]
        self._small, self._wide, self._teeth = (np.asarray(share[near], np.float32) for share in shares)
        self._at = head.mean[every[near], 0]
        self._line_at = [head.mean[line, 0] for line in self._lines]

    def close_beside(self, moved: F32, round_share: float, teeth_share: float, aperture: float = 0.0) -> None:
        """Changes `moved` float32 [V, 3], how far the head's points have left rest, in place.

        `round_share` 0..1: how far the lips form a hole (`rounded`); `teeth_share` 0..1: how far the lower
        lip lies at the upper teeth, which then show in the middle alone. A hole that opens grows both ways.
        """
        if round_share <= 0 and teeth_share <= 0:
            return
        wide = np.float32(np.clip((aperture - _WIDENS[0]) / (_WIDENS[1] - _WIDENS[0]), 0, 1))
        hole = self._small + wide * (self._wide - self._small)
        share = 1 - (1 - round_share * hole) * (1 - teeth_share * self._teeth)
        both = [
            np.interp(self._at, at, moved[line, 1])
            for at, line in zip(self._line_at, self._lines, strict=True)
        ]
        together = (both[0] + both[1]) / 2
        own = moved[self._vertices, 1]
        moved[self._vertices, 1] = own + share * (together - own)


def _fading(value: F32, begin: float, end: float) -> F32:
    """1 up to `begin`, 0 from `end` on, smooth between."""
    share = np.clip((end - value) / (end - begin), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
