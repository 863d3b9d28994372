"""Identity and coefficients -> picture. A pure function: the same input gives the same bytes.

The portrait rides on an elastic sheet (`sheet`); lips and lids are drawn finely from the head's own mesh; the
eyeballs and the inside of the mouth are put into the openings; all of it lies before a still background.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from sonic_stream.face.head import load_head
from sonic_stream.picture import raster
from sonic_stream.picture.decoder import (
    Decoder,
    Draft,
    FaceDecoder,
    check_steps,
    mend,
    shared_decoder,
    steps_available,
)
from sonic_stream.picture.decoder_fine import Sampled
from sonic_stream.picture.decoder_patch import Patch
from sonic_stream.picture.decoder_scene import Scene, Watch
from sonic_stream.picture.decoder_settle import Settling
from sonic_stream.picture.eyes import Eye, EyeState
from sonic_stream.picture.lips import lip_skin, seal
from sonic_stream.picture.mouth import MouthInterior
from sonic_stream.picture.patch import Slit, lay_patch, slit_of, soften_seam
from sonic_stream.picture.peeping import hide_teeth
from sonic_stream.picture.plate import clean_plate, person_layer
from sonic_stream.picture.rig import Pose, Rig, limited
from sonic_stream.picture.rims import gaps
from sonic_stream.picture.rounding import rounded
from sonic_stream.picture.sheet import make_sheet
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8, Identity

_COARSE = 145
"""Nodes along a side of the flow that is drawn before it is spread to the picture's own size."""
_CUBIC_UP_TO = 640
"""Picture side up to which pixels are sampled bicubically; larger pictures hold little finer detail."""
_SEALED_BELOW = 0.012
"""Aperture under which the lips are drawn together along their whole length."""
_SHUT_BELOW = 0.5
"""Up to which part of the portrait's own mouth being undone at rest its lips count as shut."""
_PRESSED = 0.8
"""How far pressing the lips together replaces the portrait's own seam by a fine line."""
_LINE_STRENGTH, _LINE_WIDTH = 0.6, 0.05
_NO_MAP: Any = None
_MARGIN = 0.14
"""How far the head may leave its own outline, as a share of the picture."""


class Painter:
    """Paints one identity; what it derives is kept in the identity's cache, so a second one is free."""

    def __init__(self, identity: Identity, decoder: Decoder | None = None) -> None:
        """`decoder` None: the CPU's, where its weights are there."""
        self._identity = identity
        self._own = decoder
        parts = identity.cache.get("painter")
        if not isinstance(parts, _Parts):
            parts = _Parts(identity)
            identity.cache["painter"] = parts
        self._parts: _Parts = parts

    @property
    def _decoder(self) -> Decoder | None:
        """Loaded when it is first wanted."""
        return self._own or shared_decoder()

    @property
    def rig(self) -> Rig:
        """The rig of this identity."""
        return self._parts.rig

    @property
    def steps_available(self) -> int:
        """The most decoder steps that can be painted; 0 where the decoder's weights are missing."""
        return steps_available()

    def paint(self, coeffs: F32, steps: int = 0, settling: Settling | None = None) -> U8:
        """The picture uint8 [S, S, 3] RGB for `coeffs` float32 [len(CHANNELS)]; it is the caller's own.

        `steps` of the decoder, 1..8, mend mouth and eyes; 0 is geometry alone. Pictures that follow each
        other share a `settling`, which keeps the decoder's shading from trembling.
        """
        draft = self.draft(coeffs, steps, settling)
        if draft.face is not None:
            mend(self._decoder, [draft])
        return draft.picture

    def draft(self, coeffs: F32, steps: int = 0, settling: Settling | None = None) -> Draft:
        """What geometry paints, and what a decoder is to mend there: as `paint`, for a caller that lets one
        `mend` several drafts together."""
        if np.shape(coeffs) != (len(CHANNELS),):
            raise ValueError(f"coeffs must have shape ({len(CHANNELS)},), not {np.shape(coeffs)}")
        check_steps(steps)
        picture, scene = self._parts.paint(limited(np.asarray(coeffs, np.float32)))
        if not steps or (decoder := self._decoder) is None:
            return Draft(picture)
        face = self._parts.face(decoder)
        return Draft(picture, steps, tuple(face.asks(picture, scene)), face, settling)

    def patches(self, coeffs: F32) -> tuple[U8, list[Patch]]:
        """The geometric picture and what a decoder sees of it: mouth, left and right eye (for training)."""
        picture, scene = self._parts.paint(limited(np.asarray(coeffs, np.float32)))
        return picture, self._parts.watch.patches(picture, scene)


class _Parts:
    """Everything derived from an identity."""

    def __init__(self, identity: Identity) -> None:
        self.head = head = load_head()
        self.rig = rig = Rig(head, identity)
        if rig.relaxing < _SHUT_BELOW:
            identity = replace(identity, crop=hide_teeth(identity.crop, identity.landmarks))
        self.identity = identity
        self.size = identity.crop.shape[0]
        self.sampling = cv2.INTER_CUBIC if self.size <= _CUBIC_UP_TO else cv2.INTER_LINEAR
        self.source_vertices = (identity.vertices + np.tensordot(rig.portrait, rig.basis, 1)).astype(
            np.float32
        )
        self.placed = rig.source_pose.project(self.source_vertices)
        self.sheet = make_sheet(head, identity, rig.portrait, rig.basis, rig.source_pose)
        self.plate = clean_plate(identity)
        self.layer = person_layer(identity, self.plate)
        self.box = self._box_of(self.layer[..., 3])
        self.mouth, left, right = gaps()
        self.lips = lip_skin(head, self.mouth, identity, self.placed, rig.relaxing)
        shut = rig.rest.copy()
        shut[list(rig.lids)] = 1
        shut_vertices = identity.vertices + np.tensordot(shut, rig.basis, 1)
        shut_placed = rig.source_pose.project(shut_vertices.astype(np.float32))
        self.eyes = [
            Eye(head, identity, gap, side, self.source_vertices, rig.source_pose, shut_placed)
            for side, gap in enumerate((left, right))
        ]
        self.interior = MouthInterior.of(head, identity)
        parted = slit_of(self.mouth, self.placed).opening()
        if parted is not None:
            self.interior.keep_teeth(identity.crop, self.placed, identity.rotation, *parted)
        self.watch = Watch(head, identity, rig, self.source_vertices)
        self._face: FaceDecoder | None = None

    def face(self, decoder: Decoder) -> FaceDecoder:
        """What a decoder knows of this identity, made when it is first wanted."""
        if self._face is None:
            slit = slit_of(self.mouth, self.placed)
            pose, still = self.rig.source_pose, np.zeros_like(self.placed)
            rest = np.zeros(len(CHANNELS), np.float32)
            scene = Scene(rest, self.source_vertices, self.placed, still, pose, slit, (None, None))
            self._face = FaceDecoder(decoder, self.watch, self.identity.crop, scene)
        return self._face

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

    def paint(self, coeffs: F32) -> tuple[U8, Scene]:
        """The geometric picture, and what was known when it was painted."""
        rig = self.rig
        weights = rig.weights(coeffs)
        pose = rig.pose(coeffs)
        change = weights - rig.portrait
        moved = rig.moved(coeffs, weights)
        vertices = np.asarray(self.source_vertices + moved, np.float32)
        placed = pose.project(vertices)

        x0, y0, x1, y1 = self.box
        flow = np.empty((y1 - y0, x1 - x0, 2), np.float32)
        raster.spread_flow(self._coarse_flow(pose, change), self.size, x0, y0, flow)
        ajar = float(np.clip(rig.aperture_of(weights) / 0.02, 0, 1))
        pressed = max(rig.relaxing, _PRESSED * float(coeffs[CHANNEL_INDEX["close"]]))
        lips = self._lay_mouth(weights, placed, max(ajar, pressed), flow)
        eyes = [
            eye.lay(self._eye_state(side, coeffs, weights), placed, pose, (x0, y0), flow)
            for side, eye in enumerate(self.eyes)
        ]
        out = self.plate.copy()
        layer = cv2.remap(self.layer, flow, _NO_MAP, self.sampling, borderMode=cv2.BORDER_REPLICATE)
        raster.blend_layer(np.asarray(layer, np.uint8), self.plate[y0:y1, x0:x1], out[y0:y1, x0:x1])
        for eye, laid in zip(self.eyes, eyes, strict=True):
            if laid is not None:
                eye.finish(laid, out, (x0, y0), flow)
        soften_seam(out, flow, self.box[:2], lips)
        self._draw_lip_line(out, lips, pressed)
        opening = lips.opening()
        if opening is not None:
            self.interior.paint(out, placed, pose.rotation, *opening, rounded(coeffs))
        lids = tuple(None if eye is None else eye.slit for eye in eyes)
        moved, sampled = np.asarray(moved, np.float32), Sampled(self.layer, flow, (x0, y0), self.sampling)
        return out, Scene(coeffs, vertices, placed, moved, pose, lips, lids, sampled)

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

    def _lay_mouth(self, weights: F32, placed: F32, share: float, flow: F32) -> Slit:
        """Draws the lips into `flow`; `share` is how far they show other skin than in the portrait."""
        rig = self.rig
        texture = self.placed[:, :2] + np.float32(share) * self.lips.shift
        slit = slit_of(self.mouth, placed)
        # What is asked to be shut is shut from corner to corner, whatever the shapes leave open.
        shut = 1 - min(1.0, max(0.0, rig.aperture_of(weights)) / _SEALED_BELOW)
        if shut > 0:
            sealed = seal(self.mouth, placed, slit, shut, self.identity.scale)
            if sealed is not placed:
                placed, slit = sealed, slit_of(self.mouth, sealed)
        lay_patch(self.mouth, placed, texture, slit, self.box[:2], flow)
        return slit

    def _draw_lip_line(self, out: U8, lips: Slit, pressed: float) -> None:
        """The line between lips that meet without showing the portrait's own seam, in place."""
        if pressed <= 0:
            return
        meet = np.clip(1 - np.nan_to_num(lips.bottom - lips.top, nan=9.0), 0, 1)
        place = np.linspace(0, 1, len(meet))
        taper = np.clip(np.minimum(place, 1 - place) / 0.1, 0, 1)
        strength = np.asarray(_LINE_STRENGTH * pressed * meet * taper, np.float32)
        half = max(0.7, _LINE_WIDTH * self.identity.scale)
        raster.draw_line(out, lips.split, strength, lips.first, half, self.lips.line)

    def _eye_state(self, side: int, coeffs: F32, weights: F32) -> EyeState:
        value = {name: float(coeffs[CHANNEL_INDEX[name]]) for name in ("squint", "wide", "gaze_x", "gaze_y")}
        gaze = np.array([value["gaze_x"], value["gaze_y"]], np.float32)
        lids = 0.5 * (value["squint"] + value["wide"])
        return EyeState(float(weights[self.rig.lids[side]]), gaze, lids)
