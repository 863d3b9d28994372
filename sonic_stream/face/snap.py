"""Pulls the fitted head onto the landmarks, so that its projection coincides with them.

What the fit leaves over at each landmark is spread over the mesh by a smooth interpolant in space. It
works on the mean head with its mouth wide open: there upper and lower lip, which touch in most portraits,
lie far apart and do not drag each other along. Eyeballs, teeth, gums and tongue move as rigid pieces with
the mean of their surroundings. Only directions across the line of sight are known, so only those change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.fit import F64, HeadFit
from sonic_stream.face.head import PARTS, Head
from sonic_stream.types import F32

_SOFT = 0.35
"""Radius (head units) within which the interpolant is rounded off, so that it has no peaks at landmarks."""
_NEAR, _FAR = 1.5, 6.0
"""Distances (head units) from the nearest landmark between which the pull fades to nothing."""
_LIP_DEPTH = 0.6
"""Distance (head units) from the lip rim over which the mouth's lining goes from lip to rigid."""
_GIVE = 1e-3
"""How much an ordinary landmark may be missed; more where it counted less in the fit."""


class Snapper:
    """The head model's interpolation in space, worked out once; holds no state between uses."""

    def __init__(self, head: Head) -> None:
        self._at = head.landmarks
        weights = np.zeros(len(head.expression_names), np.float32)
        for name, weight in (("jawOpen", 0.9), ("mouthUpperUp_L", 0.5), ("mouthUpperUp_R", 0.5)):
            weights[head.expression_index(name)] = weight
        opened = head.shaped(np.zeros(0, np.float32), weights).astype(np.float64)
        centres = opened[self._at]
        self._kernel = _soft_distance(opened, centres)
        self._plane = np.c_[np.ones(len(opened)), opened]
        nearest = self._kernel.min(1) - _SOFT
        fade = np.clip((_FAR - nearest) / (_FAR - _NEAR), 0, 1)
        self._fade = fade * fade * (3 - 2 * fade)
        part = head.vertex_part
        self._eyes = [
            (np.flatnonzero(part == PARTS.index("eye_left")), np.array(regions.EYE_LEFT)),
            (np.flatnonzero(part == PARTS.index("eye_right")), np.array(regions.EYE_RIGHT)),
        ]
        self._inner_mouth = self._inside(head, opened)

    @staticmethod
    def _inside(head: Head, opened: F64) -> tuple[NDArray[np.int64], F64, F64]:
        """Vertices behind the lips, how rigid each is, and how far it belongs to the upper jaw, 0..1."""
        part = head.vertex_part
        names = ("cavity", "teeth_upper", "teeth_lower", "gums", "tongue")
        ids = np.flatnonzero(np.isin(part, [PARTS.index(name) for name in names]))
        rim = np.r_[head.lip_rim_upper, head.lip_rim_lower]
        deep = distances(opened[ids], opened[rim]).min(1)
        rigid = np.where(part[ids] == PARTS.index("cavity"), 1 - np.exp(-((deep / _LIP_DEPTH) ** 2)), 1.0)
        # In the opened mouth the jaws lie apart, and height alone tells which one a point hangs on.
        upper_edge = opened[head.lip_rim_upper, 1].mean()
        lower_edge = opened[head.lip_rim_lower, 1].mean()
        upper = np.clip((opened[ids, 1] - lower_edge) / (upper_edge - lower_edge), 0, 1)
        upper[part[ids] == PARTS.index("teeth_upper")] = 1
        upper[np.isin(part[ids], [PARTS.index("teeth_lower"), PARTS.index("tongue")])] = 0
        return ids, rigid, upper

    def snap(self, head: Head, fit: HeadFit, landmarks: F32) -> F32:
        """The person's head without expression, float32 [V, 3], head units.

        With the fitted expression put back on, its projection meets `landmarks` [>= 468, >= 2] px.
        """
        neutral = head.shaped(fit.shape).astype(np.float64)
        worn = neutral + np.tensordot(fit.expression.astype(np.float64), head.expression, 1)
        target = landmarks[: regions.MESH_POINTS, :2].astype(np.float64)
        left_over = (target - fit.project(worn[self._at])) / fit.scale * [1, -1]
        pull = self._spread(left_over, fit.weights) * self._fade[:, None]
        ids, rigid, upper = self._inner_mouth
        lip_upper = left_over[list(regions.LIPS_OUTER[11:])].mean(0)
        lip_lower = left_over[list(regions.LIPS_OUTER[:10])].mean(0)
        jaw = upper[:, None] * lip_upper + (1 - upper[:, None]) * lip_lower
        pull[ids] += rigid[:, None] * (jaw - pull[ids])
        for vertices, ring in self._eyes:
            pull[vertices] = left_over[ring].mean(0)
        return np.asarray(neutral + pull @ fit.rotation[:2], np.float32)

    def _spread(self, values: F64, weights: F64) -> F64:
        """Values [468, 2] at the landmarks carried to all vertices [V, 2]."""
        at_centres, plane = self._kernel[self._at], self._plane[self._at]
        count = len(values)
        # The kernel is conditionally negative definite, hence the sign of the slack.
        give = np.diag(-_GIVE * (3.0 / np.maximum(weights, 1e-3)) ** 2)
        system = np.block([[at_centres + give, plane], [plane.T, np.zeros((4, 4))]])
        solved = np.linalg.solve(system, np.r_[values, np.zeros((4, 2))])
        return np.asarray(self._kernel @ solved[:count] + self._plane @ solved[count:])


def _soft_distance(points: F64, centres: F64) -> F64:
    return np.asarray(np.sqrt(distances(points, centres) ** 2 + _SOFT**2))


def distances(points: F64, others: F64) -> F64:
    """Distance of every point [N, 3] from every other [M, 3], [N, M], without an array of differences."""
    square = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.asarray(np.sqrt(np.maximum(square, 0)))
