"""Fits the head model to landmarks: pose, identity and expression at once.

Weak perspective, Gauss-Newton on the pose, bounded ridge on the coefficients (identity within +-3 of its
unit variance, expression 0..1), all in one small system per step. Distances are weighed as a share of the
interocular distance, so that the result does not depend on the picture's resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.head import Head
from sonic_stream.types import F32

F64 = NDArray[np.float64]

_STEPS = 5
_NOISE = 0.01
"""Error of a landmark that counts as one, as a share of the interocular distance."""
_MOST_IDENTITY = 3.0
_STIFF_IDENTITY = 1.0
_STIFF_EXPRESSION = 5.0
_STIFF_MOUTH = 6.0
"""What a coefficient of 1 costs, squared, against a landmark that is `_NOISE` off. Mouth shapes are the
stiffest: a thin-lipped neutral face must come out as identity, or speech would start from a grimace."""
_OPENING_SHAPES = ("jawOpen", "mouthUpperUp", "mouthLowerDown", "mouthFunnel", "mouthClose")
_OFF_SHAPES = ("eyeLook", "tongue")
_CLOSED_GAP, _PARTED_GAP = 0.008, 0.03
"""Gap of the inner lips over face height below which the mouth is taken as shut, above which as open."""


@dataclass(frozen=True, slots=True)
class HeadFit:
    """Pose and coefficients; `rotation`, `scale`, `translation` as in `Identity`."""

    rotation: F64
    scale: float
    translation: F64
    shape: F32
    expression: F32
    errors: F64
    """Distance of each of the 468 landmarks before snapping, as a share of the interocular distance."""
    weights: F64
    """How much each landmark counted, 0..3: less where the head turns it away from the camera."""

    @property
    def error(self) -> float:
        """Mean landmark distance as a share of the interocular distance."""
        return float(self.errors.mean())

    @property
    def yaw(self) -> float:
        """Turn to the person's left, rad."""
        return float(np.arctan2(self.rotation[0, 2], self.rotation[2, 2]))

    @property
    def pitch(self) -> float:
        """Nod down, rad."""
        return float(-np.arcsin(np.clip(self.rotation[1, 2], -1, 1)))

    @property
    def roll(self) -> float:
        """Lean towards the person's left shoulder, rad."""
        return float(np.arctan2(-self.rotation[1, 0], self.rotation[1, 1]))

    def project(self, points: F32 | F64) -> F64:
        """Head points [N, 3] in picture pixels [N, 2]."""
        turned = points @ self.rotation.T
        return np.asarray(self.translation + self.scale * turned[:, :2] * [1, -1])


def skin_normals(head: Head, vertices: F32) -> F64:
    """Unit normals float64 [V, 3] of the skin; zero on vertices of other parts."""
    triangles = head.triangles_of("skin", "skull")
    corners = vertices[triangles].astype(np.float64)
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], facing[:, axis], len(vertices))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-9))


class HeadFitter:
    """The head model seen at its landmarks; holds no state between fits."""

    def __init__(self, head: Head) -> None:
        at, names = head.landmarks, head.expression_names
        self._mean = head.mean[at].astype(np.float64)
        self._shapes = np.concatenate([head.identity[:, at], head.expression[:, at]]).astype(np.float64)
        self._normals = skin_normals(head, head.mean)[at]
        self._weights = np.ones(len(at))
        self._weights[list(regions.OVAL)] = 1.2
        fine = regions.LIPS_OUTER + regions.LIPS_INNER + regions.EYE_LEFT + regions.EYE_RIGHT
        self._weights[list(fine)] = 3
        self._identities = count = len(head.identity)
        mouth = [name.startswith(("mouth", "jaw")) for name in names]
        off = [name.startswith(_OFF_SHAPES) for name in names]
        self._stiff = np.r_[np.full(count, _STIFF_IDENTITY), np.where(mouth, _STIFF_MOUTH, _STIFF_EXPRESSION)]
        self._low = np.r_[np.full(count, -_MOST_IDENTITY), np.zeros(len(names))]
        self._high = np.r_[np.full(count, _MOST_IDENTITY), np.where(off, 0.0, 1.0)]
        self._opening = np.r_[
            np.zeros(count, bool), [name.startswith(_OPENING_SHAPES) for name in names]
        ].astype(bool)

    def fit(self, landmarks: F32) -> HeadFit:
        """The head under `landmarks` float32 [>= 468, >= 2] px."""
        target = landmarks[: regions.MESH_POINTS, :2].astype(np.float64)
        high = np.where(self._opening, self._high * mouth_parted(target), self._high)
        coeffs = np.zeros(len(self._shapes))
        points = self._mean
        rotation, scale, translation = _first_pose(points, target)
        weights = self._weights
        step = np.zeros(6 + len(coeffs))
        for _ in range(_STEPS):
            weights = self._weights * np.clip(0.15 + 3 * (self._normals @ rotation[2]), 0.15, 1)
            unit = 1 / (_NOISE * _interocular(points) * scale)
            root = (np.sqrt(weights) * unit)[:, None]
            turned = points @ rotation.T
            camera = np.stack([rotation[0], -rotation[1]]) * scale
            slopes = np.einsum("ij,klj->lik", camera, self._shapes)
            off = target - (translation + scale * turned[:, :2] * [1, -1]) + slopes @ coeffs
            pose = _pose_slopes(turned, scale)
            jacobian = (np.concatenate([pose, slopes], 2) * root[..., None]).reshape(-1, 6 + len(coeffs))
            matrix = jacobian.T @ jacobian
            matrix[np.diag_indices(6)] *= 1 + 1e-9
            matrix[np.arange(6, len(matrix)), np.arange(6, len(matrix))] += self._stiff**2
            free = np.full(6, np.inf)
            right = jacobian.T @ (off * root).ravel()
            step = bounded_least(matrix, right, np.r_[-free, self._low], np.r_[free, high], step)
            turn = np.asarray(cv2.Rodrigues(step[:3])[0])
            rotation, scale = turn @ rotation, scale * float(np.exp(np.clip(step[3], -0.5, 0.5)))
            translation, coeffs = translation + step[4:6], step[6:]
            points = self._mean + np.tensordot(coeffs, self._shapes, 1)
        turned = points @ rotation.T
        away = np.linalg.norm(translation + scale * turned[:, :2] * [1, -1] - target, axis=1)
        return HeadFit(
            rotation=rotation,
            scale=scale,
            translation=translation,
            shape=coeffs[: self._identities].astype(np.float32),
            expression=coeffs[self._identities :].astype(np.float32),
            errors=away / (_interocular(points) * scale),
            weights=weights,
        )


def mouth_parted(landmarks: F64) -> float:
    """0 where the inner lips touch, 1 where they are clearly parted."""
    height = np.linalg.norm(landmarks[regions.FOREHEAD] - landmarks[regions.CHIN])
    gap = np.linalg.norm(landmarks[regions.LIP_UPPER_MIDDLE] - landmarks[regions.LIP_LOWER_MIDDLE]) / height
    return float(np.clip((gap - _CLOSED_GAP) / (_PARTED_GAP - _CLOSED_GAP), 0, 1))


def bounded_least(matrix: F64, right: F64, low: F64, high: F64, start: F64) -> F64:
    """Least x'Mx/2 - r'x within the bounds, for a positive definite M, by an active set.

    The coefficients that are at a bound in `start` are first tried there.
    """
    x = np.clip(start, low, high)
    held = (x <= low) | (x >= high)
    for _ in range(30):
        free = ~held
        known = matrix[np.ix_(free, held)] @ x[held]
        x[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free] - known)
        outside = free & ((x < low) | (x > high))
        if outside.any():
            x = np.clip(x, low, high)
            held |= outside
            continue
        slope = matrix @ x - right
        wants_back = held & (((x <= low) & (slope < -1e-9)) | ((x >= high) & (slope > 1e-9))) & (low < high)
        if not wants_back.any():
            break
        # One at a time: letting go of several may send them straight back.
        held[np.argmax(np.where(wants_back, np.abs(slope), -1))] = False
    return np.clip(x, low, high)


def _interocular(points: F64) -> float:
    return float(np.linalg.norm(points[regions.CORNERS_LEFT[1]] - points[regions.CORNERS_RIGHT[1]]))


def _first_pose(points: F64, target: F64) -> tuple[F64, float, F64]:
    """Rotation, scale and translation from the best affine camera."""
    middle, centre = points.mean(0), target.mean(0)
    affine = np.linalg.lstsq(points - middle, target - centre, rcond=None)[0].T * [[1], [-1]]
    left, stretch, right = np.linalg.svd(affine, full_matrices=False)
    across = left @ right
    rotation = np.stack([across[0], across[1], np.cross(across[0], across[1])])
    scale = float(stretch.mean())
    return rotation, scale, centre - scale * (across @ middle) * [1, -1]


def _pose_slopes(turned: F64, scale: float) -> F64:
    """Change of the projection with turn (3), log scale and translation (2), [N, 2, 6]."""
    x, y, z = turned.T * scale
    none, one = np.zeros_like(x), np.ones_like(x)
    across = np.stack([none, z, -y, x, one, none], 1)
    down = np.stack([z, none, -x, -y, none, one], 1)
    return np.stack([across, down], 1)
