"""The talking square laid back into the whole portrait, at the portrait's own size.

What moves is taken from the painted square, everything else stays the portrait's own pixels: the share runs
softly from 1 about the person to 0 at the square's edges and in the background, so that there is no seam and
no change of colour, and far from the person no change at all.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from sonic_stream.types import F32, U8, Identity

_REACH: Final = 0.14
"""How far beyond the person the painted square is shown whole, as a share of its side: the head moves."""
_FADE: Final = 0.05
"""Width of the soft border behind that, and along the square's edges, as a share of the side."""
_PERSON: Final = 8
"""Matte (of 255) from which a pixel belongs to the person."""


class WholePicture:
    """Lays painted squares of one identity into its portrait, uint8 [H, W, 3] RGB.

    The result has even sides, as video needs them: an odd one loses its last row or column.
    """

    def __init__(self, portrait: U8, identity: Identity) -> None:
        height, width = (side // 2 * 2 for side in portrait.shape[:2])
        self._portrait = np.ascontiguousarray(portrait[:height, :width])
        x, y, side = identity.crop_box
        self._size = identity.crop.shape[0]
        self._zoom = self._size / side
        left, top = max(int(np.floor(x - side / 2)), 0), max(int(np.floor(y - side / 2)), 0)
        right = min(int(np.ceil(x + side / 2)) + 1, width)
        bottom = min(int(np.ceil(y + side / 2)) + 1, height)
        self._region = slice(top, bottom), slice(left, right)
        # Square pixels from the region's pixels; both count from the centre of their first pixel.
        middle = (self._size - 1) / 2
        shift = [middle - self._zoom * (x - left), middle - self._zoom * (y - top)]
        self._matrix = np.array([[self._zoom, 0, shift[0]], [0, self._zoom, shift[1]]])
        self._share = self._placed(self._share_of(identity, width, height))[..., None]
        self._still = (1 - self._share) * self._portrait[self._region]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self._portrait.shape[0], self._portrait.shape[1]

    @property
    def enlarged(self) -> float:
        """How many times the painted square is enlarged: above 1 the face is softer than the portrait."""
        return float(1 / self._zoom)

    def lay(self, square: U8) -> U8:
        """The whole picture with `square` uint8 [S, S, 3] in its place; it is the caller's own."""
        out = self._portrait.copy()
        if self._zoom > 1:
            # Shrinking: a slight blur first, or fine detail would sparkle.
            sigma = 0.45 * float(np.sqrt(self._zoom**2 - 1))
            square = np.asarray(cv2.GaussianBlur(square, (0, 0), sigma), np.uint8)
        painted = self._placed(square.astype(np.float32))
        out[self._region] = np.clip(self._still + self._share * painted + 0.5, 0, 255).astype(np.uint8)
        return out

    def _placed(self, values: F32) -> F32:
        """Values of the square at the region's pixels."""
        rows, columns = self._region
        size = (columns.stop - columns.start, rows.stop - rows.start)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        placed = cv2.warpAffine(values, self._matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(placed, np.float32)

    def _share_of(self, identity: Identity, width: int, height: int) -> F32:
        """How far the painted square is shown, float32 [S, S] 0..1."""
        size = self._size
        person = (identity.matte >= _PERSON).astype(np.uint8)
        if not person.any():
            person[:] = 1
        away = cv2.distanceTransform(1 - person, cv2.DIST_L2, 5)
        share = np.clip(1 - (away / size - _REACH) / _FADE, 0, 1)
        x, y, side = identity.crop_box
        inward = np.clip((np.arange(size, dtype=np.float32) + 0.5) / (_FADE * size), 0, 1)
        # Only where the portrait goes on beyond the square there is something to fade into.
        if x - side / 2 > 0:
            share = share * inward[None, :]
        if x + side / 2 < width - 1:
            share = share * inward[None, ::-1]
        if y - side / 2 > 0:
            share = share * inward[:, None]
        if y + side / 2 < height - 1:
            share = share * inward[::-1, None]
        return np.asarray(np.clip(share * share * (3 - 2 * share), 0, 1), np.float32)
