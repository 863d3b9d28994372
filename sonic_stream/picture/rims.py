"""Where lips and lids end on the head: signed distance along the skin from their rims.

Depends on the head model alone. Negative is the side that a portrait shows, positive what lies beyond the rim
(the wet inside of a lip, the edge of a lid).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import Head, load_head
from sonic_stream.types import F32

I32 = NDArray[np.int32]
Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Rim:
    """One lip or lid. `vertices` are those that belong to it, nearest to its own rim; parallel arrays."""

    line: I32
    """Vertices of the rim."""
    vertices: I32
    beyond: F32
    """Distance along the skin beyond the rim, head units; negative before it."""
    share: F32
    """1 near the rim, fading to 0 where the patch joins the rest of the face."""
    triangles: I32
    """All skin triangles int32 [T, 3] on this side of the opening."""
    edge_triangles: I32
    """Triangles int32 [T, 3] that can form the visible edge."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An opening of the face between two rims: the mouth or an eye."""

    upper: Rim
    lower: Rim
    vertices: I32
    """All skin vertices about the opening."""
    share: F32
    """`share` of both rims for every vertex of the head, float32 [V]."""
    curls: bool
    """Whether the sides curl inwards, so that the edge which is seen need not be the rim (lips do)."""


def _polyline_distance(points: F32, line: F32) -> tuple[F32, NDArray[np.int64]]:
    best = np.full(len(points), np.inf, np.float32)
    which = np.zeros(len(points), np.int64)
    for i in range(len(line) - 1):
        a, ab = line[i], line[i + 1] - line[i]
        t = np.clip(((points - a) @ ab) / (ab @ ab + 1e-9), 0, 1)
        d = np.linalg.norm(points - (a + t[:, None] * ab), axis=1)
        nearer = d < best
        best[nearer], which[nearer] = d[nearer], (i + (t > 0.5))[nearer]
    return best, which


def _along_skin(points: F32, triangles: I32, start: Indices) -> F32:
    """Shortest way along the edges of the mesh from the vertices `start`, float32 [V]."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    way = np.full(len(points), 1e6, np.float32)
    way[start] = 0
    for _ in range(60):
        before = way.copy()
        np.minimum.at(way, edges[:, 1], (before[edges[:, 0]] + length).astype(np.float32))
        if np.array_equal(before, way):
            break
    return way


def _gap(
    head: Head,
    opened: F32,
    lines: tuple[I32, I32],
    near: float,
    far: float,
    inside: Indices,
    curls: bool,
) -> Gap:
    skin = head.triangles_of("skin")
    away = [_polyline_distance(opened, opened[line]) for line in lines]
    belongs = np.unique(skin)
    distance = np.minimum(away[0][0], away[1][0])
    share = np.clip((far - distance) / (far - near), 0, 1)
    share = (share * share * (3 - 2 * share)).astype(np.float32)
    everywhere = np.zeros(len(opened), np.float32)
    everywhere[belongs] = share[belongs]
    triangles = np.ascontiguousarray(skin[(everywhere[skin] > 0).any(1)])
    depth_in = _along_skin(head.mean, skin, inside)
    rims = []
    for own, other in ((0, 1), (1, 0)):
        mine = belongs[(away[own][0][belongs] <= away[other][0][belongs]) & (everywhere[belongs] > 0)]
        line = lines[own]
        beyond = depth_in[line][away[own][1][mine]] - depth_in[mine]
        edge, own_side = np.zeros((2, len(opened)), bool)
        own_side[mine] = True
        edge[mine[beyond > -0.45]] = True
        rims.append(
            Rim(
                line,
                mine.astype(np.int32),
                beyond.astype(np.float32),
                everywhere[mine],
                np.ascontiguousarray(triangles[own_side[triangles].any(1)]),
                np.ascontiguousarray(triangles[edge[triangles].all(1)]),
            )
        )
    return Gap(rims[0], rims[1], np.unique(triangles), everywhere, curls)


@lru_cache(maxsize=1)
def gaps() -> tuple[Gap, Gap, Gap]:
    """The mouth, the left and the right eye of the shipped head."""
    head = load_head()
    skin = head.triangles_of("skin")
    opened = head.mean + 0.9 * head.expression[head.expression_index("jawOpen")]
    seam = np.intersect1d(skin, head.triangles_of("cavity"))
    mouth = _gap(head, opened, (head.lip_rim_upper, head.lip_rim_lower), 1.9, 3.0, seam, curls=True)
    border = _border(skin)
    eyes = []
    for side in range(2):
        lines = (head.lid_rims[2 * side], head.lid_rims[2 * side + 1])
        middle = head.mean[np.concatenate(lines)].mean(0)
        hole = border[np.linalg.norm(head.mean[border] - middle, axis=1) < 2.2]
        eyes.append(_gap(head, head.mean, lines, 1.0, 1.7, hole, curls=False))
    return mouth, eyes[0], eyes[1]


def _border(triangles: I32) -> Indices:
    """Vertices on open edges of the mesh."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), 1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[count == 1])
