"""The portrait's own upper teeth, where it shows them, as a strip of colours that rides with the skull.

Two drawings of teeth are never mixed: from one end of the row that the portrait shows to the other, what
tells one tooth from the next (seams, widths, gaps, tones) is the portrait's, freed from the light that the
renderer finds there, and the renderer draws none of it. It gives what goes up and down a tooth: the light of
the moment, the gum and the biting edge. So that these fit, the model's teeth are made as wide as the
portrait's: their boundaries are sought in the strip and moved there. Where they are not found near by, the
teeth are the model's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.picture.mouth_traits import LUMA
from sonic_stream.types import F32, U8

NO_STRIP = np.zeros((1, 4), np.float32)
_SURE_OPENING = 0.9
"""Share of a pixel that has to lie in the opening."""
_PALE, _BRIGHT = 0.42, 0.3
"""Pixels are teeth up to this saturation, and from this share of the bright ones' squared level on."""
_LEAST_PX, _LEAST_HIGH_PX, _LEAST_WIDE = 40, 3, 0.4
"""What has to be seen: pixels, rows of the middling column, share of the opening's width."""
_ENDS_PX, _FADE_PX = 1, 3.0
"""Columns left out at each end, where lips shine in; and over which the strip ends."""
_DARKEST_LIGHT = 0.03
_BRIGHTEST = 1.0
"""Of the bright columns: a brighter one stands where the light was underestimated."""
_OWN_TINT = 0.15
"""Share of its own tint that each column keeps, beside that of all."""

_LEAST_SEAMS, _FOUND = 3, 0.7
"""Boundaries of teeth that have to be seen, and the share of those within the strip."""
_SEAM, _DEEPEST = 0.02, 0.3
"""By how much a seam is darker than the teeth beside it, and at most; deeper is not surer."""
_BESIDE, _OFF = 0.3, 0.16
"""Widths of a tooth within which its brightest is sought, and by which one seam is out of line."""
_STRETCHES, _SHIFTS = np.linspace(0.88, 1.14, 14), np.linspace(-0.3, 0.3, 25)
"""By how much a person's row may differ from the model's; shifts in widths of a tooth."""
_STILL = 3.0
"""Widths of a tooth beyond the outermost boundary at which the model's teeth stay where they are."""


@dataclass(frozen=True, slots=True)
class OwnTeeth:
    """The strip of the upper row. Immutable."""

    strip: F32
    """Squared RGB in full light, and how far it counts (0..1), float32 [w, 4]."""
    home: F32
    """Where along the strip each point of the mouth's mesh lies, float32 [M]."""
    shift: F32
    """How far each point has to be moved to the right in the portrait for that, px, float32 [M]."""


def own_teeth(
    shown: U8, opening: F32, light: F32, tooth: NDArray[np.intp], points: F32, up: F32
) -> OwnTeeth | None:
    """The teeth between a portrait's lips; None if there are none, or none that fit the model's.

    `shown` uint8 [h, w, 3] RGB: the region of the opening; `opening` float32 [h, w]: share of each pixel
    between the lips; `light` float32 [h, w, 3]: what the renderer would paint there if teeth were white
    (squared RGB); `tooth` [h, w]: which of the model's upper teeth is there, from the left, -1 for none;
    `points` float32 [M, 2]: the mouth's mesh, px of the region; `up` float32 [2]: which way teeth stand.
    """
    inside = (opening > _SURE_OPENING) & (tooth >= 0)
    if inside.sum() < _LEAST_PX or abs(float(up[1])) < 0.5 * float(np.linalg.norm(up)):
        return None
    tint = light[inside].mean(0)
    even = cv2.GaussianBlur(np.asarray(light @ LUMA, np.float32), (0, 0), 1.0)
    white = np.maximum(even, _DARKEST_LIGHT)[..., None] * (tint / max(float(tint @ LUMA), 1e-4))
    albedo = ((shown / np.float32(255)) ** 2 / white).astype(np.float32)
    luminance = np.asarray(albedo @ LUMA, np.float32)
    pale = np.ptp(shown, axis=2) < _PALE * np.maximum(shown.max(2), 1)
    bright = inside & pale & (luminance > _BRIGHT * float(np.percentile(luminance[inside], 80)))
    runs = _runs(bright, inside)
    if runs is None:
        return None
    columns, top, bottom = runs
    lean = float(up[0] / up[1])
    middle = ((top + bottom - 1) / 2).astype(np.float32)
    colours = _means(albedo, columns, top, bottom, middle, lean)
    along = tooth[np.clip(np.round(middle).astype(int), 0, len(tooth) - 1), columns.astype(int)]
    borders = _borders(along, columns)
    seams = match_seams(np.asarray(np.sqrt(colours @ LUMA), np.float32), borders - columns[0])
    if seams is None:
        return None
    at = np.arange(shown.shape[1])
    strip = np.zeros((len(at), 4), np.float32)
    strip[:, :3] = colours[np.clip(at - int(columns[0]), 0, len(columns) - 1)]
    beyond = np.maximum(columns[0] - at, at - columns[-1])
    strip[:, 3] = np.clip(1 - beyond / _FADE_PX, 0, 1)
    height = np.interp(points[:, 0], columns, middle)
    place = points[:, 0] - lean * (points[:, 1] - height)
    still = _STILL * float(np.median(np.diff(borders)))
    shift = np.interp(
        place,
        np.concatenate([[borders[0] - still], borders, [borders[-1] + still]]),
        np.concatenate([[0.0], seams + columns[0] - borders, [0.0]]),
    )
    return OwnTeeth(strip, (place + shift).astype(np.float32), shift.astype(np.float32))


def _borders(along: NDArray[np.intp], columns: F32) -> F32:
    """Where one of the model's teeth follows another, in the order of columns."""
    found = []
    for tooth in np.unique(along[along >= 0])[1:]:
        before, after = columns[(along >= 0) & (along < tooth)], columns[along >= tooth]
        if len(before) and len(after):
            found.append((before.max() + after.min()) / 2)
    return np.asarray(found, np.float32)


def match_seams(level: F32, borders: F32) -> F32 | None:
    """Where the `borders` float32 [k] (px) of the model's teeth are in a row of brightnesses float32 [n].

    A stretch and a shift of all of them are sought first, then each by itself; None where too little of them
    is dark.
    """
    if len(borders) < _LEAST_SEAMS:
        return None
    width = float(np.median(np.diff(borders)))
    reach = max(2, round(_BESIDE * width))
    n = len(level)
    left = np.array([level[max(0, i - reach) : i + 1].max() for i in range(n)])
    right = np.array([level[i : i + reach + 1].max() for i in range(n)])
    valley = np.clip(1 - level / np.maximum(np.minimum(left, right), 1e-4), 0, _DEEPEST)
    sought = cv2.GaussianBlur(valley.astype(np.float32)[None], (0, 0), 0.08 * width)[0]
    middle = (n - 1) / 2
    places = np.arange(n)

    def depth(where: F32, of: F32) -> F32:
        return np.asarray(np.interp(where, places, of, left=0, right=0), np.float32)

    best, most = borders, -1.0
    for stretch in _STRETCHES:
        for shift in _SHIFTS * width:
            moved = (borders - middle) * stretch + middle + shift
            likeness = float(depth(moved, sought).sum()) * (
                1 - 0.3 * abs(stretch - 1) - 0.1 * abs(shift) / width
            )
            if likeness > most:
                best, most = moved, likeness
    near = np.arange(-1, 1.01, 0.1) * _OFF * width
    fine = np.stack([depth(best + d, sought) - 0.004 * np.abs(d) for d in near])
    best = np.asarray(best + near[np.argmax(fine, 0)], np.float32)
    deep = depth(best, valley) > _SEAM
    if deep.sum() < _LEAST_SEAMS or deep[(best > 0) & (best < n - 1)].mean() < _FOUND:
        return None
    if (np.diff(best) < 0.4 * width).any():
        return None
    return best


def _runs(bright: NDArray[np.bool_], inside: NDArray[np.bool_]) -> tuple[F32, F32, F32] | None:
    """The upper row: its columns, and of each one the first row and the one after the last.

    Dark columns between bright ones are where teeth meet.
    """
    width = bright.shape[1]
    top, bottom = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for x in range(width):
        rows = np.flatnonzero(bright[:, x])
        if len(rows):
            ends = np.flatnonzero(np.diff(rows) > 2)
            top[x], bottom[x] = rows[0], (rows[ends[0]] if len(ends) else rows[-1]) + 1
    high = bottom - top
    seen = np.flatnonzero(high >= _LEAST_HIGH_PX)
    seen = seen[_ENDS_PX : len(seen) - _ENDS_PX]
    if len(seen) < 2 or np.ptp(seen) < _LEAST_WIDE * np.ptp(np.flatnonzero(inside.any(0))):
        return None
    if high[seen].sum() < _LEAST_PX:
        return None
    columns = np.arange(seen[0], seen[-1] + 1)
    lines = []
    for line in (top, bottom):
        filled = np.interp(columns, seen, line[seen]).astype(np.float32)
        lines.append(cv2.medianBlur(np.ascontiguousarray(filled[None]), 5)[0])
    return columns.astype(np.float32), lines[0], lines[1]


def _means(albedo: F32, columns: F32, top: F32, bottom: F32, middle: F32, lean: float) -> F32:
    """The colour of each column, float32 [n, 3], along the way that teeth stand."""
    # The rows at the lips are blurred with them.
    deep = (bottom - top - 1) / 2 - 1
    offsets = np.linspace(-1, 1, 7, dtype=np.float32)[:, None] * np.maximum(deep, 0.25)
    y = middle + offsets
    x = np.broadcast_to(columns, y.shape) + lean * offsets
    samples = cv2.remap(albedo, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    colours = samples.mean(0)
    level = colours @ LUMA
    most = float(np.percentile(level, 80))
    typical = np.median(colours[level > 0.6 * most], axis=0)
    tint = typical / max(float(typical @ LUMA), 1e-4)
    own = colours / np.maximum(level, 1e-4)[:, None]
    return np.asarray(
        np.minimum(level, _BRIGHTEST * most)[:, None] * (tint + _OWN_TINT * (own - tint)), np.float32
    )
