"""The head's skin meshed anew: points dense on lips and lids, triangulated in the texture plane."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay, cKDTree

from sonic_stream.train.head_source import (
    BROWS,
    LID_LEFT_LOWER,
    LID_LEFT_UPPER,
    LID_RIGHT_LOWER,
    LID_RIGHT_UPPER,
    LIPS_OUTER,
    RIM_LOWER,
    RIM_UPPER,
    Array,
    Source,
)


def spacing(source: Source, points: Array) -> Array:
    """Wanted distance between neighbours (head units) at each point of the opened mean head."""

    def near(ids: tuple[int, ...]) -> Array:
        return np.asarray(cKDTree(points[source.landmarks[list(ids)]]).query(points)[0])

    lips = near(LIPS_OUTER + RIM_UPPER + RIM_LOWER)
    lids = near(LID_LEFT_UPPER + LID_LEFT_LOWER + LID_RIGHT_UPPER + LID_RIGHT_LOWER)
    brows = near(BROWS)
    wanted = np.minimum.reduce([0.13 + 0.13 * lips, 0.11 + 0.15 * lids, 0.4 + 0.18 * brows])
    wanted = np.where(np.abs(points[:, 0]) > 7.2, np.minimum(wanted, 0.5), wanted)  # ears
    return np.asarray(np.clip(wanted, 0.1, 1.2))


def pick(points: Array, wanted: Array, seeds: Array, candidates: Array) -> Array:
    """Farthest-point order under a local spacing: adds candidates until all lie within theirs."""
    chosen = list(dict.fromkeys(int(i) for i in seeds))
    distance = cKDTree(points[chosen]).query(points[candidates])[0] / wanted[candidates]
    while True:
        far = int(np.argmax(distance))
        if distance[far] < 1.0:
            return np.array(chosen)
        vertex = int(candidates[far])
        chosen.append(vertex)
        fresh = np.linalg.norm(points[candidates] - points[vertex], axis=1) / wanted[candidates]
        np.minimum(distance, fresh, out=distance)


def boundary(quads: Array) -> set[int]:
    """Vertices on open edges of the polygons."""
    edges = np.sort(np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)]), 1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return {int(v) for v in unique[count == 1].ravel()}


def triangulate(source: Source, polygons: Array, chosen: set[int]) -> Array:
    """Delaunay triangles int32 [T, 3] of the chosen vertices in the texture chart of `polygons`."""
    uv_of: dict[int, Array] = {}
    for vertex_ids, uv_ids in zip(source.quads[polygons], source.quad_uv[polygons], strict=True):
        for v, t in zip(vertex_ids, uv_ids, strict=True):
            uv_of[int(v)] = source.uv[t]
    ids = np.array([v for v in uv_of if v in chosen])
    plane = np.array([uv_of[int(v)] for v in ids])
    corners = source.uv[source.quad_uv[polygons]]
    low, high = corners.min((0, 1)), corners.max((0, 1))
    side = 4096
    chart = np.zeros((side, side), np.uint8)
    pixels = ((corners - low) / (high - low) * (side - 1)).round().astype(np.int32)
    for polygon in pixels:
        cv2.fillConvexPoly(chart, polygon, 1)
    triangles = Delaunay((plane - low) / (high - low)).simplices
    samples = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [1, 5, 5], [5, 1, 5], [5, 5, 1]], float)
    samples /= samples.sum(1, keepdims=True)
    where = np.einsum("sk,tkd->tsd", samples, plane[triangles])
    inside = ((where - low) / (high - low) * (side - 1)).round().astype(int)
    keep = chart[inside[..., 1], inside[..., 0]].mean(1) > 0.7
    return np.asarray(ids[triangles[keep]], np.int32)


def flip_to_delaunay(points: Array, triangles: Array, rounds: int = 20) -> Array:
    """Flips edges whose two opposite angles in space exceed 180 degrees, so that no slivers remain
    where the texture plane is stretched (an intrinsic Delaunay triangulation, found greedily)."""

    def angle(corner: int, a: int, b: int) -> float:
        u, v = points[a] - points[corner], points[b] - points[corner]
        cosine = u @ v / (np.linalg.norm(u) * np.linalg.norm(v) + 1e-12)
        return float(np.arccos(np.clip(cosine, -1, 1)))

    faces = [tuple(int(v) for v in t) for t in triangles]
    for _ in range(rounds):
        owner: dict[tuple[int, int], int] = {}
        for f, t in enumerate(faces):
            for i in range(3):
                owner[t[i], t[(i + 1) % 3]] = f
        touched: set[int] = set()
        for (a, b), f in list(owner.items()):
            g = owner.get((b, a))
            if g is None or a > b or f in touched or g in touched:
                continue
            c = next(v for v in faces[f] if v not in (a, b))
            d = next(v for v in faces[g] if v not in (a, b))
            if (c, d) in owner or (d, c) in owner or angle(c, a, b) + angle(d, a, b) <= np.pi + 1e-3:
                continue
            faces[f], faces[g] = (a, d, c), (d, b, c)
            touched |= {f, g}
        if not touched:
            break
    return np.array(faces)


def outward(vertices: Array, triangles: Array, normals: Array) -> Array:
    """Turns triangles whose winding disagrees with the vertex normals of the source."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    facing = np.einsum("td,td->t", np.cross(b - a, c - a), normals[triangles].mean(1))
    triangles = triangles.copy()
    triangles[facing < 0] = triangles[facing < 0][:, ::-1]
    return triangles


def vertex_normals(vertices: Array, quads: Array) -> Array:
    """Unnormalised vertex normals of a polygon mesh, float [V, 3]."""
    normals = np.zeros_like(vertices)
    for order in ((0, 1, 2), (0, 2, 3)):
        t = quads[:, list(order)]
        face = np.cross(vertices[t[:, 1]] - vertices[t[:, 0]], vertices[t[:, 2]] - vertices[t[:, 0]])
        for i in range(3):
            np.add.at(normals, t[:, i], face)
    return normals
