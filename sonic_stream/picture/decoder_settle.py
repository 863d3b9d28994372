"""Lets the decoder's shading of skin settle from picture to picture, so that it does not tremble.

Each picture is refined for itself, and what a network shades into lips, cheeks and chin follows every stir
of the mouth. Seen in motion that is flicker. So what is laid on skin is carried along with the skin from the
picture before (the mesh says where each pixel was) and moves only a part of the way to what is asked for
now: somewhat more where much is asked for, none where the difference could not be seen. A shade that sprang
to its full depth in one picture would be seen as a flash, so even the darkest takes some pictures, also when
it comes up from rest. The opening and its rims are as asked for at once: no closure is blurred and no opening
late. One `Settling` belongs to one run of pictures; a new one knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np

from sonic_stream.picture import raster
from sonic_stream.picture.decoder_patch import RIM_STEP, Patch
from sonic_stream.types import F32, U8

PACE: Final = 0.3
WHOLE: Final = 80.0
"""Part of the way to what is asked for that a picture goes at least, and the distance, 8-bit steps, from
which on it goes all of it."""
UNSEEN: Final = 1.0
"""Difference, 8-bit steps, up to which what was shown before stays."""
CUT_PX: Final = 30.0
"""Movement of the skin between two pictures, px of the patch, from which on they do not belong together."""
_AT_ONCE_PX: Final = 1.0
"""How far from the rims of the opening anything is shown at once; fades over as much again."""
_FAST = {"nsz", "arcp", "contract", "reassoc"}


@dataclass(slots=True)
class _Shown:
    """What one region showed last."""

    change: F32 | None
    """float32 [3, h, w], 8-bit steps; None: nothing was laid on, the region was at rest."""
    points: F32 | None
    """Where the skin's vertices lay in the patch, float32 [V, 2]; None at rest."""


class Settling:
    """What one run of pictures has shown. Used by one thread at a time."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown] = {}

    def forget(self, region: str | None = None) -> None:
        """The next picture is as it is asked for: in one region, or all."""
        if region is None:
            self._shown.clear()
        else:
            self._shown.pop(region, None)

    def rest(self, region: str) -> None:
        """Nothing was laid on this picture's region: what is asked for next comes up from there."""
        self._shown[region] = _Shown(None, None)

    def branch(self) -> Settling:
        """The same past for a picture beside the run: what that one shows is not remembered here."""
        beside = Settling()
        beside._shown.update(self._shown)
        return beside

    def settled(self, patch: Patch, change: F32, triangles: Any) -> F32:
        """What to lay on `patch`, float32 [3, h, w], where `change` is asked for; and remembers it."""
        before = self._shown.get(patch.region)
        points = np.ascontiguousarray(patch.points[:, :2])
        shown = change
        if before is not None:
            was_points = points if before.points is None else before.points
            was = np.zeros_like(change) if before.change is None else before.change
            if np.abs((points - was_points)[triangles]).max() <= CUT_PX:
                shown = change.copy()
                settle(shown, was, _origin(patch, triangles, was_points), patch.inputs)
        self._shown[patch.region] = _Shown(shown, points)
        return shown


def _origin(patch: Patch, triangles: Any, was_points: F32) -> F32:
    """Where each pixel of the patch was when its skin lay at `was_points`, float32 [h, w, 2]."""
    height, width = patch.inputs.shape[:2]
    origin = np.empty((height, width, 2), np.float32)
    origin[..., 0], origin[..., 1] = np.arange(width)[None], np.arange(height)[:, None]
    depth = np.full((height, width), raster.FAR, np.float32)
    raster.draw_mesh(patch.points, triangles, was_points, 1.0, 0.0, 0.0, depth, origin)
    return origin


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def settle(change: F32, before: F32, origin: F32, inputs: U8) -> None:
    """Moves `change` [3, h, w] back towards what `before` showed at `origin` [h, w, 2], in place."""
    height, width = change.shape[1:]
    for y in range(height):
        for x in range(width):
            rims = (min(inputs[y, x, 4], inputs[y, x, 5]) - 128.0) / RIM_STEP
            held = min(1.0, max(0.0, -rims / _AT_ONCE_PX - 1.0))
            if held <= 0.0:
                continue
            u = min(max(origin[y, x, 0], 0.0), width - 1.0)
            v = min(max(origin[y, x, 1], 0.0), height - 1.0)
            i, j = min(int(v), height - 2), min(int(u), width - 2)
            fv, fu = v - i, u - j
            for k in range(3):
                upper = before[k, i, j] + fu * (before[k, i, j + 1] - before[k, i, j])
                lower = before[k, i + 1, j] + fu * (before[k, i + 1, j + 1] - before[k, i + 1, j])
                was = upper + fv * (lower - upper)
                away = change[k, y, x] - was
                step = max(0.0, away - UNSEEN) + min(0.0, away + UNSEEN)
                part = min(1.0, PACE + (1.0 - PACE) * abs(step) / WHOLE)
                change[k, y, x] += held * (was + part * step - change[k, y, x])
