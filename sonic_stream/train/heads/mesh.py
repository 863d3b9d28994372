"""The mesh that is rendered: the shipped head, sorted by what it is made of, and one person's hair.

Topology and everything else that does not depend on the person is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import I32, load_head
from sonic_stream.picture.mouth_anatomy import Anatomy, anatomy_of
from sonic_stream.picture.rims import gaps
from sonic_stream.train.heads.chart import chart
from sonic_stream.train.heads.look import Look
from sonic_stream.train.portraits.hair import hairline, on_ear
from sonic_stream.types import F32

SKIN, CAVITY, EYE_LEFT, EYE_RIGHT, TEETH_UPPER, TEETH_LOWER, GUMS, TONGUE, HAIR = range(9)
_PARTS = {
    "skin": SKIN,
    "skull": SKIN,
    "cavity": CAVITY,
    "eye_left": EYE_LEFT,
    "eye_right": EYE_RIGHT,
    "teeth_upper": TEETH_UPPER,
    "teeth_lower": TEETH_LOWER,
    "gums": GUMS,
    "tongue": TONGUE,
}
_ROOT_RISE = 1.2
"""From here on a tooth is root."""
_INSIDE_BACK = 0.06
"""How far everything inside the mouth is set back, head units, so that teeth never pierce a lip."""


@dataclass(frozen=True, slots=True)
class Body:
    """What all people share; parallel arrays over the V vertices of the head."""

    triangles: I32
    """int32 [T, 3]."""
    material: NDArray[np.int8]
    """int8 [T], `SKIN` ... `TONGUE`."""
    wet: F32
    """How far a point of the skin lies beyond the rim of its lip: 0 outside .. 1 inside the mouth."""
    lid_edge: F32
    """1 on the margins of the lids, 0 elsewhere."""
    across: F32
    rise: F32
    arch: F32
    """As in `mouth_anatomy.Anatomy`."""
    tooth_normals: F32
    places: F32
    """Chart px float32 [V, 2]."""
    anatomy: Anatomy


@lru_cache(maxsize=1)
def body() -> Body:
    """The body of the shipped head."""
    head = load_head()
    anatomy = anatomy_of(head)
    count = len(head.mean)
    fields = {name: np.zeros(count, np.float32) for name in ("across", "rise", "arch")}
    for name, field in fields.items():
        field[anatomy.vertices] = getattr(anatomy, name)
    normals = np.zeros((count, 3), np.float32)
    normals[anatomy.vertices] = anatomy.normals
    triangles = [head.triangles_of(part) for part in _PARTS]
    material = np.concatenate(
        [np.full(len(t), kind, np.int8) for t, kind in zip(triangles, _PARTS.values(), strict=True)]
    )
    whole = np.concatenate(triangles).astype(np.int32)
    root = np.isin(material, (TEETH_UPPER, TEETH_LOWER)) & (fields["rise"][whole].min(1) >= _ROOT_RISE)
    mouth, *eyes = gaps()
    wet, lid_edge = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for rim in (mouth.upper, mouth.lower):
        wet[rim.vertices] = np.clip(rim.beyond / 0.3 + 0.35, 0, 1)
    for eye in eyes:
        for rim in (eye.upper, eye.lower):
            lid_edge[rim.vertices] = np.clip(1 - np.abs(rim.beyond + 0.02) / 0.16, 0, 1)
    return Body(
        triangles=np.ascontiguousarray(whole[~root]),
        material=material[~root],
        wet=wet,
        lid_edge=lid_edge,
        across=fields["across"],
        rise=fields["rise"],
        arch=fields["arch"],
        tooth_normals=normals,
        places=chart().places,
        anatomy=anatomy,
    )


@dataclass(frozen=True, slots=True)
class Hair:
    """A shell over the scalp: `roots` int32 [N] vertices of the head, `cover` float32 [N], triangles."""

    roots: I32
    cover: F32
    triangles: I32


def hair_of(look: Look) -> Hair:
    """One person's hair, cut out of the skin and the back of the head."""
    head = load_head()
    skin = head.triangles_of("skin", "skull")
    points = head.mean
    azimuth = np.arctan2(points[:, 0], points[:, 2])
    rng = np.random.default_rng([look.seed, 5])
    wave = 0.35 * np.sin(azimuth * rng.uniform(2, 6) + rng.uniform(0, 6))
    above = points[:, 1] - (hairline(azimuth) + look.hairline + wave)
    cover = np.clip(above / 0.9, 0, 1) * ~on_ear(points)
    if look.bald:
        cover = np.zeros_like(cover)
    kept = skin[(cover[skin] > 0).all(1)]
    roots, where = np.unique(kept, return_inverse=True)
    return Hair(
        roots.astype(np.int32), cover[roots].astype(np.float32), where.reshape(-1, 3).astype(np.int32)
    )


def inside_placed(placed: F32, rotation: F32, shared: Body) -> F32:
    """The vertices in the picture, the mouth's inside widened and sunk as it is painted, and set back."""
    anatomy = shared.anatomy
    a, b = anatomy.ruler
    unit_px = float(np.linalg.norm(placed[a] - placed[b])) / anatomy.ruler_units
    to_picture = rotation * np.array([[unit_px], [-unit_px], [unit_px]], np.float32)
    upper, lower = (placed[i] for i in anatomy.biters)
    fallen = float((upper - lower) @ to_picture[:, 1]) / unit_px**2 - anatomy.bite_units
    out = placed.copy()
    inside = placed[anatomy.vertices] + anatomy.widening @ to_picture.T
    inside -= np.clip(fallen, 0.0, 3.0) * anatomy.sinking[:, None] * to_picture[:, 1]
    inside[:, 2] -= _INSIDE_BACK * unit_px
    mouth = np.isin(anatomy.vertices, np.unique(shared.triangles[shared.material >= TEETH_UPPER]))
    out[anatomy.vertices[mouth]] = inside[mouth]
    return out


def normals_of(points: F32, triangles: I32) -> F32:
    """Unit vertex normals [V, 3] in picture axes, turned to the camera's side of the surface."""
    corners = points[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros((len(points), 3))
    for corner in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(triangles[:, corner], facing[:, axis], len(points))
    # The picture's y points down, which turns the winding round.
    out *= -1
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), np.float32)
