"""Grows what hair the face has: beard or stubble, brows and lashes, as polylines."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sonic_stream.train.portraits.anatomy import SKIN_END, Anatomy, Array, along, inside_loop, smooth_step
from sonic_stream.train.portraits.hair import surface

LONG_CM = 0.5
"""Beards longer than this hang and are trimmed around the lips."""


def beard(anatomy: Anatomy, density: int, length: float, seed: int) -> tuple[Array, Array]:
    """Stubble or a beard on jaw, chin and upper lip, lying down and forwards; a long one hangs."""
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
    long = length > LONG_CM
    points_each = 9 if long else 4
    t = np.linspace(0, 1, points_each)[None, :, None]
    size = length * (0.5 + rng.random((density, 1, 1)))
    if long:
        size *= _trim(anatomy, root)[:, None, None]
    strands = (
        root[:, None]
        + size * (n[:, None] * (0.75 * t - 0.25 * t**2) + down[:, None] * (0.2 * t + 0.5 * t**2))
        - 0.01 * n[:, None]
    )
    if long:
        # Tufts that lean together and curl a little.
        tufts = root[rng.choice(density, density // 40, replace=False)]
        tuft = cKDTree(tufts).query(root)[1]
        lean, phase = rng.normal(size=(len(tufts), 3))[tuft], rng.uniform(0, 6.28, len(tufts))[tuft]
        wave = 0.10 * np.sin(7 * t[..., 0] + phase[:, None])[..., None]
        strands = strands + size * t * (0.22 * lean[:, None] + 0.10 * rng.normal(size=(density, 1, 3)))
        strands = strands + size * t * wave * np.array([1.0, 0, 0.6])
    thick = 0.0125 if long else 0.0095
    radius = thick * (1 - 0.6 * t[..., 0]) * np.ones((density, 1))
    return strands, radius


def _trim(anatomy: Anatomy, root: Array) -> Array:
    """How long a beard is left at its roots: short over the lips and on the cheeks, full on the chin."""
    m = anatomy.marks
    lips = m[48:60].mean(0)
    above = smooth_step(-0.2, 0.3, root[:, 1] - lips[1]) * smooth_step(
        1.9 * m[54, 0], 1.2 * m[54, 0], np.abs(root[:, 0])
    )
    cheek = smooth_step(3.0, 6.0, np.abs(root[:, 0]))
    chin = np.exp(-((root[:, 0] / 3.0) ** 2)) * smooth_step(lips[1] - 1.0, lips[1] - 2.5, root[:, 1])
    return np.asarray((1 + 0.5 * chin) * (1 - 0.5 * cheek) * (1 - 0.45 * above))


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
    tree, ground, normal = surface(anatomy)
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
            away = ((here - ground[near]) * normal[near]).sum(1)
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
