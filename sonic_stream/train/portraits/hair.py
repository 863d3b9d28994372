"""Grows hair, brows and lashes as polylines: every strand follows a comb field around the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, along, inside_loop, smooth_step


@dataclass(frozen=True)
class HairStyle:
    """How the hair is cut and combed; lengths in head units (cm)."""

    strands: int = 26000
    parting: float = 1.6
    """Where the parting lies (x)."""
    length_top: float = 22.0
    length_side: float = 18.0
    lift: float = 0.7
    """How far the hair stands off the skull."""
    sweep_back: float = 0.5
    """Share of the comb that goes back rather than to the side, at the front."""
    end_y: float = -11.0
    """Strands are cut at this height."""
    wave: float = 0.25
    radius: float = 0.017
    """Of a strand at its root (a rendered strand stands for several hairs)."""
    stray: float = 0.05
    """Share of strands that leave the comb a little."""
    tuck: float = 0.0
    """How far the ends turn in towards the neck."""
    short: bool = False
    coil: float = 0.0
    """Radius of the coils of short coiled hair; 0 is combed hair."""
    turns: float = 3.0
    """Turns of a coil over the length on top."""


def hairline(azimuth: Array) -> Array:
    """Height of the hairline (y) at an angle from the front, radians."""
    at = np.radians([0, 20, 38, 52, 66, 78, 92, 106, 125, 150, 180])
    y = np.array([10.6, 10.5, 9.9, 8.2, 5.4, 3.2, 4.6, 3.0, -1.5, -4.8, -5.5])
    return np.asarray(np.interp(np.abs(azimuth), at, y))


def on_ear(points: Array) -> Array:
    """Which points belong to the ears or the skin right behind them."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    return np.asarray((x > 6.7 + 0.12 * np.clip(y, 0, 5)) & (y < 4.6) & (y > -3.5) & (z > -2.0) & (z < 3.4))


def _roots(anatomy: Anatomy, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Points on the scalp and their outward normals."""
    points, polygons = anatomy.part(0, SKIN_END)
    triangles = np.array([t for p in polygons for t in ((p[0], p[1], p[2]), (p[0], p[2], p[-1]))])
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    centre = (a + b + c) / 3
    azimuth = np.arctan2(centre[:, 0], centre[:, 2] - 1.5)
    depth = centre[:, 1] - hairline(azimuth)
    ear = on_ear(centre)
    weight = area * smooth_step(-0.25, 0.7, depth) * ~ear * (area > 1e-9)
    pick = rng.choice(len(area), count, p=weight / weight.sum())
    u, v = rng.random((2, count))
    flip = u + v > 1
    u[flip], v[flip] = 1 - u[flip], 1 - v[flip]
    roots = a[pick] + u[:, None] * (b - a)[pick] + v[:, None] * (c - a)[pick]
    return roots, normal[pick] / area[pick, None]


def _surface(anatomy: Anatomy) -> tuple[cKDTree, Array, Array]:
    """A dense sample of the skin for keeping strands outside it."""
    points, polygons = anatomy.part(0, SKIN_END)
    centres, normals = [], []
    for p in polygons:
        q = points[list(p)]
        n = np.cross(q[1] - q[0], q[2] - q[0])
        size = np.linalg.norm(n)
        if size > 1e-9:
            centres.append(q.mean(0))
            normals.append(n / size)
    return cKDTree(np.array(centres)), np.array(centres), np.array(normals)


def grow(anatomy: Anatomy, style: HairStyle, seed: int, points_each: int = 18) -> tuple[Array, Array]:
    """Strands float [N, points_each, 3] and their radii [N, points_each]."""
    rng = np.random.default_rng(seed)
    roots, normals = _roots(anatomy, style.strands, rng)
    tree, surface, surface_normal = _surface(anatomy)
    count = len(roots)
    clump_roots = roots[rng.choice(count, count // 45, replace=False)]
    clump = cKDTree(clump_roots).query(roots)[1]
    clump_random = rng.normal(size=(len(clump_roots), 4))
    own = rng.normal(size=(count, 4))
    side = np.where(roots[:, 0] > style.parting + 0.12 * own[:, 0], 1.0, -1.0)
    azimuth = np.arctan2(roots[:, 0], roots[:, 2] - 1.5)
    top = smooth_step(6.0, 11.5, roots[:, 1])
    front = smooth_step(np.radians(110), np.radians(30), np.abs(azimuth))
    length = style.length_side + (style.length_top - style.length_side) * top
    length = length * (1 + 0.05 * own[:, 1] + 0.05 * clump_random[clump, 1])
    step = length / (points_each - 1)
    comb_side = np.stack([side, 0 * side, 0 * side], 1)
    comb_back = np.tile([0.0, 0.1, -1.0], (count, 1))
    lift = style.lift * (0.35 + 0.65 * rng.random(count)) * (0.6 + 0.5 * top)
    # Flat at the parting, full beside it.
    lift *= 0.25 + 0.75 * smooth_step(0.2, 3.2, np.abs(roots[:, 0] - style.parting))
    loose = (rng.random(count) < style.stray)[:, None]
    strands = np.zeros((count, points_each, 3))
    strands[:, 0] = roots - 0.05 * normals
    here = roots + 0.02 * normals
    heading = normals * 0.8 + 0.2 * comb_side
    phase = clump_random[clump, 2] * 3 + 0.4 * own[:, 2]
    for k in range(1, points_each):
        t = k / (points_each - 1)
        distance, nearest = tree.query(here)
        n = surface_normal[nearest]
        away = ((here - surface[nearest]) * n).sum(1)
        back = (style.sweep_back * front + (0.25 if not style.short else 0.0))[:, None]
        wanted = comb_side * (top * (1 - 0.85 * smooth_step(0.0, 0.5, np.full(count, t))))[
            :, None
        ] + comb_back * back * (1 - 0.6 * t)
        gravity = (0.25 + 1.4 * t) if not style.short else (0.55 - 0.75 * top * front)
        wanted = wanted + np.array([0, -1.0, 0]) * np.reshape(gravity, (-1, 1))
        tangent = wanted - (wanted * n).sum(1, keepdims=True) * n * smooth_step(4.0, 0.5, away)[:, None]
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
        stiff = 0.45 if not style.short else 0.55
        heading = stiff * heading + (1 - stiff) * tangent
        if style.tuck:
            inward = -here * np.array([1.0, 0, 0.7])
            inward /= np.linalg.norm(inward, axis=1, keepdims=True) + 1e-9
            heading = heading + inward * style.tuck * smooth_step(0.72, 1.0, np.full(count, t))[:, None]
        heading /= np.linalg.norm(heading, axis=1, keepdims=True) + 1e-9
        here = here + heading * step[:, None]
        distance, nearest = tree.query(here)
        n = surface_normal[nearest]
        away = ((here - surface[nearest]) * n).sum(1)
        least = lift * smooth_step(0.0, 0.3, np.full(count, t)) + 0.06
        push = np.clip(least - away, 0, 1.5) * (distance < 3.5)
        here = here + n * push[:, None]
        if not style.short:
            # Keep the face free: in front of the ears hair stays outside the cheek line.
            ahead = smooth_step(1.0, 4.0, here[:, 2]) * smooth_step(10.8, 8.5, here[:, 1])
            edge = 6.9 + 0.3 * np.abs(own[:, 3]) - 0.10 * np.clip(-here[:, 1] - 1, 0, 6)
            short_of = np.clip(edge - np.abs(here[:, 0]), 0, 4) * ahead
            outward = np.where(np.abs(here[:, 0]) > 1.0, np.sign(here[:, 0]), side)
            here[:, 0] += outward * short_of * 0.8
            here[:, 2] -= 0.5 * short_of
        curl = style.wave * t * np.sin(t * 9 + phase)
        bend = np.stack([np.cos(phase), 0 * phase, np.sin(phase)], 1) * curl[:, None]
        strands[:, k] = (
            here
            + 0.35 * bend
            + (0.05 + 0.45 * loose) * t * own[:, :3]
            + 0.10 * t * clump_random[clump][:, :3]
        )
    cut = strands[..., 1] < style.end_y + 0.5 * own[:, :1]
    # Strands that reach the cut end there: later points fold onto the last one above it.
    last = np.where(cut.any(1), cut.argmax(1), points_each)
    for i in np.flatnonzero(last < points_each):
        keep = strands[i, : max(2, last[i])]
        at = np.linspace(0, len(keep) - 1, points_each)
        strands[i] = np.stack([np.interp(at, np.arange(len(keep)), keep[:, a]) for a in range(3)], 1)
    share = np.linspace(0, 1, points_each)
    radius = style.radius * (1 - 0.75 * share**2)[None] * (0.8 + 0.4 * rng.random((count, 1)))
    return strands, np.broadcast_to(radius, (count, points_each))


def coils(anatomy: Anatomy, style: HairStyle, seed: int, points_each: int = 20) -> tuple[Array, Array]:
    """Short coiled hair: every strand a small helix that stands off the scalp, shorter at the sides."""
    rng = np.random.default_rng(seed)
    roots, normals = _roots(anatomy, style.strands, rng)
    count = len(roots)
    azimuth = np.arctan2(roots[:, 0], roots[:, 2] - 1.5)
    height = roots[:, 1] - hairline(azimuth)
    top = smooth_step(4.0, 10.5, roots[:, 1]) * smooth_step(0.0, 1.6, height)
    length = (style.length_side + (style.length_top - style.length_side) * top) * (
        0.75 + 0.4 * rng.random(count)
    )
    # Strands of one tuft lean together.
    tufts = roots[rng.choice(count, count // 30, replace=False)]
    tuft = cKDTree(tufts).query(roots)[1]
    lean = rng.normal(size=(len(tufts), 3))[tuft] * 0.30 + rng.normal(size=(count, 3)) * 0.16
    axis = normals + lean
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    across = np.cross(axis, rng.normal(size=(count, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(axis, across)
    t = np.linspace(0, 1, points_each)[None, :, None]
    turn = 2 * np.pi * (style.turns * length / style.length_top)[:, None, None] * t + rng.uniform(
        0, 6.28, (count, 1, 1)
    )
    width = style.coil * smooth_step(0.0, 0.35, t)
    gather = (tufts[tuft] - roots)[:, None] * 0.35 * t
    strands = (
        roots[:, None]
        - 0.04 * normals[:, None]
        + axis[:, None] * (length[:, None, None] * t)
        + width * (np.cos(turn) * across[:, None] + np.sin(turn) * other[:, None])
        + gather
    )
    radius = 0.017 * (1 - 0.6 * t[..., 0] ** 2) * (0.8 + 0.4 * rng.random((count, 1)))
    return strands, radius


def beard(anatomy: Anatomy, density: int, length: float, seed: int) -> tuple[Array, Array]:
    """Stubble on jaw, chin and upper lip, lying down and forwards."""
    rng = np.random.default_rng(seed)
    points, polygons = anatomy.part(0, SKIN_END)
    triangles = np.array([t for p in polygons for t in ((p[0], p[1], p[2]), (p[0], p[2], p[-1]))])
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1)
    weight = area * beard_mask(anatomy, (a + b + c) / 3)
    pick = rng.choice(len(area), density, p=weight / weight.sum())
    u, v = rng.random((2, density))
    flip = u + v > 1
    u[flip], v[flip] = 1 - u[flip], 1 - v[flip]
    root = a[pick] + u[:, None] * (b - a)[pick] + v[:, None] * (c - a)[pick]
    n = normal[pick] / area[pick, None]
    down = np.array([0, -1.0, 0]) + 0.25 * rng.normal(size=(density, 3))
    down -= (down * n).sum(1, keepdims=True) * n
    t = np.linspace(0, 1, 4)[None, :, None]
    size = length * (0.5 + rng.random((density, 1, 1)))
    strands = (
        root[:, None]
        + size * (n[:, None] * (0.75 * t - 0.25 * t**2) + down[:, None] * (0.2 * t + 0.5 * t**2))
        - 0.01 * n[:, None]
    )
    radius = 0.0095 * (1 - 0.6 * t[..., 0]) * np.ones((density, 1))
    return strands, radius


def beard_mask(anatomy: Anatomy, points: Array) -> Array:
    """How much beard grows at places on the skin, 0..1."""
    m = anatomy.marks
    x = np.abs(points[:, 0])
    half = m[54, 0]
    upper = np.interp(
        x,
        [0.0, 0.8 * half, 1.25 * half, 1.7 * half, 6.0, 7.2],
        [m[33, 1] - 0.30, m[33, 1] - 0.45, m[54, 1] - 0.3, m[54, 1] - 0.1, m[54, 1] + 1.8, m[54, 1] + 5.0],
    )
    jaw = m[8, 1] - 0.5
    below = smooth_step(jaw - 2.2, jaw - 0.4, points[:, 1] + 0.15 * np.clip(x - 2, 0, 6))
    lips = smooth_step(0.10, 0.30, -inside_loop(along(np.vstack([m[48:60], m[48:49]]), 0.1), points))
    hollow = 1 - 0.6 * np.exp(-(((x - 1.3) / 0.7) ** 2) - (((points[:, 1] - m[57, 1] + 0.75) / 0.6) ** 2))
    ahead = smooth_step(0.2, 1.6, points[:, 2])
    # A sharp edge on the short upper lip, a soft one on the cheek.
    soft = 0.3 + 0.4 * smooth_step(half, 1.5 * half, x)
    rim = np.clip((upper - points[:, 1]) / soft, 0, 1)
    return np.asarray(rim * below * lips * hollow * ahead)


def brows(anatomy: Anatomy, thickness: float, seed: int, density: int = 700) -> tuple[Array, Array]:
    """Brow hairs lying on the skin: upright at the inner end, combed along the arch, fine at the tail."""
    rng = np.random.default_rng(seed)
    tree, surface, normal = _surface(anatomy)
    strands = []
    for marks in (anatomy.marks[17:22][::-1], anatomy.marks[22:27]):
        arch = along(marks, 0.03)
        outward = np.sign(marks[-1, 0] - marks[0, 0])
        s = rng.beta(1.05, 1.1, density)
        here = arch[(s * (len(arch) - 1)).astype(int)]
        inner, tail = 1 - smooth_step(0.0, 0.35, s), smooth_step(0.45, 1.0, s)
        width = thickness * (1.0 - 0.25 * inner - 0.72 * tail)
        across = np.clip(rng.normal(size=density) * 0.5, -1, 1)
        here = here + np.stack([0 * s, (across - 0.12) * width - 0.26 * inner - 0.10 * tail, 0 * s], 1)
        rise = 0.85 * inner + 0.20 - 0.75 * tail - 0.55 * across * (1 - inner)
        heading = np.stack([outward * (0.45 + 0.7 * s), rise, -0.35 * s], 1) + 0.10 * rng.normal(
            size=(density, 3)
        )
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        length = (0.62 - 0.22 * inner - 0.22 * tail) * (0.7 + 0.5 * rng.random(density))
        pts = np.zeros((density, 6, 3))
        for k in range(6):
            _, near = tree.query(here)
            away = ((here - surface[near]) * normal[near]).sum(1)
            here = here + normal[near] * (0.015 + 0.05 * np.sin(np.pi * k / 5) - away)[:, None]
            pts[:, k] = here
            bend = np.array([0.0, -0.05, 0.0]) * k * (1 - inner[:, None])
            here = here + (heading + bend) * (length / 5)[:, None]
        strands.append(pts)
    all_strands = np.concatenate(strands)
    radius = (
        0.0125 * (1 - 0.85 * np.linspace(0, 1, 6) ** 1.5) * (0.7 + 0.5 * rng.random((len(all_strands), 1)))
    )
    return all_strands, radius


def lashes(anatomy: Anatomy, length: float, seed: int) -> tuple[Array, Array]:
    """Upper and lower lashes along the lid margins."""
    rng = np.random.default_rng(seed)
    groups = []
    rims = ((36, 37, 38, 39), (42, 43, 44, 45), (36, 41, 40, 39), (42, 47, 46, 45))
    for upper, rim in ((True, rims[0]), (True, rims[1]), (False, rims[2]), (False, rims[3])):
        curve = along(anatomy.marks[list(rim)], 0.01)
        count = 120 if upper else 45
        s = np.sort(rng.random(count))
        root = curve[(s * (len(curve) - 1)).astype(int)] + np.array([0, 0.02 if upper else -0.02, 0.03])
        middle = anatomy.marks[list(rim)].mean(0)
        fan = (root[:, 0] - middle[0]) * 0.35
        rise = 0.55 if upper else -0.55
        size = (
            length
            * (1.0 if upper else 0.5)
            * (0.7 + 0.5 * rng.random(count))
            * (0.65 + 0.35 * np.sin(np.pi * s))
        )
        t = np.linspace(0, 1, 6)
        pts = root[:, None] + size[:, None, None] * np.stack(
            [
                fan[:, None] * t + 0 * root[:, :1],
                rise * (t**1.8)[None] + 0 * root[:, :1],
                (0.9 * t - 0.25 * t**2)[None] + 0 * root[:, :1],
            ],
            -1,
        )
        groups.append(pts)
    strands = np.concatenate(groups)
    radius = 0.021 * (1 - 0.9 * np.linspace(0, 1, 6))
    return strands, np.broadcast_to(radius, strands.shape[:2])


def scalp_mask(anatomy: Anatomy) -> Array:
    """1 where hair grows, 0 elsewhere, per skin vertex."""
    v = anatomy.vertices[:SKIN_END]
    depth = v[:, 1] - hairline(np.arctan2(v[:, 0], v[:, 2] - 1.5))
    ear = on_ear(v)
    return smooth_step(-0.3, 0.9, depth) * ~ear
