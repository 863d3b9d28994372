"""Finds glasses: a rim below each eye and a bridge between them, where a bare face has smooth skin.

A rim is a thin line, darker or lighter than the skin on both of its sides, that goes on all the way around
the lower half of the eye, and so does the bridge across the nose. Folds and bags end; they do not go around.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.fit import F64
from sonic_stream.types import F32, U8

_TURNS = np.linspace(0.12 * np.pi, 0.88 * np.pi, 49)
"""Directions below the eye in which its rim is sought, rad from the line of its corners."""
_NEAR, _FAR, _STEPS = 0.55, 1.75, 61
"""Where it is sought, in widths of the eye from its middle."""
_BRIDGE, _ABOVE, _BELOW = (0.38, 0.62), -0.6, 0.6
"""Where the bridge is sought: share of the way between the inner corners, and heights in widths of an eye."""
_THIN = 0.045
"""Distance of the skin on both sides with which a line is compared, in widths of the eye."""
_USUAL = 3.0
"""Difference in lightness (CIELAB) that counts in full when a line is followed."""
_BEND = 60.0
"""Cost of a step of the line, squared, from one place to the next."""
_GOES_ON = 20
"""Percentile of its places at which a line has to be seen."""
_BOTH, _EACH = 2.0, 1.2
"""Contrast there (CIELAB) from which rims are glasses: of both together, and of each. Thin golden rims have
2.3 and 4, bare faces up to 1.3, paintings with cracks 1.8 on one side."""
_CLEAR_BRIDGE = 2.0
"""Contrast of the bridge from which it is one: 4.2 and 7.9 against 1.3."""


@dataclass(frozen=True, slots=True)
class Lens:
    """The outline of one lens, roughly: a circle, px."""

    middle: F32
    radius: float


def find_glasses(crop: U8, landmarks: F32) -> tuple[Lens, Lens] | None:
    """The left and the right lens of glasses in `crop`, whose face has `landmarks` [478, 2] px; or None."""
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light = np.asarray(lab[..., 0], np.float32)
    lenses, seen = [], []
    for corners in (regions.CORNERS_LEFT, regions.CORNERS_RIGHT):
        lens, contrast = _rim(light, landmarks[list(corners), :2].astype(np.float64))
        lenses.append(lens)
        seen.append(max(contrast, 0.0))
    inner = landmarks[[regions.CORNERS_LEFT[0], regions.CORNERS_RIGHT[0]], :2].astype(np.float64)
    if min(seen) < _EACH or np.sqrt(seen[0] * seen[1]) < _BOTH or _bridge(light, inner) < _CLEAR_BRIDGE:
        return None
    return lenses[0], lenses[1]


def _rim(light: F32, corners: F64) -> tuple[Lens, float]:
    """The rim below one eye, and how clearly it is seen."""
    middle, along, down, width = _axes(corners)
    direction = np.cos(_TURNS)[:, None] * along + np.sin(_TURNS)[:, None] * down
    away = np.linspace(_NEAR, _FAR, _STEPS) * width
    step, contrast = _line(light, np.broadcast_to(middle, direction.shape), direction, away, width)
    return Lens(middle.astype(np.float32), float(np.median(away[step]))), contrast


def _bridge(light: F32, inner: F64) -> float:
    """How clearly a line is seen across the nose."""
    middle, along, down, apart = _axes(inner)
    share = np.linspace(*_BRIDGE, 25) - 0.5
    start = middle + share[:, None] * apart * along
    away = np.linspace(_ABOVE, _BELOW, _STEPS) * apart
    return _line(light, start, np.broadcast_to(down, start.shape), away, apart)[1]


def _axes(ends: F64) -> tuple[F64, F64, F64, float]:
    """Middle, unit vectors along and down, and the length between two points, left to right."""
    ends = ends[np.argsort(ends[:, 0])]
    length = max(float(np.linalg.norm(ends[1] - ends[0])), 1.0)
    along = (ends[1] - ends[0]) / length
    return ends.mean(0), along, np.array([-along[1], along[0]]), length


def _line(light: F32, start: F64, direction: F64, away: F64, width: float) -> tuple[NDArray[np.intp], float]:
    """The clearest thin line across the ways from `start`: its step on each, and its contrast."""
    soft = cv2.GaussianBlur(light, (0, 0), max(0.6, 0.012 * width))

    def seen(extra: float) -> F64:
        places = start[:, None] + (away + extra * width)[None, :, None] * direction[:, None]
        x, y = places.astype(np.float32).transpose(2, 0, 1)
        return np.asarray(
            cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64
        )

    here = seen(0)
    thin, thick = ((seen(-side), seen(side)) for side in (_THIN, 2 * _THIN))
    found = []
    for sign in (1, -1):
        line = np.maximum(
            *(np.minimum(sign * (here - inner), sign * (here - outer)) for inner, outer in (thin, thick))
        )
        step = _path(np.clip(line / _USUAL, -1, 2))
        found.append((step, float(np.percentile(line[np.arange(len(line)), step], _GOES_ON))))
    return max(found, key=lambda one: one[1])


def _path(gain: F64) -> NDArray[np.intp]:
    """The step on each way of the best smooth path across `gain` [ways, steps]."""
    ways, steps = gain.shape
    row = np.arange(steps)
    bend = _BEND * ((row[:, None] - row[None]) / steps) ** 2
    best, came = gain[0], np.zeros((ways, steps), np.intp)
    for way in range(1, ways):
        reached = best[None] - bend
        came[way] = reached.argmax(1)
        best = gain[way] + reached.max(1)
    path = np.empty(ways, np.intp)
    at = int(best.argmax())
    for way in range(ways - 1, -1, -1):
        path[way] = at
        at = int(came[way, at])
    return path
