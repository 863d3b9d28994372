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
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from sonic_stream.face.head import HEAD_VERSION, PARTS
from sonic_stream.train.head_mesh import (
    boundary,
    flip_to_delaunay,
    outward,
    pick,
    spacing,
    triangulate,
    vertex_normals,
)
from sonic_stream.train.head_parts import Builder, fit_sphere, tongue_polygons, tongue_shapes
from sonic_stream.train.head_source import (
    LID_LEFT_LOWER,
    LID_LEFT_UPPER,
    LID_RIGHT_LOWER,
    LID_RIGHT_UPPER,
    RIM_LOWER,
    RIM_UPPER,
    Array,
    Source,
)

EYE_RINGS, EYE_SECTORS = 9, 20


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
