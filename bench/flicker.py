"""Flicker: what changes from picture to picture although nothing moves there that explains it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from sonic_stream.types import F32, U8

_NO_MAP: Any = None


def flicker(before: U8, now: U8, after: U8) -> float:
    """Second temporal difference along the flow, mean over the region, 8-bit steps.

    The pictures before and after, uint8 [h, w, 3], are brought onto the one between by their optical flow;
    what still departs from an even change is flicker. 0 for anything that stands still or moves whole.
    """
    here = now.astype(np.float32)
    return float(np.abs(_brought(before, now) - 2 * here + _brought(after, now)).mean())


def region(points: F32, size: int, reach: float = 0.9) -> tuple[slice, slice]:
    """Rows and columns of a square about the mouth of landmarks [N, 2+] px, `reach` mouth widths each way."""
    corners = points[[61, 291], :2]
    middle = corners.mean(0)
    half = reach * float(np.linalg.norm(corners[1] - corners[0]))
    x0, y0 = np.clip(np.floor(middle - half), 0, size - 8).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), 8, size).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _brought(other: U8, now: U8) -> F32:
    """`other` warped by its flow onto `now`, float32 [h, w, 3]."""
    grey = [cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) for image in (now, other)]
    flow = cv2.calcOpticalFlowFarneback(
        grey[0], grey[1], np.zeros((1, 1, 2), np.float32), 0.5, 3, 9, 3, 5, 1.1, 0
    )
    rows, columns = np.indices(grey[0].shape, np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    warped = cv2.remap(other, x, y, cv2.INTER_LINEAR, _NO_MAP, cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.float32)
