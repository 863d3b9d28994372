"""A square window of a picture, turned and resampled without aliasing.

Coordinates count from the centre of the first pixel, as `cv2.remap` has it. A window knows its way back:
`Window.outward` takes its own pixels to the picture's, `Window.inward` the other way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.types import F32, U8


@dataclass(frozen=True, slots=True)
class Window:
    """`side` picture pixels about (`x`, `y`), turned by `angle` rad clockwise, as `size_px` pixels."""

    x: float
    y: float
    side: float
    size_px: int
    angle: float = 0.0

    def _rotation(self) -> NDArray[np.float64]:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    @property
    def zoom(self) -> float:
        """Window pixels per picture pixel."""
        return self.size_px / self.side

    def inward(self, points: F32) -> F32:
        """Picture points [N, 2 or 3] in window pixels; a third coordinate (depth) is only scaled."""
        out = points.astype(np.float64) * self.zoom
        centred = points[:, :2] - [self.x, self.y]
        out[:, :2] = self.zoom * centred @ self._rotation() + (self.size_px - 1) / 2
        return out.astype(np.float32)

    def outward(self, points: F32) -> F32:
        """Window points [N, 2 or 3] in picture pixels; a third coordinate (depth) is only scaled."""
        out = points.astype(np.float64) / self.zoom
        centred = points[:, :2] - (self.size_px - 1) / 2
        out[:, :2] = centred @ self._rotation().T / self.zoom + [self.x, self.y]
        return out.astype(np.float32)

    def cut(self, image: U8, fine: bool = True) -> U8:
        """The window's pixels, uint8 [size_px, size_px] + channels; beyond the picture its edge goes on.

        Shrinking averages over areas first. Growing uses Lanczos, or, when not `fine`, the much faster
        linear interpolation, which is good enough for models to look at.
        """
        image, left, top = self._around(image)
        window = replace(self, x=self.x - left, y=self.y - top)
        shrink = min(max(int(1 / self.zoom), 1), *image.shape[:2])
        if shrink > 1:
            height, width = image.shape[0] // shrink, image.shape[1] // shrink
            image = image[: height * shrink, : width * shrink]
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            middle = (shrink - 1) / 2
            window = replace(
                window,
                x=(window.x - middle) / shrink,
                y=(window.y - middle) / shrink,
                side=self.side / shrink,
            )
        elif self.zoom < 1:
            # Below one octave an area average would shift the grid: a slight blur does the same work.
            sigma = 0.45 * float(np.sqrt(1 / self.zoom**2 - 1))
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
        middle_px = (self.size_px - 1) / 2
        rotation = window._rotation() / window.zoom
        matrix = np.c_[rotation, [window.x, window.y] - rotation @ [middle_px, middle_px]]
        how = (cv2.INTER_LANCZOS4 if window.zoom > 1 else cv2.INTER_CUBIC) if fine else cv2.INTER_LINEAR
        cut = cv2.warpAffine(
            image,
            matrix,
            (self.size_px, self.size_px),
            flags=how | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(cut, np.uint8)

    def _around(self, image: U8) -> tuple[U8, int, int]:
        """The part of the picture that the window needs, and where it begins: large pictures stay cheap.

        It keeps a margin for filters, and at least one row and column of the picture's edge.
        """
        reach = 0.75 * self.side + 8 * max(1 / self.zoom, 1.0)
        height, width = image.shape[:2]
        left = int(np.clip(self.x - reach, 0, width - 1))
        top = int(np.clip(self.y - reach, 0, height - 1))
        right = int(np.clip(self.x + reach, left + 1, width))
        bottom = int(np.clip(self.y + reach, top + 1, height))
        return image[top:bottom, left:right], left, top
