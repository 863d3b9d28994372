"""Skin as a picture: the face unrolled onto a cylinder, and one person's colours and relief painted on it.

The chart is that of the mean head with its eyes half shut and its lips apart, so that lids and lips have
room on it. It is the same for everybody; what is painted on it is drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face import regions
from sonic_stream.face.head import load_head
from sonic_stream.train.heads.look import Look
from sonic_stream.types import F32

Array = NDArray[Any]
WIDTH, HEIGHT = 1024, 800
_TURN = 1.7
"""Half the angle of the cylinder that the chart shows, rad."""
_TOP, _PER_UNIT = 13.0, 29.0
"""Height of the chart's upper edge in head units, and its px to a unit."""
ALBEDO, BUMP_U, BUMP_V, GLOSS = slice(0, 3), 3, 4, 5
"""Layers of a painted chart: linear RGB, slope of the relief along u and v (head units to a chart px), how
glossy against the person's usual skin."""
LAYERS = 6


@dataclass(frozen=True, slots=True)
class Chart:
    """Chart px float32 [V, 2] of every vertex of the head, and [468, 2] of the landmarks."""

    places: F32
    marks: F32


@lru_cache(maxsize=1)
def chart() -> Chart:
    """The chart of the shipped head."""
    head = load_head()
    points = head.mean.copy()
    for name, share in (("eyeBlink_L", 0.6), ("eyeBlink_R", 0.6), ("jawOpen", 0.2)):
        points += np.float32(share) * head.expression[head.expression_index(name)]
    u = (np.arctan2(points[:, 0], points[:, 2]) / _TURN + 1) / 2 * (WIDTH - 1)
    v = (_TOP - points[:, 1]) * _PER_UNIT
    places = np.stack([u, v], 1).astype(np.float32)
    return Chart(places, places[head.landmarks])


def noise(rng: np.random.Generator, cell_px: float, sharp: bool = False) -> F32:
    """Smooth noise [HEIGHT, WIDTH] of mean 0 and spread 1 whose blobs are about `cell_px` wide."""
    rows, columns = max(2, round(HEIGHT / cell_px)), max(2, round(WIDTH / cell_px))
    small = rng.standard_normal((rows, columns)).astype(np.float32)
    kind = cv2.INTER_LINEAR if sharp else cv2.INTER_CUBIC
    big = cv2.resize(small, (WIDTH, HEIGHT), interpolation=kind)
    return np.asarray(big / max(float(big.std()), 1e-6), np.float32)


def area(points: Array, soft_px: float) -> F32:
    """1 inside a polygon [N, 2] px, 0 outside, soft between; float32 [HEIGHT, WIDTH]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), soft_px) if soft_px > 0 else mask
    return np.asarray(soft, np.float32) / np.float32(255)


def spot(centre: Array, radius: tuple[float, float]) -> F32:
    """A soft round spot, 1 in its middle."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    away = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2
    return np.asarray(np.exp(-away), np.float32)


def hairs(rng: np.random.Generator, roots: Array, heading: Array, length: Array, strength: float) -> F32:
    """Short strokes [HEIGHT, WIDTH], 0..1, from `roots` [N, 2] px along `heading` [N, 2]."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    bend = rng.normal(0, 0.12, (len(roots), 2))
    middle = roots + heading * length[:, None] * 0.5
    ends = middle + (heading + bend) * length[:, None] * 0.5
    lines = np.round(np.stack([roots, middle, ends], 1) * 16).astype(np.int32)
    level = int(np.clip(255 * strength, 0, 255))
    for line in lines:
        cv2.polylines(mask, [line], False, level, 1, cv2.LINE_AA, 4)
    return np.asarray(mask, np.float32) / np.float32(255)


def _brows(rng: np.random.Generator, look: Look, marks: F32) -> F32:
    out = np.zeros((HEIGHT, WIDTH), np.float32)
    sides = (
        ((107, 66, 105, 63, 70), (55, 65, 52, 53, 46)),
        ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276)),
    )
    lift = rng.normal(0, 3)
    for sign, (upper, lower) in zip((-1, 1), sides, strict=True):
        count = int(330 * look.brow)
        s, t = rng.beta(1.1, 1.1, count), np.clip(rng.normal(0.5, 0.26, count), -0.1, 1.1)
        at = np.arange(5) / 4
        top = np.stack([np.interp(s, at, marks[list(upper), k]) for k in range(2)], 1)
        low = np.stack([np.interp(s, at, marks[list(lower), k]) for k in range(2)], 1)
        thin = 0.35 + 0.65 * look.brow * (1 - 0.6 * s[:, None])
        middle = 0.55 * top + 0.45 * low
        roots = middle + (top + t[:, None] * (low - top) - middle) * thin + [0, lift]
        heading = np.stack([sign * (0.35 + 0.75 * s), -(0.95 - 1.0 * s) + 0.5 * (t - 0.5)], 1)
        heading += rng.normal(0, 0.15, heading.shape)
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        length = rng.uniform(9, 17, count) * (1 - 0.35 * s)
        out = np.maximum(out, hairs(rng, roots, heading, length, 0.85))
        order = np.argsort(s)
        ground = area(np.concatenate([top[order], low[order][::-1]]) + np.array([0, lift]), 4.0)
        out = np.maximum(out, 0.35 * min(1.0, look.brow) * ground)
    return out


def _beard(rng: np.random.Generator, look: Look, marks: F32) -> F32:
    """Where beard or stubble covers the skin, 0..1."""
    cheek = np.array(
        [234, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 454]
    )
    upper = np.array([361, 425, 426, 423, 391, 393, 164, 167, 165, 203, 206, 205, 132])
    outline = np.concatenate([marks[cheek[1:-1]] + [0, 22], marks[upper]])
    where = area(outline, 9.0)
    where *= 1 - area(marks[list(regions.LIPS_OUTER)], 2.0)
    where *= np.clip(0.85 + 0.35 * noise(rng, 40), 0, 1)
    if rng.random() < 0.25:  # no hair on the cheeks: a goatee
        where *= spot(marks[17], (120, 95))
    if look.beard < 0.5:
        dots = (rng.random((HEIGHT, WIDTH)) < 0.06).astype(np.float32)
        grains = np.clip(cv2.GaussianBlur(dots, (0, 0), 0.7) * 3.0, 0, 1)
        return np.asarray(where * look.beard * (0.35 + 1.2 * grains), np.float32)
    room = np.cumsum(where.ravel(), dtype=np.float64)
    ids = np.searchsorted(room, rng.random(9000) * room[-1])
    roots = np.stack([ids % WIDTH, ids // WIDTH], 1).astype(np.float32)
    middle = marks[17]
    heading = np.stack([0.35 * (roots[:, 0] - middle[0]) / 90, np.ones(len(roots))], 1)
    heading += rng.normal(0, 0.3, heading.shape)
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    strokes = hairs(rng, roots, heading, rng.uniform(6, 16, len(roots)), 0.9)
    return np.asarray(np.clip(where * 0.55 + strokes * (where > 0.15) * 0.6, 0, 0.95), np.float32)


def paint_chart(look: Look) -> F32:
    """One person's skin, float32 [HEIGHT, WIDTH, LAYERS]."""
    rng = np.random.default_rng([look.seed, 3])
    marks = chart().marks
    colour = np.empty((HEIGHT, WIDTH, 3), np.float32)
    colour[:] = look.skin
    relief = np.zeros((HEIGHT, WIDTH), np.float32)
    gloss = np.ones((HEIGHT, WIDTH), np.float32)
    blotch = 0.030 * noise(rng, 150) + 0.030 * noise(rng, 45) + 0.022 * noise(rng, 13) + 0.018 * noise(rng, 4)
    colour *= (1 + look.uneven * blotch)[..., None]
    redness = 0.02 * noise(rng, 60) + 0.02 * noise(rng, 18)
    for centre, radius in (
        (marks[50], (95, 75)),
        (marks[280], (95, 75)),
        (marks[4], (60, 60)),
        (marks[199], (70, 40)),
    ):
        redness += look.blush * 0.28 * spot(centre, radius)
    colour *= 1 + redness[..., None] * np.array([0.25, -0.75, -0.6], np.float32)
    for ring in (regions.EYE_LEFT, regions.EYE_RIGHT):
        centre = marks[list(ring)].mean(0)
        colour *= 1 - 0.16 * spot(centre + np.array([0, 16]), (70, 46))[..., None] * np.array(
            [0.7, 1.0, 0.9], np.float32
        )
        if look.shadow:
            tint = np.asarray(rng.uniform(0.02, 0.3, 3), np.float32)
            cover = look.shadow * 0.6 * spot(centre - np.array([0, 18]), (52, 26))[..., None]
            colour += cover * (tint - colour)
    if look.freckles:
        dots = (rng.random((HEIGHT, WIDTH)) < 0.004 * look.freckles).astype(np.float32)
        spots = np.clip(cv2.GaussianBlur(dots, (0, 0), 1.6) * 11, 0, 1) * spot(marks[4], (260, 130))
        colour *= 1 - 0.45 * spots[..., None] * np.array([0.6, 0.9, 1.0], np.float32)
    for _ in range(int(rng.integers(0, 5))):
        at = marks[rng.integers(0, 468)]
        colour *= 1 - 0.6 * spot(at, (2.2, 2.2))[..., None]
    pores = noise(rng, 3.0) * 0.5 + noise(rng, 6.0)
    relief += np.float32(0.0013 * look.pores) * pores + np.float32(0.003 * look.uneven) * noise(rng, 28)

    lips = area(marks[list(regions.LIPS_OUTER)], 1.2 + 2.0 * rng.random())
    lips = np.clip(lips * 1.15 - 0.05, 0, 1)
    across = np.arange(WIDTH, dtype=np.float32)[None]
    waviness = 9 * noise(rng, 70) + 2.5 * noise(rng, 20)
    period = rng.uniform(4.0, 7.0)
    fold = np.sin((across + waviness) * (2 * np.pi / period))
    fold = fold * (0.6 + 0.5 * noise(rng, 15)) + 0.4 * noise(rng, 3.5)
    relief += np.float32(0.011 * look.creases) * fold * lips
    tone = look.lip * (1 + 0.06 * noise(rng, 24) - 0.05 * look.creases * np.clip(-fold, 0, 2))[..., None]
    inner = spot((marks[13] + marks[14]) / 2, (95, 26))
    tone *= 1 + inner[..., None] * np.array([-0.04, -0.16, -0.12], np.float32)
    colour += lips[..., None] * (tone - colour)
    edge = lips * (1 - lips) * 4
    colour *= 1 + 0.05 * edge[..., None]
    gloss += lips * (1.0 + 2.2 * look.lip_gloss)

    brows = _brows(rng, look, marks)
    colour += (0.9 * brows)[..., None] * (look.hair * 1.1 - colour)
    relief += 0.02 * brows
    if look.beard:
        beard = _beard(rng, look, marks) * (1 - lips)
        colour += beard[..., None] * (look.hair * 1.2 + 0.01 - colour)
        relief += 0.006 * beard * noise(rng, 4)
        gloss *= 1 - 0.6 * np.clip(beard, 0, 1)
    out = np.empty((HEIGHT, WIDTH, LAYERS), np.float32)
    np.clip(colour, 0.002, 0.95, out=out[..., ALBEDO])
    out[..., BUMP_U] = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    out[..., BUMP_V] = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    out[..., GLOSS] = gloss
    return out
