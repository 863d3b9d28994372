"""Identity and coefficients -> picture. A pure function: the same input gives the same bytes.

The portrait rides on an elastic sheet (`sheet`); lips and lids are drawn finely from the head's own mesh; the
eyeballs and the inside of the mouth are put into the openings; all of it lies before a still background.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from sonic_stream.face.head import load_head
from sonic_stream.picture import raster
from sonic_stream.picture.eyes import eye_plate
from sonic_stream.picture.lids import make_lid
from sonic_stream.picture.lips import open_lips, seal
from sonic_stream.picture.mouth import MouthInterior
from sonic_stream.picture.patch import Slit, lay_patch, slit_of, soften_seam
from sonic_stream.picture.plate import clean_plate, person_layer
from sonic_stream.picture.rig import Pose, Rig, limited
from sonic_stream.picture.rims import Gap, gaps
from sonic_stream.picture.sheet import make_sheet
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8, Identity

_COARSE = 145
"""Nodes along a side of the flow that is drawn before it is spread to the picture's own size."""
_CUBIC_UP_TO = 640
"""Picture side up to which pixels are sampled bicubically; larger pictures hold little finer detail."""
_LID_SHADOW = 0.38
"""Depth of the shadow that the upper lid casts on the eyeball, head units."""
_LID_SHADE = np.array([0.5, 0.25], np.float32)
_LIDS_SEAL = 0.8
"""Blink from which the lids are drawn together along their whole length."""
_STREAK = 0.17
"""Blur along the rows (standard deviation, head units) that hides the streaks of stretched skin."""
_SEALED_BELOW = 0.012
"""Aperture under which the lips are drawn together along their whole length."""
_NO_MAP: Any = None
_MARGIN = 0.14
"""How far the head may leave its own outline, as a share of the picture."""


class Painter:
    """Paints one identity; what it derives is kept in the identity's cache, so a second one is free."""

    steps_available = 0
    """Decoder steps this painter can use: none, geometry alone."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        parts = identity.cache.get("painter")
        if not isinstance(parts, _Parts):
            parts = _Parts(identity)
            identity.cache["painter"] = parts
        self._parts: _Parts = parts

    @property
    def rig(self) -> Rig:
        """The rig of this identity."""
        return self._parts.rig

    def paint(self, coeffs: F32, steps: int = 1) -> U8:
        """The picture uint8 [S, S, 3] RGB for `coeffs` float32 [len(CHANNELS)]; it is the caller's own.

        `steps` is accepted for painters that refine; this one has none (`steps_available`).
        """
        if np.shape(coeffs) != (len(CHANNELS),):
            raise ValueError(f"coeffs must have shape ({len(CHANNELS)},), not {np.shape(coeffs)}")
        return self._parts.paint(limited(np.asarray(coeffs, np.float32)))


class _Eye:
    """What one eye needs."""

    def __init__(self, parts: _Parts, side: int, gap: Gap, shut_placed: F32) -> None:
        head, identity = parts.head, parts.identity
        self.gap, self.side = gap, side
        self.plate, self.origin = eye_plate(identity.crop, identity.landmarks, side)
        self.lid = make_lid(head, gap.upper, side, identity.crop, parts.placed, shut_placed, identity.scale)
        self.ball = head.triangles_of(("eye_left", "eye_right")[side])
        self.ball_vertices = np.unique(self.ball)
        self.centre = parts.source_vertices[self.ball_vertices].mean(0)
        offsets = np.linalg.norm(head.mean[self.ball_vertices] - head.eye_centres[side], axis=1)
        assert offsets.std() < 0.2 * offsets.mean()
        self.centre = parts.source_vertices[self.ball_vertices].mean(0) - (
            head.mean[self.ball_vertices].mean(0) - head.eye_centres[side]
        )


class _Parts:
    """Everything derived from an identity."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.head = head = load_head()
        self.rig = rig = Rig(head, identity)
        self.size = identity.crop.shape[0]
        self.sampling = cv2.INTER_CUBIC if self.size <= _CUBIC_UP_TO else cv2.INTER_LINEAR
        self.source_vertices = (identity.vertices + np.tensordot(rig.portrait, rig.basis, 1)).astype(
            np.float32
        )
        self.flat_basis = rig.basis.reshape(len(rig.basis), -1)
        self.placed = rig.source_pose.project(self.source_vertices)
        self.sheet = make_sheet(head, identity, rig.portrait, rig.basis, rig.source_pose)
        self.plate = clean_plate(identity)
        self.layer = person_layer(identity, self.plate)
        self.box = self._box_of(self.layer[..., 3])
        streak = max(0.6, _STREAK * identity.scale)
        self.soft_rows = np.asarray(
            cv2.GaussianBlur(identity.crop, (0, 0), sigmaX=streak, sigmaY=0.4), np.uint8
        )
        self.mouth, left, right = gaps()
        self.lip_shift = open_lips(head, self.mouth, self.placed, identity.scale) - self.placed[:, :2]
        shut = rig.rest.copy()
        shut[list(rig.lids)] = 1
        shut_vertices = identity.vertices + np.tensordot(shut, rig.basis, 1)
        shut_placed = rig.source_pose.project(shut_vertices.astype(np.float32))
        self.eyes = [_Eye(self, 0, left, shut_placed), _Eye(self, 1, right, shut_placed)]
        self.interior = MouthInterior(head, identity.colours)

    def _box_of(self, matte: U8) -> tuple[int, int, int, int]:
        """The part of the picture that may change: x0, y0, x1, y1."""
        rows, columns = np.flatnonzero(matte.any(1)), np.flatnonzero(matte.any(0))
        if not len(rows):
            return 0, 0, self.size, self.size
        margin = round(_MARGIN * self.size)
        return (
            max(0, int(columns[0]) - margin),
            max(0, int(rows[0]) - margin),
            min(self.size, int(columns[-1]) + 1 + margin),
            min(self.size, int(rows[-1]) + 1 + margin),
        )

    def paint(self, coeffs: F32) -> U8:
        rig = self.rig
        weights = rig.weights(coeffs)
        pose = rig.pose(coeffs)
        change = weights - rig.portrait
        active = np.flatnonzero(change)
        moved = (change[active] @ self.flat_basis[active]).reshape(-1, 3)
        vertices = np.asarray(self.source_vertices + moved, np.float32)
        placed = pose.project(vertices)

        x0, y0, x1, y1 = self.box
        flow = np.empty((y1 - y0, x1 - x0, 2), np.float32)
        raster.spread_flow(self._coarse_flow(pose, change), self.size, x0, y0, flow)
        lips = self._lay_mouth(weights, placed, flow)
        eyes = [self._lay_eye(eye, coeffs, weights, vertices, placed, pose, flow) for eye in self.eyes]
        out = self.plate.copy()
        layer = cv2.remap(self.layer, flow, _NO_MAP, self.sampling, borderMode=cv2.BORDER_REFLECT_101)
        raster.blend_layer(np.asarray(layer, np.uint8), self.plate[y0:y1, x0:x1], out[y0:y1, x0:x1])
        for eye, painted in zip(self.eyes, eyes, strict=True):
            if painted is not None:
                slit, ball = painted
                self._soften_lid(out, eye, placed, flow, float(weights[rig.lids[eye.side]]))
                soften_seam(out, flow, self.box[:2], slit)
                if ball is not None:
                    _mix(out, *ball)
                self._draw_lashes(out, eye, slit, float(weights[rig.lids[eye.side]]))
        soften_seam(out, flow, self.box[:2], lips)
        opening = lips.opening()
        if opening is not None:
            self.interior.paint(out, placed, pose.rotation, *opening)
        return out

    def _coarse_flow(self, pose: Pose, change: F32) -> F32:
        """Portrait positions float32 [n, n, 2] at nodes that span the frame."""
        nodes = self.sheet.moved(pose, change)
        step = self.size / (_COARSE - 1)
        axis = (np.arange(_COARSE) * step - 0.5).astype(np.float32)
        flow = np.empty((_COARSE, _COARSE, 2), np.float32)
        flow[..., 0], flow[..., 1] = axis[None, :], axis[:, None]
        depth = np.full((_COARSE, _COARSE), raster.FAR, np.float32)
        raster.draw_mesh(nodes, self.sheet.triangles, self.sheet.nodes, 1 / step, -0.5, -0.5, depth, flow)
        return flow

    def _lay_mouth(self, weights: F32, placed: F32, flow: F32) -> Slit:
        rig = self.rig
        ajar = float(np.clip(rig.aperture_of(weights) / 0.02, 0, 1))
        share = max(ajar, rig.relaxing)
        texture = self.placed[:, :2] + share * self.lip_shift
        slit = slit_of(self.mouth, placed)
        # What is asked to be shut is shut from corner to corner, whatever the shapes leave open.
        shut = 1 - min(1.0, max(0.0, rig.aperture_of(weights)) / _SEALED_BELOW)
        if shut > 0:
            sealed = seal(self.mouth, placed, slit, shut, self.identity.scale)
            if sealed is not placed:
                placed, slit = sealed, slit_of(self.mouth, sealed)
        lay_patch(self.mouth, placed, texture, slit, self.box[:2], flow)
        return slit

    def _lay_eye(
        self, eye: _Eye, coeffs: F32, weights: F32, vertices: F32, placed: F32, pose: Pose, flow: F32
    ) -> tuple[Slit, tuple[U8, F32, tuple[int, int]] | None] | None:
        blink = float(weights[self.rig.lids[eye.side]])
        gaze = np.array([coeffs[CHANNEL_INDEX["gaze_x"]], coeffs[CHANNEL_INDEX["gaze_y"]]], np.float32)
        lids = float(coeffs[CHANNEL_INDEX["squint"]] + coeffs[CHANNEL_INDEX["wide"]])
        active = min(1.0, 10 * (blink + 0.5 * lids + float(np.abs(gaze).sum())))
        if active <= 0:
            return None
        texture = self.placed[:, :2] + blink * eye.lid.shift
        slit = slit_of(eye.gap, placed)
        if blink > _LIDS_SEAL:
            # Other shapes (a smile, a squint) move the lids a little: what is shut stays shut.
            much = (blink - _LIDS_SEAL) / (1 - _LIDS_SEAL)
            sealed = seal(eye.gap, placed, slit, much, self.identity.scale)
            if sealed is not placed:
                placed, slit = sealed, slit_of(eye.gap, sealed)
        lay_patch(eye.gap, placed, texture, slit, self.box[:2], flow)
        seen = slit.opening()
        if seen is None:
            return slit, None
        cover, origin = seen
        ball = self._ball_flow(eye, gaze, vertices, pose, origin, cover.shape)
        seen_ball = cv2.remap(eye.plate, ball, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        piece = np.asarray(seen_ball, np.uint8)
        reach = _LID_SHADOW * self.identity.scale
        raster.shade_under(piece, slit.top, slit.bottom, origin[0], origin[1], reach, _LID_SHADE)
        return slit, (piece, cover * np.float32(active), origin)

    def _soften_lid(self, out: U8, eye: _Eye, placed: F32, flow: F32, blink: float) -> None:
        """Takes the streaks out of the few rows of skin that a shut lid is stretched from, in place."""
        if blink <= 0:
            return
        x0, y0 = self.box[:2]
        lid = placed[eye.gap.upper.vertices, :2]
        area = np.concatenate([np.floor(lid.min(0)), np.ceil(lid.max(0)) + 1]).astype(np.float32)
        area -= np.array([x0, y0, x0, y0], np.float32)
        raster.soften_stretch(out, self.soft_rows, flow, blink, x0, y0, area)

    def _draw_lashes(self, out: U8, eye: _Eye, slit: Slit, blink: float) -> None:
        """The lash line on the edge of the upper lid, in place: it appears as the lid comes down."""
        edge = np.where(slit.bottom > slit.top, slit.top, slit.split).astype(np.float32)
        taper = np.clip(
            np.minimum(np.arange(len(edge)), np.arange(len(edge))[::-1]) / (0.2 * len(edge)), 0, 1
        )
        strength = np.asarray(0.85 * blink * blink * (3 - 2 * blink) * taper, np.float32)
        raster.draw_line(out, edge, strength, slit.first, eye.lid.lash_px, eye.lid.lash)

    def _ball_flow(
        self, eye: _Eye, gaze: F32, vertices: F32, pose: Pose, origin: tuple[int, int], shape: tuple[int, ...]
    ) -> F32:
        """Where in the eye's plate each pixel of the region looks."""
        at = eye.ball_vertices
        local = self.source_vertices[at] - eye.centre
        # The gaze is given in picture axes; the ball turns within the head.
        turn_x, turn_y = float(gaze[0]), float(gaze[1])
        cx, sx, cy, sy = np.cos(turn_x), np.sin(turn_x), np.cos(turn_y), np.sin(turn_y)
        about_y = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]])
        about_x = np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]])
        turned = (local @ (about_y @ about_x).T + eye.centre).astype(np.float32)
        points = np.zeros_like(vertices)
        points[at] = pose.project(turned)
        flow = np.zeros((shape[0], shape[1], 2), np.float32)
        depth = np.full(flow.shape[:2], raster.FAR, np.float32)
        texture = self.placed[:, :2] - np.array(eye.origin, np.float32)
        raster.draw_mesh(
            points,
            eye.ball,
            np.ascontiguousarray(texture),
            1.0,
            float(origin[0]),
            float(origin[1]),
            depth,
            flow,
        )
        return flow


def _mix(out: U8, piece: U8, cover: F32, origin: tuple[int, int]) -> None:
    x0, y0 = origin
    left, top = max(0, -x0), max(0, -y0)
    right, bottom = min(piece.shape[1], out.shape[1] - x0), min(piece.shape[0], out.shape[0] - y0)
    if right <= left or bottom <= top:
        return
    target = out[y0 + top : y0 + bottom, x0 + left : x0 + right]
    share = cover[top:bottom, left:right, None]
    mixed = target + share * (piece[top:bottom, left:right] - target.astype(np.float32))
    target[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
