"""Measuring along and across a feature that may be tilted in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.types import F32

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes of a feature: `along` it (to the picture's right) and `across` it (down), unit vectors."""

    origin: F32
    along: F32
    across: F32

    def of(self, points: F32) -> tuple[F32, F32]:
        """Coordinates (along, across) float32 [N] each of points [N, 2]."""
        away = points - self.origin
        return np.asarray(away @ self.along, np.float32), np.asarray(away @ self.across, np.float32)

    def back(self, x: Array, y: Array) -> F32:
        """Points float32 [N, 2] of coordinates."""
        return np.asarray(self.origin + x[:, None] * self.along + y[:, None] * self.across, np.float32)


def axes_between(a: F32, b: F32) -> Axes:
    """Axes whose origin is `a` and whose `along` points to `b`."""
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    return Axes(
        np.asarray(a, np.float32),
        np.asarray(along, np.float32),
        np.array([-along[1], along[0]], np.float32),
    )


def curve(x: Array, y: Array, at: Array) -> F32:
    """The polyline (x, y), in any order of x, at the places `at`; constant beyond its ends."""
    order = np.argsort(x)
    return np.asarray(np.interp(at, x[order], y[order]), np.float32)
