"""Lips of one person: what they show when they open, how they seal, and a rim without the seam's wave.

A portrait with its mouth shut shows one line where the lips meet. Its small waves belong to the line, not to
each lip, so they fade as the lips part; and behind the line a lip mirrors what it shows before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.face.head import Head
from sonic_stream.picture.patch import Slit
from sonic_stream.picture.plane import Axes, axes_between, curve
from sonic_stream.picture.rims import Gap
from sonic_stream.picture.seam import columns_of, find_seam
from sonic_stream.types import F32, Identity

_RIM_SHIFT, _TEETH_SHIFT = 0.06, 0.07
"""How far before its clean edge an opened lip takes its colour, and what is added where that edge meets
teeth, head units."""
_MIRROR = 0.8
_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
_CORNER_REACH, _CORNER_SHIFT = 0.7, 0.15
_LINE_SHADE = 0.45
"""The line between shut lips against the lips, where the portrait shows none."""
_EASE_REACH = 0.9
"""How far before the rim the correction of its wave reaches, head units."""
_SEAL_REACH = 1.0


def _mouth_axes(head: Head, placed: F32) -> Axes:
    return axes_between(placed[head.landmarks[61], :2], placed[head.landmarks[291], :2])


@dataclass(frozen=True, slots=True)
class LipSkin:
    """What the lips of one identity show when they are not as in the portrait."""

    shift: F32
    """What opening adds to the texture of each vertex, float32 [V, 2] px."""
    line: F32
    """Colour of the line between lips that are pressed together, float32 [3], 0..255."""


def lip_skin(head: Head, mouth: Gap, identity: Identity, placed: F32, parted: float) -> LipSkin:
    """The skin about one mouth; `placed` [V, 3] is the portrait's own mesh.

    `parted` is 0 for a portrait whose lips meet, 1 for one that shows its teeth.
    """
    texture = placed[:, :2].copy()
    scale = identity.scale
    axes = _mouth_axes(head, placed)
    lines = [axes.of(placed[rim.line, :2]) for rim in (mouth.upper, mouth.lower)]
    outer = [axes.of(placed[head.landmarks[list(points)], :2]) for points in (_OUTER_UPPER, _OUTER_LOWER)]
    both = (np.concatenate([line[0] for line in lines]), np.concatenate([line[1] for line in lines]))
    places = columns_of(both)
    seam = find_seam(identity.crop, axes, both, (curve(*outer[0], places), curve(*outer[1], places)), scale)
    sides = (mouth.upper, seam.upper, -1.0), (mouth.lower, seam.lower, 1.0)
    for (rim, clean_edge, sign), line, border_line in zip(sides, lines, outer, strict=True):
        x, y = axes.of(placed[rim.vertices, :2])
        clean = curve(seam.x, clean_edge, x)
        clean += np.float32(parted) * (curve(*line, x) - clean)
        thickness = np.maximum(sign * (curve(*border_line, x) - clean), 0.0) / scale
        shift = np.minimum(np.float32(_RIM_SHIFT + parted * _TEETH_SHIFT), 0.3 * thickness)
        # How far a point lies past the edge of the clean lip: seen in the portrait, or behind what is seen.
        before = sign * (y - clean) / scale
        past = np.maximum(-before, 0.0) + _MIRROR * np.maximum(rim.beyond, 0.0)
        want = np.where(past > 0, np.hypot(past, shift), np.hypot(before, shift))
        want = np.minimum(want, np.maximum(0.8 * thickness, before))
        near = np.clip(1 + (np.minimum(rim.beyond, 0.0) + 0.9) / 0.4, 0, 1)
        inward = np.minimum(x - line[0].min(), line[0].max() - x) / scale
        near *= np.clip(inward / 0.3, 0, 1)
        y = y + near * (clean + sign * want * scale - y)
        # The corners of a mouth that the portrait shows parted are dark: they take their colour from a
        # little outside. Those of a shut one must not, or they would be seen to move less than they do.
        ends = axes.of(placed[rim.line[[0, -1]], :2])[0]
        for end, outward in zip(ends, np.sign(ends - ends.mean()), strict=True):
            near = np.clip(1 - np.abs(x - end) / (_CORNER_REACH * scale), 0, 1)
            near *= np.clip(1 + np.minimum(rim.beyond, 0) / _CORNER_REACH, 0, 1)
            x = x + outward * np.float32(_CORNER_SHIFT * parted) * scale * near
        texture[rim.vertices] = axes.back(x, y)
    own_line = (1 - parted) * seam.colour + parted * _LINE_SHADE * 255 * identity.colours.lip
    return LipSkin(texture - placed[:, :2], np.asarray(own_line, np.float32))


def ease_shape(mouth: Gap, placed: F32, slit: Slit, to_head: F32) -> F32:
    """The movement float32 [V, 3] in head units that takes the waves from the edges of parted lips.

    `placed` [V, 3] and `slit` show the mouth a little open, in picture px; `to_head` float32 [3] is the
    movement in the head that brings a point one px down in the picture.
    """
    out = np.zeros_like(placed)
    known = np.flatnonzero(np.isfinite(slit.top) & np.isfinite(slit.bottom))
    if len(known) < 12:
        return out
    x = slit.first + known
    place = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    for rim, edge, degree in ((mouth.upper, slit.top[known], 6), (mouth.lower, slit.bottom[known], 4)):
        smooth = np.polyval(np.polyfit(place, edge, degree), place)
        excess = (edge - smooth) * np.clip((1 - np.abs(place)) / 0.25, 0, 1)
        reach = np.clip(1 + rim.beyond / _EASE_REACH, 0, 1)
        down = curve(x, excess, placed[rim.vertices, 0]) * reach
        out[rim.vertices] -= down[:, None] * to_head
    return out.astype(np.float32)


def seal(gap: Gap, placed: F32, slit: Slit, much: float, unit_px: float) -> F32:
    """`placed` with both sides moved together where the slit is open, by the share `much` of its height."""
    apart = np.nan_to_num(np.maximum(slit.bottom - slit.top, 0)) * much
    if not apart.any():
        return placed
    out = placed.copy()
    columns = slit.first + np.arange(len(apart), dtype=np.float32)
    # A little more than the gap, so that no light is left between.
    apart = apart + np.minimum(apart, 0.02 * unit_px)
    for rim, sign in ((gap.upper, 0.5), (gap.lower, -0.5)):
        reach = np.clip(1 + np.minimum(rim.beyond, 0) / _SEAL_REACH, 0, 1)
        out[rim.vertices, 1] += sign * np.interp(out[rim.vertices, 0], columns, apart) * reach
    return out


__all__ = ["LipSkin", "ease_shape", "lip_skin", "seal"]
