"""The moving picture as one elastic sheet: a grid over the crop that follows the head.

Each node knows the head point under it, how firmly it rides with the skull (1 on head and hair, 0 on the
shoulders) and how every expression moves it. Nodes beside the mesh (hair, clothes, background) take smoothly
what their neighbours have. A sheet has no holes, so nothing can tear; where it folds, the nearer surface
wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import Head
from sonic_stream.face.regions import CHIN, FOREHEAD, OVAL
from sonic_stream.picture import raster
from sonic_stream.picture.rig import Pose
from sonic_stream.types import F32, Identity

NODES = 73
"""Nodes along a side."""
_BEYOND = 0.14
"""How far the sheet reaches beyond the frame, as a share of the side: it must cover the frame."""
_EDGE = 0.13
"""Width of the zone in which what the frame cuts off is held, as a share of the side."""
_STIFFNESS = 3e-3
"""How soon an expression fades off the face: the larger the sooner."""
_LAYER_UNITS = 3.0
"""How far apart face, person and background are taken to be where the sheet folds, head units."""
_RELIEF_BLUR = 0.07
"""Softness of the relief off the face, in face heights: neck, ears and hair must not fold over each other."""
_STEEPEST = 2.5
"""Most that depth may fall over distance: at 2.7 the sheet would fold at a turn of twenty degrees, and its
steps would be seen where jaw or ear lie before the neck."""
_NECK = (0.02, 0.62)
"""Where the neck begins and the shoulders rest, in face heights below the chin."""
_HAIR_DEPTH = 1.5
"""Depth of hair far from the mesh, head units before the middle of the head."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The nodes of one identity's sheet, and what moves them."""

    nodes: F32
    """Node positions in the portrait, float32 [N, 2] px."""
    points: F32
    """The head point under each node, expression included, float32 [N, 3] head units."""
    firm: F32
    """How much of the head's movement a node takes, float32 [N]."""
    shapes: F32
    """Expression shapes at the nodes, float32 [E, N * 3]."""
    order: F32
    """What is added to the nearness of nodes where the sheet folds: the face lies before the neck, the neck
    before the background; float32 [N] px."""
    triangles: NDArray[np.int32]

    def moved(self, pose: Pose, change: F32) -> F32:
        """Nodes float32 [N, 3] (x, y px, nearness) under `pose` with weights changed by `change` [E]."""
        active = np.flatnonzero(change)
        points = self.points + (change[active] @ self.shapes[active]).reshape(-1, 3)
        placed = pose.project(points)
        placed[:, :2] = self.nodes + self.firm[:, None] * (placed[:, :2] - self.nodes)
        placed[:, 2] += self.order
        return placed


def _grid_triangles(count: int) -> NDArray[np.int32]:
    index = np.arange(count * count, dtype=np.int32).reshape(count, count)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.ascontiguousarray(
        np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    )


def _filled(values: F32, known: NDArray[np.bool_], prior: float) -> F32:
    """Values [n, n, K] where `known`, smoothly continued elsewhere towards 0 with strength `prior`."""
    weight = known.astype(np.float32)
    sums, weights = np.zeros_like(values), np.full(known.shape, prior, np.float32)
    for sigma, share in ((1.0, 1.0), (2.5, 0.1), (6.0, 0.01), (14.0, 0.001)):
        masked = values * weight[..., None]
        for k in range(0, values.shape[2], 4):
            sums[..., k : k + 4] += share * cv2.GaussianBlur(masked[..., k : k + 4], (0, 0), sigma).reshape(
                *known.shape, -1
            )
        weights += share * cv2.GaussianBlur(weight, (0, 0), sigma)
    return np.where(known[..., None], values, sums / weights[..., None]).astype(np.float32)


def make_sheet(head: Head, identity: Identity, portrait: F32, basis: F32, source: Pose) -> Sheet:
    """The sheet of one identity; `portrait` [E] are the weights of the portrait itself on `basis`."""
    size = identity.crop.shape[0]
    count = NODES
    step = size * (1 + 2 * _BEYOND) / (count - 1)
    begin = -_BEYOND * size - 0.5
    axis = (np.arange(count) * step + begin).astype(np.float32)
    nodes = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)

    vertices = identity.vertices + np.tensordot(portrait, basis, 1)
    placed = source.project(vertices.astype(np.float32))
    triangles = _facing(head.triangles_of("skin", "skull"), placed)
    depth = np.full((count, count), raster.FAR, np.float32)
    # Which triangle is seen at a node, and where in it: the mesh is drawn once for its corners' numbers.
    corners = placed[triangles].reshape(-1, 3)
    numbered = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    values = np.concatenate(
        [
            np.repeat(np.arange(len(triangles), dtype=np.float32), 3)[:, None],
            np.tile(np.eye(3, dtype=np.float32), (len(triangles), 1)),
        ],
        1,
    )
    found = np.full((count, count, 4), -1, np.float32)
    raster.draw_mesh(corners, numbered, values, 1 / step, begin, begin, depth, found)
    known = depth > raster.FAR
    triangle = np.rint(found[..., 0]).astype(int).clip(0)
    inside = found[..., 1:]
    seen = triangles[triangle]

    # Depth: the mesh where it is seen, hair and clothes beside it a little before the middle of the head.
    z = np.where(known, (depth / source.scale), 0.0).astype(np.float32)[..., None]
    far = (source.rotation @ (np.array([0, 0, _HAIR_DEPTH], np.float32) - np.array((0, -8, -1), np.float32)))[
        2
    ]
    z = far + _filled(z - far, known, 2e-4)
    top, chin = placed[head.landmarks[FOREHEAD], :2], placed[head.landmarks[CHIN], :2]
    face = float(np.linalg.norm(chin - top))
    soft = cv2.GaussianBlur(z, (0, 0), _RELIEF_BLUR * face / step)[..., None]
    on_face = _face_share(placed[head.landmarks[list(OVAL)], :2], nodes, face)
    z += (1 - on_face.reshape(count, count, 1)) * (soft - z)
    z = _eased(z[..., 0], step / float(source.scale))[..., None]
    inside_frame = nodes.round().astype(int).clip(0, size - 1)
    covered = identity.matte[inside_frame[:, 1], inside_frame[:, 0]].astype(np.float32) / 255
    order = np.asarray(identity.scale * _LAYER_UNITS * (on_face + covered), np.float32)
    lifted = np.concatenate(
        [
            ((nodes - source.anchor) / source.scale * [1, -1]).reshape(count, count, 2),
            z,
        ],
        2,
    ).reshape(-1, 3)
    points = lifted @ source.rotation + np.array((0, -8, -1), np.float32)

    # Off the face an expression fades out over neck and hair: a jaw that slid over the neck would cut it.
    moving = known & (on_face.reshape(count, count) > 0.5)
    shapes = np.zeros((len(basis), count * count * 3), np.float32)
    for row, shape in enumerate(basis):
        if not shape.any():
            continue
        at = (shape[seen] * inside[..., None]).sum(2).astype(np.float32)
        at[~moving] = 0
        shapes[row] = _filled(at, moving, _STIFFNESS).reshape(-1)
    firm = _firmness(top, chin, nodes) * _held_at_edges(identity, nodes)
    return Sheet(nodes, points.astype(np.float32), firm, shapes, order, _grid_triangles(count))


def _eased(z: F32, apart: float) -> F32:
    """Depth [n, n] raised where it falls off so steeply that a turned sheet would fold; nodes lie `apart`."""
    eased = np.pad(z, 1, "edge")
    rows, columns = z.shape
    for _ in range(max(z.shape)):
        before = eased[1:-1, 1:-1].copy()
        for dy in (0, 1, 2):
            for dx in (0, 1, 2):
                fall = np.float32(_STEEPEST * apart * np.hypot(dy - 1, dx - 1))
                beside = eased[dy : dy + rows, dx : dx + columns] - fall
                eased[1:-1, 1:-1] = np.maximum(eased[1:-1, 1:-1], beside)
        if np.array_equal(before, eased[1:-1, 1:-1]):
            break
    return np.ascontiguousarray(eased[1:-1, 1:-1], np.float32)


def _facing(triangles: NDArray[np.int32], placed: F32) -> NDArray[np.int32]:
    """The triangles that show their outside to the camera."""
    a, b, c = (placed[triangles[:, i], :2] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.ascontiguousarray(triangles[area < 0])


def _face_share(oval: F32, nodes: F32, face: float) -> F32:
    """1 inside the oval of the face, 0 outside, soft between."""
    hull = cv2.convexHull(oval.astype(np.float32))
    inside = np.array([cv2.pointPolygonTest(hull, (float(x), float(y)), True) for x, y in nodes], np.float32)
    return np.asarray(np.clip(inside / (0.06 * face) + 0.5, 0, 1), np.float32)


def _held_at_edges(identity: Identity, nodes: F32) -> F32:
    """0 where the person is cut off by the frame, 1 from some way inside: cut hair must not come in.

    The bottom edge is left out: the body there does not move anyway.
    """
    size = identity.matte.shape[0]
    matte = identity.matte.astype(np.float32) / 255
    held = np.ones(len(nodes), np.float32)
    at = nodes.clip(0, size - 1)
    for border, along, away in (
        (matte[0], at[:, 0], nodes[:, 1]),
        (matte[:, 0], at[:, 1], nodes[:, 0]),
        (matte[:, -1], at[:, 1], size - 1 - nodes[:, 0]),
    ):
        cut = cv2.GaussianBlur(cv2.dilate(border[None], np.ones((1, size // 8))), (0, 0), size / 24)[0]
        inward = np.clip(away / (_EDGE * size), 0, 1)
        inward = inward * inward * (3 - 2 * inward)
        held *= 1 - np.interp(along, np.arange(size), cut) * (1 - inward)
    return np.asarray(held, np.float32)


def _firmness(top: F32, chin: F32, nodes: F32) -> F32:
    face = float(np.linalg.norm(chin - top))
    below = ((nodes - chin) @ (chin - top)) / face**2
    ramp = np.clip((below - _NECK[0]) / (_NECK[1] - _NECK[0]), 0, 1)
    return np.asarray(1 - ramp * ramp * (3 - 2 * ramp), np.float32)
