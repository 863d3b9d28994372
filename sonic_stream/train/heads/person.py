"""One synthetic person: drawn, rendered as a portrait, found and fitted by the product's own way.

A fit is never quite right. Most of its error is taken back by rendering the person anew with the fitted mesh,
so that what the painter intends and what the render shows agree; the rest is in the data on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sonic_stream.errors import SonicError
from sonic_stream.face.head import Head, load_head
from sonic_stream.face.portrait import identify
from sonic_stream.face.window import Window
from sonic_stream.picture import Painter
from sonic_stream.picture.lips import seal
from sonic_stream.picture.patch import slit_of
from sonic_stream.picture.rig import Rig, limited, turn
from sonic_stream.picture.rims import gaps
from sonic_stream.train.heads.camera import degrade, develop
from sonic_stream.train.heads.look import Look, draw_look
from sonic_stream.train.heads.render import Box, Renderer
from sonic_stream.train.heads.strands import glasses, lashes
from sonic_stream.types import CHANNEL_INDEX, F32, U8, Identity

PORTRAIT_PX = 600
_SIZE = 512
"""Side of the portrait as it is rendered first, and of the crop that is painted, px."""
_SEALED_BELOW, _LIDS_MEET_FROM = 0.012, 0.8
"""Aperture under which lips, and blink from which lids are drawn together, as the painter does."""
_SHAPES, _SPREAD = 80, 0.75
_KEPT_ERROR = 0.3
"""At most this share of the fit's error stays in the pairs."""
_MOST_ERROR_PX = 9.0
_ROOM = 10
"""Pixels about a part of the picture that filters need to see."""


@dataclass(frozen=True, slots=True)
class Stance:
    """A head in the picture: vertices float32 [V, 3] (x px, y px, nearness px), its turn, px of a head unit,
    how far each eye is shut, and the eyes' axes [2, 3] in head axes."""

    placed: F32
    rotation: F32
    unit_px: float
    shut: tuple[float, float]
    gaze: F32


class Person:
    """Somebody whose pictures can be painted and rendered alike."""

    def __init__(
        self, number: int, renderer: Renderer, gaze: F32, portraits: tuple[Identity, Identity], offset: F32
    ) -> None:
        """`portraits`: as it was found, and as it was before noise and JPEG; `offset` float32 [V, 2] px is
        what is left of the fit's error."""
        self.number, self.look, self.identity = number, renderer.look, portraits[0]
        self.painter, self.clean = (Painter(portrait) for portrait in portraits)
        self._renderer, self._gaze, self._offset = renderer, gaze, offset

    def stance(self, coeffs: F32) -> Stance:
        """Where the painter's rig puts the head for `coeffs`, with what is left of the fit's error."""
        rig = self.painter.rig
        coeffs = limited(np.asarray(coeffs, np.float32))
        weights, pose = rig.weights(coeffs), rig.pose(coeffs)
        own = self.identity.vertices + np.tensordot(rig.portrait, rig.basis, 1)
        vertices = own + rig.moved(coeffs, weights)
        placed = pose.project(np.asarray(vertices, np.float32))
        mouth, *eyes = gaps()
        closed = 1 - min(1.0, max(0.0, rig.aperture_of(weights)) / _SEALED_BELOW)
        if closed > 0:
            placed = seal(mouth, placed, slit_of(mouth, placed), closed, pose.scale)
        shut = (float(weights[rig.lids[0]]), float(weights[rig.lids[1]]))
        for eye, much in zip(eyes, shut, strict=True):
            if much > _LIDS_MEET_FROM:
                share = (much - _LIDS_MEET_FROM) / (1 - _LIDS_MEET_FROM)
                placed = seal(eye, placed, slit_of(eye, placed), share, pose.scale)
        placed[:, :2] += self._offset
        return Stance(placed, pose.rotation, pose.scale, shut, _glance(self._gaze, coeffs))

    def render(self, coeffs: F32, box: Box) -> tuple[U8, F32]:
        """The true picture in `box` without noise, uint8 [h, w, 3], and how far each pixel is to be trusted
        (skin, eyes and mouth: 1; hair, glasses and what is behind: 0), float32 [h, w]."""
        x0, y0, x1, y1 = box
        wide = (x0 - _ROOM, y0 - _ROOM, x1 + _ROOM, y1 + _ROOM)
        light, trust = picture_of(self._renderer, self.look, self.stance(coeffs), wide, _SIZE)
        cut = slice(_ROOM, -_ROOM), slice(_ROOM, -_ROOM)
        return np.ascontiguousarray(develop(light, self.look)[cut]), trust[cut]


def _glance(gaze: F32, coeffs: F32) -> F32:
    x, y = (float(coeffs[CHANNEL_INDEX[name]]) for name in ("gaze_x", "gaze_y"))
    (cx, sx), (cy, sy) = (np.cos(x), np.sin(x)), (np.cos(y), np.sin(y))
    about_y = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]], np.float32)
    about_x = np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]], np.float32)
    return np.asarray(gaze @ (about_y @ about_x).T, np.float32)


def picture_of(renderer: Renderer, look: Look, stance: Stance, box: Box, size: int) -> tuple[F32, F32]:
    """Linear light [h, w, 3] of a head before its wall, in `box` of a picture of `size`, and trust [h, w]."""
    shot = renderer.shoot(stance.placed, stance.rotation, stance.unit_px, stance.gaze, box)
    _, y0, _, y1 = box
    down = (np.arange(y0, y1, dtype=np.float32) / size).clip(0, 1)[:, None, None]
    top, low = np.array(look.wall, np.float32)
    light = shot.colour + (1 - shot.cover[..., None]) * (top + down * (low - top))
    trust = np.asarray((shot.kind >= 0) & (shot.kind != 8), np.float32)
    to_picture = stance.rotation * np.array([[1], [-1], [1]], np.float32)
    hair = lashes(look, stance.placed, to_picture, stance.unit_px, stance.shut, box)[..., None]
    light += hair * (np.minimum(look.hair * 0.4, 0.02) - light)
    if look.glasses:
        head = load_head()
        eyes = np.stack([stance.placed[head.triangles_of(p)].mean((0, 1)) for p in ("eye_left", "eye_right")])
        frame, glare = glasses(look, eyes, to_picture, stance.unit_px, box)
        light += glare[..., None] * (look.sky - light) * 0.6
        light += frame[..., None] * (look.cloth * 0.4 - light)
        trust *= frame < 0.05
    return np.asarray(light, np.float32), cv2.blur(trust, (5, 5)) * trust


def _portrait_face(head: Head, rng: np.random.Generator) -> F32:
    """The expression [E] of a portrait: mostly at rest, often with a smile, sometimes with parted lips."""
    out = np.zeros(len(head.expression_names), np.float32)

    def add(name: str, much: float) -> None:
        for full in (name, f"{name}_L", f"{name}_R"):
            if full in head.expression_names:
                out[head.expression_index(full)] += np.float32(much * rng.uniform(0.85, 1.15))

    kind = rng.random()
    if kind < 0.55:
        add("mouthSmile", max(0.0, rng.normal(0.3, 0.2)))
        if kind < 0.22:  # teeth
            add("mouthUpperUp", rng.uniform(0.15, 0.5))
            add("jawOpen", rng.uniform(0.03, 0.16))
            add("mouthLowerDown", rng.uniform(0, 0.25))
    elif kind < 0.68:
        add("jawOpen", rng.uniform(0.03, 0.12))
    add("cheekSquint", max(0.0, rng.normal(0, 0.2)))
    add("browInnerUp", max(0.0, rng.normal(0, 0.2)))
    add("browDown", max(0.0, rng.normal(0, 0.2)))
    add("eyeBlink", float(np.clip(rng.normal(0, 0.12), -0.15, 0.3)))
    add("mouthFrown", max(0.0, rng.normal(-0.1, 0.15)))
    return out


def make_person(number: int, seed: int) -> Person | None:
    """Person `number` of the world `seed`, or None where the portrait is refused or fits badly."""
    own = seed * 100003 + number
    rng = np.random.default_rng([own, 1])
    look = draw_look(own)
    head = load_head()
    renderer = Renderer(look)
    shape = rng.normal(0, _SPREAD, _SHAPES).astype(np.float32)
    vertices = head.shaped(shape, _portrait_face(head, rng))
    rotation = turn(rng.normal(0, 0.13), rng.normal(0, 0.08), rng.normal(0, 0.05))
    unit_px = float(rng.uniform(12.5, 16.5))
    placed = (vertices @ rotation.T) * np.array([unit_px, -unit_px, unit_px])
    placed[:, :2] += [PORTRAIT_PX * rng.uniform(0.46, 0.54), PORTRAIT_PX * rng.uniform(0.44, 0.52)]
    away = rng.normal(0, (0.06, 0.04, 0.0), 3).astype(np.float32) + np.array([0, -0.02, 1], np.float32)
    gaze = np.asarray(away + np.array([[-0.03, 0, 0], [0.03, 0, 0]]), np.float32)
    gaze /= np.linalg.norm(gaze, axis=1, keepdims=True)
    stance = Stance(placed.astype(np.float32), rotation, unit_px, (0.0, 0.0), gaze)
    light, _ = picture_of(renderer, look, stance, (0, 0, PORTRAIT_PX, PORTRAIT_PX), PORTRAIT_PX)
    found = degrade(develop(light, look), look)
    coded, data = cv2.imencode(".png", found[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert coded
    try:
        identity = identify(data.tobytes())
    except SonicError:
        return None
    if identity.crop.shape[0] != _SIZE:
        return None
    x, y, side = identity.crop_box
    true = Window(x, y, side, _SIZE).inward(stance.placed)
    rig = Rig(head, identity)
    fitted = rig.source_pose.project(
        np.asarray(identity.vertices + np.tensordot(rig.portrait, rig.basis, 1), np.float32)
    )
    wrong = np.asarray(true[:, :2] - fitted[:, :2], np.float32)
    if float(np.linalg.norm(wrong[head.landmarks], axis=1).mean()) > _MOST_ERROR_PX:
        return None
    offset = wrong * np.float32(rng.uniform(0, _KEPT_ERROR))
    again = fitted.copy()
    again[:, :2] += offset
    stance = Stance(again, rig.source_pose.rotation, rig.source_pose.scale, (0.0, 0.0), gaze)
    light, _ = picture_of(renderer, look, stance, (0, 0, _SIZE, _SIZE), _SIZE)
    clean = develop(light, look)
    worn = degrade(clean, look)
    portraits = [replace(identity, crop=crop, cache={}) for crop in (worn, clean)]
    return Person(number, renderer, gaze, (portraits[0], portraits[1]), offset)
