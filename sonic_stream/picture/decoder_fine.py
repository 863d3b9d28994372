"""The geometric picture as it was before it was rounded to whole 8-bit steps.

A change that is laid on a rounded picture is rounded with it a second time. Where a shade comes up slowly,
by a fraction of a step a picture, its pixels then step at other moments than the skin's own, and the two
roundings together tremble more than one. So what lies beneath a patch is sampled again without rounding, in
the few pixels of the patch alone, and sum and picture are rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from sonic_stream.picture.decoder_patch import Patch
from sonic_stream.types import F32, U8

_SPARSE, _MARGIN_PX = 4, 8
"""Only every fourth pixel is asked where it comes from. One from beyond the margin is sampled wrong, which
is seen by its being far from the picture."""
_NO_MAP: Any = None


class Fine(NamedTuple):
    """A part of a picture before it was rounded."""

    pixels: F32
    """float32 [h, w, 3], 8-bit steps."""
    x: int
    y: int
    """Column and row of the picture where it begins."""


ROUNDED: Final = Fine(np.zeros((0, 0, 3), np.float32), 0, 0)
"""Nothing is known but the picture."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Where the pixels of a picture came from."""

    layer: U8
    """The portrait's person, uint8 [S, S, 4], premultiplied."""
    flow: F32
    """Where in it each pixel was sampled, float32 [h, w, 2] px."""
    origin: tuple[int, int]
    """Column and row of the picture where `flow` begins."""
    sampling: int
    """OpenCV's number of the interpolation."""

    def beneath(self, patch: Patch) -> Fine:
        """What lies beneath a patch, wherever that is the portrait's own pixels."""
        height, width = patch.inputs.shape[:2]
        corners = np.array([(0, 0, 1), (width - 1, 0, 1), (0, height - 1, 1), (width - 1, height - 1, 1)])
        placed = corners @ patch.matrix.T - self.origin
        most = self.flow.shape[1::-1]
        low = np.clip(np.floor(placed.min(0)), 0, most).astype(int)
        high = np.clip(np.ceil(placed.max(0)) + 1, 0, most).astype(int)
        flow = self.flow[low[1] : high[1], low[0] : high[0]]
        if not flow.size:
            return ROUNDED
        some = flow[::_SPARSE, ::_SPARSE]
        size = self.layer.shape[1::-1]
        first = np.clip(some.min((0, 1)) - _MARGIN_PX, 0, np.subtract(size, 1)).astype(int)
        last = np.clip(some.max((0, 1)) + _MARGIN_PX, first + 1, size).astype(int)
        source = cv2.cvtColor(self.layer[first[1] : last[1], first[0] : last[0]], cv2.COLOR_RGBA2RGB)
        local = np.empty_like(flow)
        for axis in range(2):
            np.subtract(flow[..., axis], np.float32(first[axis]), out=local[..., axis])
        made = cv2.remap(
            source.astype(np.float32), local, _NO_MAP, self.sampling, borderMode=cv2.BORDER_REPLICATE
        )
        return Fine(np.asarray(made, np.float32), int(low[0]) + self.origin[0], int(low[1]) + self.origin[1])
