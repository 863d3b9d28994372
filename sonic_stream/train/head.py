"""Learns the compact head model from ICT-FaceKit (github.com/ICT-VGL/ICT-FaceKit, MIT licence).

    python -m sonic_stream.train.head --data DIR_OF_ICT_FACEKIT

The skin is meshed anew: points are picked so that they lie dense on lips and lids and thin elsewhere
(farthest-point order under a spacing that grows with the distance from both), then triangulated in the
texture plane. Eyeballs become spheres; teeth, gums and tongue are decimated. Shapes are stored as int8
with a scale each. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import fast_simplification
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay, cKDTree

from sonic_stream.face.head import HEAD_VERSION, PARTS
from sonic_stream.train.landmarks import mirrored_places

Array = NDArray[Any]

# Landmarks of the MediaPipe face mesh (its published topology).
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIM_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
RIM_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LID_LEFT_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LID_LEFT_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
LID_RIGHT_UPPER = (133, 173, 157, 158, 159, 160, 161, 246, 33)
LID_RIGHT_LOWER = (133, 155, 154, 153, 145, 144, 163, 7, 33)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
EYE_RINGS, EYE_SECTORS = 9, 20


@dataclass(frozen=True)
class Source:
    """ICT-FaceKit as it comes: vertices, shapes, polygons with texture coordinates."""

    vertices: Array
    expression: Array
    identity: Array
    names: list[str]
    quads: Array
    uv: Array
    quad_uv: Array
    landmarks: Array
    ranges: dict[str, tuple[int, int]]

    @classmethod
    def read(cls, folder: Path) -> Source:
        z = np.load(folder / "ict_facekit.npz")
        index = json.loads((folder / "index.json").read_text())
        source = cls(
            z["V"],
            z["E"].astype(np.float32),
            z["I"].astype(np.float32),
            [str(n) for n in z["names"]],
            z["quads"],
            z["vt"],
            z["quadt"],
            np.load(folder / "mediapipe_to_ict.npz")["idx"],
            {k: (a, b) for k, (a, b) in index["vertex_ranges_half_open"].items()},
        )
        opened = source.shape(jawOpen=0.8, mouthUpperUp=0.4, eyeBlink=-0.3)
        lips = RIM_UPPER + RIM_LOWER
        places = mirrored_places(source.landmarks, lips, (source.vertices, opened), source.ranges["face"][1])
        return replace(source, landmarks=places)

    def shape(self, **weights: float) -> Array:
        """The mean head with expressions; a name without side moves both."""
        vertices = self.vertices.copy()
        for name, weight in weights.items():
            for full in (name,) if name in self.names else (f"{name}_L", f"{name}_R"):
                vertices += weight * self.expression[self.names.index(full)]
        return vertices


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


def build(source: Source) -> dict[str, Array]:
    """All tensors of the weight file but the scales."""
    opened = source.shape(jawOpen=0.7, mouthUpperUp=0.4, mouthLowerDown=0.3)
    wanted = spacing(source, opened)
    first_uv = source.uv[source.quad_uv].max(1)
    face_end, head_end = source.ranges["face"][1], source.ranges["head"][1]
    cavity = source.ranges["mouth_socket"]
    first = source.quads.min(1)
    skin_polygons = np.flatnonzero((source.quads.max(1) < face_end) & (first_uv[:, 0] <= 1.0))
    skull_polygons = np.flatnonzero(
        (source.quads.max(1) < head_end) & (first_uv[:, 0] > 1.0) & (first_uv[:, 0] <= 2.0)
    )
    in_cavity = (source.quads >= cavity[0]).any(1) & (source.quads < cavity[1]).all(1)
    cavity_polygons = np.flatnonzero(in_cavity & (first_uv[:, 0] > 1.0))
    rim = boundary(source.quads[skin_polygons])
    lip_and_lid = np.array(sorted(v for v in rim if wanted[v] < 0.6))
    seeds = np.concatenate([source.landmarks, lip_and_lid])
    chosen = pick(opened, wanted, seeds, np.unique(source.quads[skin_polygons]))
    chosen = pick(opened, np.maximum(wanted, 1.6), chosen, np.unique(source.quads[skull_polygons]))
    chosen = pick(opened, np.full(len(opened), 0.55), chosen, np.unique(source.quads[cavity_polygons]))
    chosen = np.sort(chosen)
    chosen_set = {int(v) for v in chosen}
    normals = vertex_normals(source.vertices, source.quads)

    builder = Builder(source)
    part_of = np.where(chosen < face_end, 0, np.where(chosen < head_end, 1, 2))
    builder.vertices(
        source.vertices[chosen], source.identity[:, chosen], source.expression[:, chosen], "skin"
    )
    builder.vertex_part[-1] = part_of.astype(np.int32)
    new_index = np.full(len(source.vertices), -1)
    new_index[chosen] = np.arange(len(chosen))
    for part, polygons in (("skin", skin_polygons), ("skull", skull_polygons), ("cavity", cavity_polygons)):
        triangles = triangulate(source, polygons, chosen_set)
        triangles = outward(source.vertices, triangles, normals)
        builder.faces(new_index[flip_to_delaunay(opened, triangles)], part)

    centres, centre_identity, radii = [], [], []
    for part, key in (("eye_left", "sclera_left"), ("eye_right", "sclera_right")):
        a, b = source.ranges[key]
        centre, radius = fit_sphere(source.vertices[a:b].astype(np.float64))
        move = source.identity[:, a:b].mean(1)
        angle = np.linspace(0, np.radians(75), EYE_RINGS)[:, None]
        turn = np.linspace(0, 2 * np.pi, EYE_SECTORS, endpoint=False)[None]
        grid = np.stack(
            [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle) + 0 * turn], -1
        ).reshape(-1, 3)
        points = centre + radius * grid
        n = len(points)
        start = builder.vertices(
            points, np.repeat(move[:, None], n, 1), np.zeros((len(source.names), n, 3)), part
        )
        ring, sector = np.meshgrid(np.arange(EYE_RINGS - 1), np.arange(EYE_SECTORS), indexing="ij")
        here = start + ring * EYE_SECTORS + sector
        beside = start + ring * EYE_SECTORS + (sector + 1) % EYE_SECTORS
        q = np.stack([here, here + EYE_SECTORS, beside + EYE_SECTORS, beside], -1).reshape(-1, 4)
        builder.faces(np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]]), part)
        centres.append(centre)
        centre_identity.append(move)
        radii.append(radius)

    for part, key in (("teeth_upper", "teeth_upper"), ("teeth_lower", "teeth_lower")):
        a, b = source.ranges[key]
        builder.decimated(part, np.arange(a, b), source.quads[(first >= a) & (first < b)], 0.35)
    a, b = source.ranges["gums_and_tongue"]
    quads = source.quads[(first >= a) & (first < b)]
    polygon_is_tongue = tongue_polygons(source, quads, source.quad_uv[(first >= a) & (first < b)])
    tongue_first = 0
    for part, of_part, keep in (("gums", ~polygon_is_tongue, 0.25), ("tongue", polygon_is_tongue, 0.5)):
        tongue_first = builder.count
        builder.decimated(part, np.unique(quads[of_part]), quads[of_part], keep)

    mean = np.concatenate(builder.mean).astype(np.float32)
    expression = np.concatenate(builder.expression, 1).astype(np.float32)
    extra = np.zeros((3, len(mean), 3), np.float32)
    for i, field in enumerate(tongue_shapes(mean[tongue_first:]).values()):
        extra[i, tongue_first:] = field
    landmarks = new_index[source.landmarks].astype(np.int32)
    tensors: dict[str, Array] = {
        "mean": mean,
        "identity": np.concatenate(builder.identity, 1).astype(np.float32),
        "expression": np.concatenate([expression, extra]),
        "triangles": np.concatenate(builder.triangles),
        "triangle_part": np.concatenate(builder.triangle_part),
        "vertex_part": np.concatenate(builder.vertex_part),
        "landmarks": landmarks,
        "eye_centres": np.array(centres, np.float32),
        "eye_centres_identity": np.stack(centre_identity, 1).astype(np.float32),
        "lip_rim_upper": landmarks[list(RIM_UPPER)],
        "lip_rim_lower": landmarks[list(RIM_LOWER)],
    }
    lids = (LID_LEFT_UPPER, LID_LEFT_LOWER, LID_RIGHT_UPPER, LID_RIGHT_LOWER)
    for i, ids_ in enumerate(lids):
        tensors[f"lid_rim_{i}"] = landmarks[list(ids_)]
    tensors["_radius"] = np.array(radii)
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with ict_facekit.npz")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "weights" / "head.safetensors"
    )
    args = parser.parse_args()
    source = Source.read(args.data)
    tensors = build(source)
    radius = float(tensors.pop("_radius").mean())
    for key in ("identity", "expression"):
        exact = tensors[key]
        scale = np.abs(exact).max((1, 2)) / 127 + 1e-12
        tensors[key] = np.round(exact / scale[:, None, None]).astype(np.int8)
        tensors[f"{key}_scale"] = scale.astype(np.float32)
    meta = {
        "version": HEAD_VERSION,
        "expression_names": json.dumps([*source.names, "tongueTip", "tongueOut", "tongueBack"]),
        "eye_radius": repr(radius),
        "source": "ICT-FaceKit da5af95 (MIT)",
    }
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, str(args.out), meta)
    parts = {p: int((tensors["triangle_part"] == i).sum()) for i, p in enumerate(PARTS)}
    print(f"{len(tensors['mean'])} vertices, triangles {parts}, {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
