"""Fine things that are drawn over a render: lashes along the lids, and glasses."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from sonic_stream.face.head import load_head
from sonic_stream.train.heads.look import Look
from sonic_stream.types import F32

_FINE = 3
"""Lashes are drawn this much larger and averaged."""
_SHIFT = 3
Box = tuple[int, int, int, int]


@lru_cache(maxsize=1)
def _ways_out() -> tuple[F32, ...]:
    """For each lid the direction in which its lashes leave it at rest, head axes float32 [9, 3]."""
    head = load_head()
    out = []
    for number, rim in enumerate(head.lid_rims):
        line = head.mean[rim]
        side = number // 2
        from_ball = line - head.eye_centres[side]
        from_ball = from_ball / np.linalg.norm(from_ball, axis=1, keepdims=True)
        up = 0.55 if number % 2 == 0 else -0.5
        away = np.array([0.25 if side == 0 else -0.25, up, 0.35], np.float32)
        fan = (line[:, :1] - line[:, :1].mean()) * np.array([[0.35, 0, 0]], np.float32)
        out.append(np.asarray(from_ball + away + fan, np.float32))
    return tuple(out)


def lashes(look: Look, placed: F32, turn: F32, unit_px: float, shut: tuple[float, float], box: Box) -> F32:
    """How much lashes cover each pixel of `box`, float32 [h, w], 0..1."""
    x0, y0, x1, y1 = box
    mask = np.zeros(((y1 - y0) * _FINE, (x1 - x0) * _FINE), np.uint8)
    rng = np.random.default_rng([look.seed, 31])
    head = load_head()
    for number, (rim, ways) in enumerate(zip(head.lid_rims, _ways_out(), strict=True)):
        upper = number % 2 == 0
        count = 64 if upper else 30
        at = np.sort(rng.uniform(0.06, 1, count)) * (len(rim) - 1)
        size = look.lash * (0.62 if upper else 0.30) * (0.55 + 0.45 * at / (len(rim) - 1))
        size = size * rng.uniform(0.75, 1.15, count)
        jitter = rng.normal(0, 0.10, (count, 3))
        line = placed[rim]
        if line[:, 0].max() < x0 - 20 or line[:, 0].min() > x1 + 20:
            continue
        where = np.arange(len(rim))
        roots = np.stack([np.interp(at, where, line[:, k]) for k in range(3)], 1)
        way = np.stack([np.interp(at, where, ways[:, k]) for k in range(3)], 1) + jitter
        closed = shut[number // 2]
        curl = (0.35 if upper else -0.2) * np.ones(count)
        if upper:  # as the lid falls its lashes point down and forward
            way[:, 1] -= 1.05 * closed
            curl = curl * (1 - 0.4 * closed)
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        flat = (way @ turn.T)[:, :2] * unit_px
        rise = turn[:2, 1] * unit_px
        steps = np.linspace(0, 1, 5)[None, :, None]
        points = roots[:, None, :2] + size[:, None, None] * (
            flat[:, None] * steps + curl[:, None, None] * rise * steps**2
        )
        points = ((points - [x0, y0] + 0.5) * _FINE - 0.5) * (1 << _SHIFT)
        for stroke in np.round(points).astype(np.int32):
            cv2.polylines(mask, [stroke[:3]], False, 235, 2, cv2.LINE_AA, _SHIFT)
            cv2.polylines(mask, [stroke[2:]], False, 190, 1, cv2.LINE_AA, _SHIFT)
        edge = ((line[:, :2] - [x0, y0] + 0.5) * _FINE - 0.5) * (1 << _SHIFT)
        weight = 120 if upper else 45
        layer = np.zeros_like(mask)
        cv2.polylines(
            layer,
            [np.round(edge).astype(np.int32)],
            False,
            int(weight * min(1.0, look.lash)),
            3,
            cv2.LINE_AA,
            _SHIFT,
        )
        np.maximum(mask, layer, out=mask)
    small = cv2.resize(mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255) * np.float32(min(1.0, 0.45 + 0.5 * look.lash))


def glasses(look: Look, eye_points: F32, turn: F32, unit_px: float, box: Box) -> tuple[F32, F32]:
    """Frame cover float32 [h, w] and glare of the lenses [h, w] for eyes at `eye_points` [2, 3] px."""
    x0, y0, x1, y1 = box
    rng = np.random.default_rng([look.seed, 37])
    fine = 2
    frame = np.zeros(((y1 - y0) * fine, (x1 - x0) * fine), np.uint8)
    lens = np.zeros_like(frame)
    half = np.array([rng.uniform(2.1, 2.7), rng.uniform(1.5, 2.2)])
    square = rng.uniform(2.0, 4.5)
    thick = max(1, round(rng.uniform(0.10, 0.30) * unit_px * fine))
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    shape = (
        np.stack([np.sign(c) * np.abs(c) ** (2 / square), np.sign(s) * np.abs(s) ** (2 / square)], 1) * half
    )
    forward = rng.uniform(2.2, 2.8)

    def put(points: F32) -> F32:
        flat = points[:, :2] + np.array([[x0, y0]]) * -1
        return np.asarray(np.round(((flat + 0.5) * fine - 0.5) * 8), np.int32)

    centres = []
    for eye in eye_points:
        ring = np.c_[shape[:, 0], shape[:, 1] - 0.3, np.full(len(shape), forward)]
        placed = eye + ring @ turn.T * unit_px
        cv2.fillPoly(lens, [put(placed)], 255, cv2.LINE_AA, 3)
        cv2.polylines(frame, [put(placed)], True, 255, thick, cv2.LINE_AA, 3)
        centres.append(eye + (turn @ np.array([0, 0.25, forward])) * unit_px)
    a, b = sorted(centres, key=lambda p: float(p[0]))
    along = (b - a) / np.linalg.norm(b - a)
    inner = half[0] * unit_px
    bridge = np.stack([a + along * inner, (a + b) / 2 - turn[:, 1] * 0.25 * unit_px, b - along * inner])
    cv2.polylines(frame, [put(bridge)], False, 255, thick, cv2.LINE_AA, 3)
    for centre, sign in ((a, -1), (b, 1)):
        hinge = centre + sign * along * inner
        back = hinge + (turn @ np.array([sign * 1.2, 0.2, -7.0])) * unit_px
        cv2.polylines(frame, [put(np.stack([hinge, back]))], False, 255, thick, cv2.LINE_AA, 3)
    size = (x1 - x0, y1 - y0)
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    band = np.sin((x * 0.8 + y * 0.5) / (unit_px * 2.2) + rng.uniform(0, 6))
    glare = np.clip(band - 0.6, 0, 1) * cv2.resize(lens, size, interpolation=cv2.INTER_AREA) / 255
    cover = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cover, np.float32), np.asarray(glare * rng.uniform(0, 0.5), np.float32)
