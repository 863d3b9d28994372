"""Renders one person's head, in any motion, in any part of the picture.

A renderer owns a look and its painted skin; the vertices it is given are already in the picture. It knows
nothing of painters and portraits.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import load_head
from sonic_stream.train.heads import kernels, shading
from sonic_stream.train.heads.chart import paint_chart
from sonic_stream.train.heads.look import Look
from sonic_stream.train.heads.mesh import EYE_LEFT, HAIR, body, hair_of, inside_placed, normals_of
from sonic_stream.types import F32

FINE = 2
"""Samples along a side of a pixel."""
_SKY_REACH, _LAMP_REACH = 2.4, 3.6
"""How far about a point what hides sky and lamp from it is looked for, head units."""
_IRIS_SINE = 0.415
_BALLS_BACK = 0.22
"""How far the eyeballs are set back, head units, so that they never pierce a lid."""
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shot:
    """A rendered part of the picture: linear RGB float32 [h, w, 3], cover of the person float32 [h, w], and
    what is nearest at each pixel, int8 [h, w] (-1 nothing)."""

    colour: F32
    cover: F32
    kind: NDArray[np.int8]


class Renderer:
    """Renders one look."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._body = body()
        self._hair = hair_of(look)
        self._texture = paint_chart(look)
        self._packed = _packed(look)
        head = load_head()
        count = len(head.mean)
        shell = self._hair.triangles + count
        self._triangles = np.ascontiguousarray(np.concatenate([self._body.triangles, shell]).astype(np.int32))
        self._material = np.concatenate([self._body.material, np.full(len(shell), HAIR, np.int8)])
        skin = head.triangles_of("skin", "skull", "cavity", "gums", "tongue")
        self._curved = np.concatenate([skin, shell]).astype(np.int32)
        places = self._body.places[self._hair.roots]
        fields = np.zeros((count + len(places), shading.ATTRIBUTES), np.float32)
        for column, values in (
            (shading.WET, self._body.wet),
            (shading.LID, self._body.lid_edge),
            (shading.ACROSS, self._body.across),
            (shading.RISE, self._body.rise),
            (shading.ARCH, self._body.arch),
        ):
            fields[:count, column] = values
        fields[:count, shading.U :] = self._body.places
        fields[count:, shading.U :] = places
        self._fields = fields
        self._eye_points = [np.unique(head.triangles_of(part)) for part in ("eye_left", "eye_right")]
        self._balls = np.concatenate(self._eye_points)
        self._rims = head.lip_rim_upper, head.lip_rim_lower

    def shoot(self, placed: F32, rotation: F32, unit_px: float, gaze: F32, box: Box) -> Shot:
        """What is seen of vertices `placed` float32 [V, 3] (x, y, nearness in px) in `box` (x0, y0, x1, y1).

        `rotation` [3, 3] and `unit_px` are the head's pose; `gaze` [2, 3] the eyes' axes in head axes.
        """
        look = self.look
        points = inside_placed(placed, rotation, self._body)
        points = np.concatenate([points, points[self._hair.roots]])
        normals = normals_of(points, self._curved)
        turn = rotation * np.array([[1], [-1], [1]], np.float32)
        teeth = self._body.tooth_normals @ turn.T
        firm = np.abs(self._body.tooth_normals).sum(1) > 0
        normals[: len(firm)][firm] = teeth[firm]
        count = len(firm)
        thick = look.hair_thick * unit_px * self._hair.cover[:, None]
        scalp = normals[self._hair.roots]
        points[count:] += scalp * thick - np.array([0, 0, 0.02 * unit_px], np.float32)
        normals[count:] = scalp
        x0, y0, x1, y1 = box
        shape = ((y1 - y0) * FINE, (x1 - x0) * FINE)
        depth = np.full(shape, kernels.FAR, np.float32)
        owner = np.full(shape, -1, np.int32)
        behind = points.copy()
        behind[self._balls, 2] -= _BALLS_BACK * unit_px
        kernels.draw(behind, self._triangles, float(x0), float(y0), FINE, depth, owner)
        fields = self._fields.copy()
        fields[:, :3] = normals
        seen = np.zeros((*shape, shading.ATTRIBUTES), np.float32)
        tangents = np.zeros((*shape, 2, 3), np.float32)
        kernels.interpolate(
            points, self._triangles, fields, owner, float(x0), float(y0), FINE, seen, tangents
        )
        length = np.sqrt((seen[..., :3] ** 2).sum(-1, keepdims=True))
        seen[..., :3] /= np.maximum(length, 1e-6)
        lamp = np.empty(shape, np.float32)
        coarse = np.empty((y1 - y0, x1 - x0), np.float32)
        half = np.ascontiguousarray(depth[::FINE, ::FINE]), np.ascontiguousarray(seen[::FINE, ::FINE, :3])
        kernels.ambient(*half, 1, _SKY_REACH * unit_px, coarse)
        sky = np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        kernels.shadow(depth, look.key, FINE, _LAMP_REACH * unit_px, 0.12 + 0.9 * look.key_soft, lamp)
        lamp = np.asarray(cv2.blur(lamp, (3, 3)), np.float32)
        colour = np.zeros((*shape, 3), np.float32)
        pace = 1.0 / FINE
        corner = np.array([x0 - 0.5 + 0.5 * pace, y0 - 0.5 + 0.5 * pace, pace], np.float32)
        upper, lower = (points[rim] for rim in self._rims)
        lip_z = float(np.concatenate([upper, lower])[:, 2].mean())
        gape = max(0.0, float((lower - upper)[:, 1].max())) / unit_px
        eyes = self._eyes(points, turn, gaze)
        light = depth, sky, lamp
        person = self._texture, self._packed, eyes
        shading.shade(
            owner, self._material, seen, tangents, *light, *person, lip_z, gape, unit_px, corner, colour
        )
        owned = (owner >= 0).astype(np.float32)
        size = (x1 - x0, y1 - y0)
        cover = cv2.resize(owned, size, interpolation=cv2.INTER_AREA)
        small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        nearest = owner[FINE // 2 :: FINE, FINE // 2 :: FINE]
        kind = np.where(nearest >= 0, self._material[nearest], -1).astype(np.int8)
        return Shot(np.asarray(small, np.float32), np.asarray(cover, np.float32), kind)

    def _eyes(self, points: F32, turn: F32, gaze: F32) -> F32:
        """Where the eyeballs are and look, float32 [2, 8] as `shading.shade` takes them."""
        out = np.empty((2, 8), np.float32)
        for side, ids in enumerate(self._eye_points):
            p = points[ids].astype(np.float64)
            middle = p.mean(0)
            solved = np.linalg.lstsq(
                np.c_[2 * (p - middle), np.ones(len(p))], ((p - middle) ** 2).sum(1), rcond=None
            )[0]
            out[side, :3] = solved[:3] + middle
            out[side, 3] = np.sqrt(max(solved[3] + solved[:3] @ solved[:3], 1e-6))
            axis = turn @ gaze[side]
            out[side, 4:7] = axis / np.linalg.norm(axis)
            out[side, 7] = _IRIS_SINE
        return out


def kind_of_eye(side: int) -> int:
    """The material of the left (0) or right (1) eyeball."""
    return EYE_LEFT + side


def _packed(look: Look) -> F32:
    out = np.zeros((13, 4), np.float32)
    rows = {
        shading.LIP: look.lip,
        shading.TEETH: look.teeth,
        shading.GUM: look.gum,
        shading.TONGUE_TONE: look.tongue,
        shading.IRIS: look.iris,
        shading.HAIR_TONE: look.hair,
        shading.CLOTH: look.cloth,
        shading.KEY: look.key,
        shading.KEY_COLOUR: look.key_colour,
        shading.SKY: look.sky,
        shading.GROUND: look.ground,
    }
    for row, values in rows.items():
        out[row, :3] = values
    out[shading.KEY, 3] = look.key_soft
    pupil = (look.seed % 97) / 97
    out[shading.MORE] = (look.lip_gloss, look.skin_gloss, look.tooth_gaps, pupil)
    return out
