"""The square that is shown: head and shoulders, cut from the portrait.

The side is `2 * (1 + expand_ratio)` times the height of the face (forehead to chin), so that the usual
ratio of 0.2 leaves the head about half to 60 % of the picture's height. Where the portrait ends, the
square first moves, then shrinks, and only then is the rest filled with a soft continuation.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.face.tracker import TrackedFace
from sonic_stream.face.window import Window
from sonic_stream.types import U8, PortraitSettings

_BELOW_FACE = 0.09
"""How far below the middle of the face the square's middle lies, in face heights: room for shoulders."""
_BEHIND_FACE = 0.3
"""How far behind the middle of the face that of the head lies, in face heights: for turned heads."""
_LEAST_HEIGHT = 1.45
"""Face heights are at least this many interocular distances: nodding foreshortens only the height."""
_MOST_SHIFT = 0.2
"""How far the square may move off its place to stay inside the portrait, as a share of its side."""
_LEAST_SIDE = 1.25
"""Face heights below which the square is never shrunk: a tight picture looks better than a made-up border,
until the face itself would fill it."""
_FILL_BLUR = 0.012
"""Softness of the continuation beyond the portrait's edge, as a share of the side."""


def crop_window(face: TrackedFace, width: int, height: int, settings: PortraitSettings) -> Window:
    """The upright square about `face` in a portrait of `width` x `height` px."""
    extent = max(face.height, _LEAST_HEIGHT * face.interocular)
    x, y = face.centre
    x += _BEHIND_FACE * extent * float(face.backward[0])
    y += _BELOW_FACE * extent
    least = min(1 + settings.expand_ratio, _LEAST_SIDE / 2) * 2 * extent
    side = max(least, min(2 * (1 + settings.expand_ratio) * extent, float(max(width, height))))
    (x_kept, over_x), (y_kept, over_y) = _inside(x, side, width), _inside(y, side, height)
    if max(over_x, over_y) > 0:
        side = max(least, side - 2 * max(over_x, over_y))
        (x_kept, _), (y_kept, _) = _inside(x, side, width), _inside(y, side, height)
    return Window(x_kept, y_kept, side, settings.min_resolution)


def _inside(middle: float, side: float, length: int) -> tuple[float, float]:
    """The middle moved so that the side lies inside 0..length as allowed, and what still sticks out."""
    low, high = (side - 1) / 2, length - 1 - (side - 1) / 2
    wanted = (low + high) / 2 if low > high else float(np.clip(middle, low, high))
    moved = float(np.clip(wanted, middle - _MOST_SHIFT * side, middle + _MOST_SHIFT * side))
    return moved, max(low - moved, moved - high, 0.0)


def cut_crop(image: U8, window: Window) -> U8:
    """The square's pixels; beyond the portrait its edge pixels go on, ever softer."""
    crop = window.cut(image)
    size = window.size_px
    ends = np.array([[-0.5, -0.5], [image.shape[1] - 0.5, image.shape[0] - 0.5]], np.float32)
    (left, top), (right, bottom) = window.inward(ends)
    at = np.arange(size, dtype=np.float32)
    beyond_x = np.maximum(np.maximum(left - at, at - right), 0)
    beyond_y = np.maximum(np.maximum(top - at, at - bottom), 0)
    beyond = np.maximum(beyond_x[None], beyond_y[:, None])
    if not (beyond > 0.5).any():
        return crop
    mixed = crop.astype(np.float32)
    for octave in (1, 3, 9):
        sigma = _FILL_BLUR * size * octave
        soft = cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE).astype(np.float32)
        share = np.clip(beyond / (2 * sigma), 0, 1)[..., None]
        mixed += share * (soft - mixed)
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)


def share_outside(window: Window, width: int, height: int) -> float:
    """Share of the square that lies beyond a portrait of `width` x `height` px, 0..1."""
    seen = 1.0
    for middle, length in ((window.x, width), (window.y, height)):
        low, high = max(middle - window.side / 2, -0.5), min(middle + window.side / 2, length - 0.5)
        seen *= float(np.clip((high - low) / window.side, 0, 1))
    return 1 - seen
