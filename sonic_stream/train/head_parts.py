"""What lies inside the head: eyeballs are spheres; teeth, gums and tongue are decimated; the tongue moves.

`Builder` collects all parts, the skin too, into one set of vertices and triangles.
"""

from __future__ import annotations

import fast_simplification
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from sonic_stream.face.head import PARTS
from sonic_stream.train.head_source import Array, Source


class Builder:
    """Collects vertices with their shapes and triangles with their part."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mean: list[Array] = []
        self.identity: list[Array] = []
        self.expression: list[Array] = []
        self.vertex_part: list[Array] = []
        self.triangles: list[Array] = []
        self.triangle_part: list[Array] = []
        self.count = 0

    def vertices(self, mean: Array, identity: Array, expression: Array, part: str) -> int:
        """Appends vertices; returns the index of the first."""
        first = self.count
        self.mean.append(mean)
        self.identity.append(identity)
        self.expression.append(expression)
        self.vertex_part.append(np.full(len(mean), PARTS.index(part), np.int32))
        self.count += len(mean)
        return first

    def faces(self, triangles: Array, part: str) -> None:
        self.triangles.append(triangles.astype(np.int32))
        self.triangle_part.append(np.full(len(triangles), PARTS.index(part), np.int32))

    def decimated(self, part: str, ids: Array, quads: Array, keep: float) -> None:
        """A part of the source, simplified; shapes are those of the nearest source vertex."""
        source = self.source
        local = np.full(len(source.vertices), -1)
        local[ids] = np.arange(len(ids))
        q = local[quads]
        triangles = np.concatenate([q[:, :3], q[q[:, 2] != q[:, 3]][:, [0, 2, 3]]])
        points, faces = fast_simplification.simplify(
            source.vertices[ids].astype(np.float32), triangles.astype(np.int32), 1 - keep
        )
        nearest = ids[cKDTree(source.vertices[ids]).query(points)[1]]
        first = self.vertices(points, source.identity[:, nearest], source.expression[:, nearest], part)
        self.faces(faces + first, part)


def fit_sphere(points: Array) -> tuple[Array, float]:
    """Least-squares centre and radius."""
    solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def tongue_polygons(source: Source, quads: Array, quad_uv: Array) -> Array:
    """Which polygons of gums and tongue are tongue, bool [N]: the texture islands that keep to the
    middle (within 2.1 units of it) and reach the front teeth."""
    edges = np.concatenate([quad_uv[:, [0, 1]], quad_uv[:, [1, 2]], quad_uv[:, [2, 3]]])
    size = len(source.uv)
    _, label = connected_components(coo_matrix((np.ones(len(edges)), edges.T), shape=(size, size)))
    island = label[quad_uv[:, 0]]
    tongue = np.zeros(len(quads), bool)
    for name in np.unique(island):
        points = source.vertices[np.unique(quads[island == name])]
        if np.abs(points[:, 0]).max() < 2.1 and points[:, 2].max() > 8 and len(points) > 200:
            tongue |= island == name
    return tongue


def tongue_shapes(points: Array) -> dict[str, Array]:
    """Three movements of the tongue, which the source lacks: tip up, whole forward, back up.

    `points` [N, 3]; each movement is a smooth field over how far forward a point lies.
    """
    z = (points[:, 2] - points[:, 2].min()) / np.ptp(points[:, 2])
    tip, back = np.clip((z - 0.55) / 0.45, 0, 1) ** 1.5, np.exp(-(((z - 0.45) / 0.25) ** 2))
    nothing = np.zeros_like(z)
    return {
        "tongueTip": np.stack([nothing, 0.9 * tip, 0.15 * tip], 1),
        "tongueOut": np.stack([nothing, 0.25 * z, 1.1 * z], 1),
        "tongueBack": np.stack([nothing, 0.8 * back, -0.25 * z], 1),
    }
