"""What is inside the mouth, as the renderer needs it: a small mesh cut out of the head and what its
points are made of. Made once per head model; it knows no portrait and no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import I32, Head
from sonic_stream.types import F32

Array = NDArray[Any]

TEETH_UPPER, TEETH_LOWER, GUMS, TONGUE, CAVITY = range(5)
INSIDE = ("teeth_upper", "teeth_lower", "gums", "tongue", "cavity")
"""Order of `TEETH_UPPER` ... `CAVITY`."""

TEETH_A_JAW = 16
SURFACES = 32
"""`Anatomy.surface` is part * SURFACES + thing; the things of a jaw are its teeth, counted along x."""
CROWN_UNITS = 1.05
"""Height of the visible part of a front tooth, head units (about a centimetre)."""
_ROOT_RISE = 1.2
"""From here on a tooth is root, which the gum hides."""
_WIDEN_UNITS = 0.03
_WIDENED_AT = (0.0, 0.3, 0.8, 1.3), (1.0, 1.2, 1.2, 0.4)
"""Share of it by height over the biting edge in crowns: less at edge and root, where neighbours part."""
_LOWERED_UNITS = 0.12
"""Lower teeth stand so much lower than in the mean head, or their tips would be crumbs on a half open lip."""
_FRONT_WITHIN = 0.8
"""Off the middle, head units."""
_FACES = 6
_STEEPEST = 2.0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The mesh of the mouth's inside; all arrays are read-only. M vertices, T triangles."""

    vertices: I32
    """int32 [M]: where each point is in the head."""
    triangles: I32
    """int32 [T, 3] into the M points."""
    part: I32
    """int32 [T], `TEETH_UPPER` ... `CAVITY`."""
    surface: I32
    """int32 [T]: which single thing it belongs to (a tooth, the tongue, ...)."""
    soft: I32
    """int32 [T', 3]: the triangles whose normals follow the movement (gums, tongue, cavity)."""
    across: F32
    """float32 [M]. Teeth: -1..1 from one neighbour to the other; tongue: x off the groove, head units."""
    rise: F32
    """float32 [M]. Teeth: 0 at the biting edge, 1 at the gum; tongue: 0 at the root, 1 at the tip."""
    normals: F32
    """float32 [M, 3] in head axes: rounded normals of the teeth, zero elsewhere."""
    arch: F32
    """float32 [M]. Teeth: how far behind the front teeth, head units; zero elsewhere."""
    widening: F32
    """float32 [M, 3], head units and axes: closes the cracks that decimation left between teeth."""
    sinking: F32
    """float32 [M], head units downwards: how the tongue lies lower as the jaw falls by one unit."""
    sliding: F32
    """float32 [M, 3], head units and axes: how a point of the upper jaw moves along the arch as it moves one
    head unit in x; zero elsewhere."""
    rim: I32
    """int32: the inner lips, upper then lower."""
    biters: tuple[int, int]
    """A point on the biting edge of an upper and of a lower front tooth (indices into the head)."""
    bite_units: float
    """How far the upper lies above the lower in the mean head (negative: they overlap)."""
    ruler: tuple[int, int]
    """Two points of the upper teeth (indices into the head) far apart across the arch."""
    ruler_units: float
    """Their distance in the mean head."""
    meeting: tuple[I32, I32]
    """Vertices of the head: the middle of the inner lips, and the faces of the upper front teeth behind."""


def _islands(triangles: I32) -> list[Array]:
    """The vertices of each connected piece."""
    owner: dict[int, int] = {int(v): int(v) for v in np.unique(triangles)}

    def root(v: int) -> int:
        while owner[v] != v:
            owner[v] = owner[owner[v]]
            v = owner[v]
        return v

    for a, b, c in triangles.tolist():
        owner[root(b)] = root(a)
        owner[root(c)] = root(a)
    pieces: dict[int, list[int]] = {}
    for v in owner:
        pieces.setdefault(root(v), []).append(v)
    return [np.array(piece) for piece in pieces.values()]


def _tooth_row(head: Head, part: str, up: float, fields: dict[str, F32]) -> None:
    """Fills the tooth coordinates of one jaw; `up` is +1 where the crown grows upwards to the gum."""
    across, rise, arch, thing = (fields[name] for name in ("across", "rise", "arch", "thing"))
    normals, widening = fields["normals"], fields["widening"]
    points = head.mean.astype(np.float64)
    teeth = sorted(_islands(head.triangles_of(part)), key=lambda tooth: _arch_angle(points[tooth]))
    centres = np.array([points[tooth].mean(0) for tooth in teeth])
    for i, tooth in enumerate(teeth):
        along = centres[min(i + 1, len(teeth) - 1)] - centres[max(i - 1, 0)]
        along[1] = 0
        along /= np.linalg.norm(along)
        outward = np.cross(along, (0, 1, 0))
        outward *= np.sign(outward @ (centres[i] - (0, centres[i, 1], 6.0)))
        local = (points[tooth] - centres[i]) @ np.stack([along, outward], 1)
        height = up * points[tooth, 1]
        crown = (height - np.percentile(height, 2)) / CROWN_UNITS
        wide = local[crown < 1, 0]
        side = np.clip((2 * local[:, 0] - wide.max() - wide.min()) / np.ptp(wide), -1, 1)
        across[tooth] = side
        rise[tooth] = np.clip(crown, 0, 1.5)
        thing[tooth] = i
        arch[tooth] = max(0.0, centres[:, 2].max() - centres[i, 2])
        widening[tooth] = (_WIDEN_UNITS * side * np.interp(crown, *_WIDENED_AT))[:, None] * along
        if up < 0:
            widening[tooth, 1] -= _LOWERED_UNITS
        lean = np.clip(0.45 - crown, -0.5, 0.45) * 0.9
        rounded = np.sin(side * 0.75)[:, None] * along + np.cos(side * 0.75)[:, None] * outward
        rounded[:, 1] = -up * lean
        back = local[:, 1] < np.median(local[:, 1]) - 0.1
        rounded[back] -= 2 * (rounded[back] @ outward)[:, None] * outward
        top = crown < 0.06
        rounded[top & ~back] = rounded[top & ~back] * 0.6 + np.array([0, -up, 0]) * 0.6
        normals[tooth] = rounded / np.linalg.norm(rounded, axis=1, keepdims=True)


def _sliding(head: Head) -> F32:
    """Along the ellipse that the upper teeth stand on, for them and the gums above."""
    points = head.mean
    teeth = np.unique(head.triangles_of("teeth_upper"))
    gums = np.unique(head.triangles_of("gums"))
    moved = np.concatenate([teeth, gums[points[gums, 1] > points[teeth, 1].min()]])
    x, z = points[moved, 0], points[moved, 2]
    back, front = points[teeth, 2].min(), points[teeth, 2].max()
    ratio = (front - back) / np.abs(points[teeth, 0]).max()
    slope = np.clip(-(ratio**2) * x / np.maximum(z - back, 1e-3), -_STEEPEST, _STEEPEST)
    out = np.zeros_like(points)
    out[moved] = np.stack([np.ones_like(x), np.zeros_like(x), slope], 1)
    return out


def _arch_angle(tooth: Array) -> float:
    centre = tooth.mean(0)
    return float(np.arctan2(centre[0], centre[2] - 5.0))


def _biting_edge(head: Head, part: str, up: float) -> int:
    """The vertex farthest along `up` (y) among the front teeth of a jaw."""
    ids = np.unique(head.triangles_of(part))
    near = ids[np.abs(head.mean[ids, 0]) < 0.5]
    return int(near[np.argmax(up * head.mean[near, 1])])


def anatomy_of(head: Head) -> Anatomy:
    """Cuts the inside of the mouth out of the head and gives its points their coordinates."""
    count = len(head.mean)
    fields = {name: np.zeros(count, np.float32) for name in ("across", "rise", "arch", "thing", "sinking")}
    fields |= {name: np.zeros((count, 3), np.float32) for name in ("normals", "widening")}
    fields["sliding"] = _sliding(head)
    _tooth_row(head, "teeth_upper", 1.0, fields)
    _tooth_row(head, "teeth_lower", -1.0, fields)
    tongue = np.unique(head.triangles_of("tongue"))
    z = head.mean[tongue, 2]
    forward = (z - z.min()) / np.ptp(z)
    fields["across"][tongue] = head.mean[tongue, 0]
    fields["rise"][tongue] = forward
    fields["sinking"][tongue] = 0.24 * np.exp(-(((forward - 0.35) / 0.4) ** 2))

    triangles = np.concatenate([head.triangles_of(part) for part in INSIDE])
    part = np.repeat(np.arange(len(INSIDE)), [len(head.triangles_of(p)) for p in INSIDE]).astype(np.int32)
    above_gum = fields["rise"][triangles].min(1) < _ROOT_RISE
    triangles, part = triangles[above_gum | (part > TEETH_LOWER)], part[above_gum | (part > TEETH_LOWER)]
    surface = (part * SURFACES + fields.pop("thing")[triangles[:, 0]]).astype(np.int32)
    vertices, flat = np.unique(triangles, return_inverse=True)
    local = flat.reshape(-1, 3).astype(np.int32)
    upper = np.unique(head.triangles_of("teeth_upper"))
    left, right = upper[np.argmax(head.mean[upper, 0])], upper[np.argmin(head.mean[upper, 0])]
    rim = np.concatenate([head.lip_rim_upper, head.lip_rim_lower]).astype(np.int32)
    low = head.mean[upper, 1] < head.mean[upper, 1].mean()
    faces = upper[(np.abs(head.mean[upper, 0]) < _FRONT_WITHIN) & low]
    faces = faces[np.argsort(head.mean[faces, 2])[-_FACES:]].astype(np.int32)
    front = [_biting_edge(head, "teeth_upper", -1.0), _biting_edge(head, "teeth_lower", 1.0)]
    arrays = {name: np.ascontiguousarray(field[vertices]) for name, field in fields.items()}
    arrays |= {
        "vertices": vertices.astype(np.int32),
        "triangles": local,
        "part": part,
        "surface": surface,
        "soft": np.ascontiguousarray(local[part >= GUMS]),
        "rim": rim,
    }
    for array in arrays.values():
        array.setflags(write=False)
    return Anatomy(
        **arrays,
        biters=(front[0], front[1]),
        bite_units=float(head.mean[front[0], 1] - head.mean[front[1], 1]),
        ruler=(int(left), int(right)),
        ruler_units=float(np.linalg.norm(head.mean[left] - head.mean[right])),
        meeting=(rim[np.abs(head.mean[rim, 0]) < _FRONT_WITHIN], faces),
    )
