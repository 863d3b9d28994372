"""Lets the decoder's shading of skin settle from picture to picture, so that it does not tremble.

Each picture is refined for itself, and what a network shades into lips, cheeks and chin follows every stir
of the mouth. Seen in motion that is flicker. So what is laid on skin is carried along with the skin from the
picture before (the mesh says where each pixel was) and moves only a part of the way to what is asked for
now: somewhat more where much is asked for, none where the difference could not be seen. A shade that sprang
to its full depth in one picture would be seen as a flash, so even the darkest takes some pictures, also when
it comes up from rest. The skin itself, with what was laid on it, is then drawn back a little towards how it
was shown before, by a step or so of 255 and no more: that takes off the tremble of sampling without blurring
pores. The opening and its rims are as asked for at once: no closure is blurred and no opening late. One
`Settling` belongs to one run of pictures; a new one knows nothing.
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
STILLING: Final = 0.25
STILLED: Final = 1.5
"""Part of the way that skin is drawn back to how it was shown before, and the most it may be, 8-bit steps."""
_FADES_PX: Final = 12.0
"""Width of the patch's margin over which drawing back fades out, px."""
_AT_ONCE_PX: Final = 0.3
"""How far from the rims of the opening anything is shown at once; fades over as much again."""
_FAST = {"nsz", "arcp", "contract", "reassoc"}


@dataclass(slots=True)
class _Shown:
    """What one region showed last."""

    change: F32
    """What had settled, float32 [3, h, w], 8-bit steps."""
    picture: F32
    """What was to be seen, float32 [3, h, w], 8-bit steps."""
    points: F32
    """Where the skin's vertices lay in the patch, float32 [V, 2]."""


class Settling:
    """What one run of pictures has shown. Used by one thread at a time."""

    def __init__(self) -> None:
        self._shown: dict[str, _Shown | None] = {}
        """By region; None: nothing was laid on, it was at rest."""

    def forget(self, region: str | None = None) -> None:
        """The next picture is as it is asked for: in one region, or all."""
        if region is None:
            self._shown.clear()
        else:
            self._shown.pop(region, None)

    def rest(self, region: str) -> None:
        """Nothing was laid on this picture's region: what is asked for next comes up from there."""
        self._shown[region] = None

    def branch(self) -> Settling:
        """The same past for a picture beside the run: what that one shows is not remembered here."""
        beside = Settling()
        beside._shown.update(self._shown)
        return beside

    def settled(self, patch: Patch, change: F32, triangles: Any, amount: float = 1.0) -> F32:
        """What to lay on `patch`, float32 [3, h, w], where `amount` of `change` is asked for; remembered."""
        points = np.ascontiguousarray(patch.points[:, :2])
        settled, laid = change.copy(), change * np.float32(amount)
        before = self._shown.get(patch.region)
        picture = np.empty_like(change)
        if patch.region in self._shown and before is None:
            before = _Shown(np.zeros_like(change), _bare(patch), points)
        if before is not None and _farthest(points, before.points, triangles) <= CUT_PX:
            origin = _origin(patch, triangles, before.points)
            settle(settled, laid, picture, patch.inputs, amount, before.change, before.picture, origin)
        else:
            np.add(_bare(patch), laid, out=picture)
        self._shown[patch.region] = _Shown(settled, picture, points)
        return laid


def _bare(patch: Patch) -> F32:
    """The patch with nothing laid on it, float32 [3, h, w]."""
    return np.ascontiguousarray(patch.inputs[..., :3].transpose(2, 0, 1), np.float32)


@numba.njit(cache=True, nogil=True)
def _farthest(points: F32, was: F32, triangles: Any) -> float:
    """How far a corner of the triangles has moved along x or y, at most, px."""
    most = 0.0
    for t in range(triangles.shape[0]):
        for corner in range(3):
            v = triangles[t, corner]
            most = max(most, abs(points[v, 0] - was[v, 0]), abs(points[v, 1] - was[v, 1]))
    return most


def _origin(patch: Patch, triangles: Any, was_points: F32) -> F32:
    """Where each pixel of the patch was when its skin lay at `was_points`, float32 [h, w, 2]."""
    height, width = patch.inputs.shape[:2]
    origin = np.empty((height, width, 2), np.float32)
    origin[..., 0], origin[..., 1] = np.arange(width)[None], np.arange(height)[:, None]
    depth = np.full((height, width), raster.FAR, np.float32)
    raster.draw_mesh(patch.points, triangles, was_points, 1.0, 0.0, 0.0, depth, origin)
    return origin


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def settle(
    change: F32,
    laid: F32,
    picture: F32,
    inputs: U8,
    amount: float,
    was_change: F32,
    was_picture: F32,
    origin: F32,
) -> None:
    """Moves `change` [3, h, w] back towards `was_change` at `origin` [h, w, 2], in place.

    `laid` becomes `amount` of it, drawn back towards how the skin was shown in `was_picture`, and `picture`
    what is shown now.
    """
    height, width = change.shape[1:]
    for y in range(height):
        for x in range(width):
            rims = (min(inputs[y, x, 4], inputs[y, x, 5]) - 128.0) / RIM_STEP
            held = min(1.0, max(0.0, -rims / _AT_ONCE_PX - 1.0))
            if held <= 0.0:
                for k in range(3):
                    picture[k, y, x] = inputs[y, x, k] + laid[k, y, x]
                continue
            u = min(max(origin[y, x, 0], 0.0), width - 1.0)
            v = min(max(origin[y, x, 1], 0.0), height - 1.0)
            i, j = min(int(v), height - 2), min(int(u), width - 2)
            fv, fu = v - i, u - j
            a, b, c, d = (1 - fv) * (1 - fu), (1 - fv) * fu, fv * (1 - fu), fv * fu
            inward = min(min(x, width - 1 - x), min(y, height - 1 - y))
            most = STILLED * amount * held * min(1.0, inward / _FADES_PX)
            for k in range(3):
                upper = a * was_change[k, i, j] + b * was_change[k, i, j + 1]
                was = upper + c * was_change[k, i + 1, j] + d * was_change[k, i + 1, j + 1]
                away = change[k, y, x] - was
                step = max(0.0, away - UNSEEN) + min(0.0, away + UNSEEN)
                part = min(1.0, PACE + (1.0 - PACE) * abs(step) / WHOLE)
                change[k, y, x] += held * (was + part * step - change[k, y, x])
                upper = a * was_picture[k, i, j] + b * was_picture[k, i, j + 1]
                seen = upper + c * was_picture[k, i + 1, j] + d * was_picture[k, i + 1, j + 1]
                bare, now = np.float32(inputs[y, x, k]), amount * change[k, y, x]
                now += min(most, max(-most, STILLING * (seen - bare - now)))
                laid[k, y, x] = now
                picture[k, y, x] = bare + now
