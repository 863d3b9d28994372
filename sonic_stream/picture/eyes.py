"""One eye in the picture: lids drawn finely, the eyeball between them, shadow and lashes.

Everything fades in with how far the eye leaves the portrait's own state, so that an eye at rest is the
portrait's, pixel for pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sonic_stream.face.head import Head
from sonic_stream.picture import raster
from sonic_stream.picture.eyeball import eye_plate
from sonic_stream.picture.lid_skin import REACH, LidSkin, make_lid_skin
from sonic_stream.picture.lids import make_lid
from sonic_stream.picture.lips import seal
from sonic_stream.picture.patch import Slit, lay_patch, slit_of, soften_seam
from sonic_stream.picture.rig import Pose
from sonic_stream.picture.rims import Gap
from sonic_stream.types import F32, U8, Identity

_NO_MAP: Any = None
_WAKES = 12.0
"""How soon an eye is drawn wholly by its parts: at a twelfth of a blink, or of a radian of gaze."""
_SEAL_FROM = 0.8
"""Blink from which the lids are drawn together along their whole length."""
_LARGE, _ROUND = 1.2, 1.05
"""Reach of the lids' corners over the ball's radius from which an eye is larger than a person's, and how far
its ball is then made to reach beyond the lids."""
_SHADOW = 0.38
"""Depth of the shadow that the upper lid casts on the eyeball, head units."""
_SHADE = np.array([0.5, 0.25], np.float32)
_BELOW_LASHES = 0.35
"""Where under the lower lid plain skin begins, whose grain a shut lid is given, head units."""
_STREAK = 0.14
"""Blur along the rows (standard deviation, head units) that hides the streaks of stretched skin."""


@dataclass(frozen=True, slots=True)
class EyeState:
    """What one eye does in a picture: `blink` 0..1, `gaze` float32 [2] rad, `lids` any other movement."""

    blink: float
    gaze: F32
    lids: float

    @property
    def awake(self) -> float:
        """0 where the eye is the portrait's own, 1 where it is drawn wholly by its parts."""
        return min(1.0, _WAKES * (self.blink + self.lids + float(np.abs(self.gaze).sum())))


@dataclass(frozen=True, slots=True)
class LaidEye:
    """An eye whose lids are in the flow already; `ball` is laid over the picture later."""

    state: EyeState
    slit: Slit
    lid_area: F32
    ball: tuple[U8, F32, tuple[int, int]] | None
    """Pixels, cover and upper left pixel of what is seen between the lids."""


class Eye:
    """One eye of one identity. Immutable."""

    def __init__(
        self, head: Head, identity: Identity, gap: Gap, side: int, portrait: F32, source: Pose, shut: F32
    ) -> None:
        """`portrait` float32 [V, 3] is the portrait's mesh and `source` its pose; `shut` [V, 3] the same mesh
        in the picture with the eyes shut."""
        placed = source.project(portrait)
        self._gap, self._crop, self._scale = gap, identity.crop, identity.scale
        self._plate, self._origin = eye_plate(identity.crop, identity.landmarks, side)
        self._lid = make_lid(head, gap.upper, side, identity.crop, placed, shut, identity.scale)
        self._open = np.ascontiguousarray(placed[:, :2])
        self._skin = self._shut_skin(shut)
        streak = max(0.6, _STREAK * identity.scale)
        self._soft_rows = np.asarray(
            cv2.GaussianBlur(identity.crop, (0, 0), sigmaX=streak, sigmaY=0.4), np.uint8
        )
        part = ("eye_left", "eye_right")[side]
        ball = head.triangles_of(part)
        used, where = np.unique(ball, return_inverse=True)
        self._ball = np.ascontiguousarray(where.reshape(ball.shape).astype(np.int32))
        centre = portrait[used].mean(0) - (head.mean[used].mean(0) - head.eye_centres[side])
        self._centre = np.asarray(centre, np.float32)
        surface = np.asarray(portrait[used] - centre, np.float32)
        # A figure's eye can be wider than a person's ball: it is wrapped about a larger one.
        rims = placed[np.concatenate([gap.upper.line, gap.lower.line]), :2]
        ball_px, middle = placed[used, :2], source.project(self._centre[None])[0, :2]
        reach = [float(np.linalg.norm(points - middle, axis=1).max()) for points in (rims, ball_px)]
        larger = reach[0] / max(reach[1], 1e-6)
        grown = _ROUND * larger if larger > _LARGE else 1.0
        self._surface = surface * np.float32(grown)
        self._ball_texture = np.asarray(
            source.project(self._surface + self._centre)[:, :2] - self._origin, np.float32
        )

    def _shut_skin(self, shut: F32) -> LidSkin:
        """The lid's skin, seen on the portrait with this eye shut."""
        slit = slit_of(self._gap, shut)
        shut = seal(self._gap, shut, slit, 1.0, self._scale)
        slit = slit_of(self._gap, shut)
        size = self._crop.shape[0]
        flow = np.empty((size, size, 2), np.float32)
        flow[..., 0], flow[..., 1] = np.arange(size)[None], np.arange(size)[:, None]
        lay_patch(self._gap, shut, self._open + self._lid.shift, slit, (0, 0), flow)
        seen = cv2.remap(self._crop, flow, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        edge = np.where(slit.bottom > slit.top, slit.top, slit.split).astype(np.float32)
        tall_px = REACH * self._lid.tall_px
        return make_lid_skin(np.asarray(seen, np.uint8), edge, slit.first, tall_px, self._scale)

    def lay(
        self, state: EyeState, placed: F32, pose: Pose, origin: tuple[int, int], flow: F32
    ) -> LaidEye | None:
        """Draws the lids into `flow`, whose first pixel is `origin`; None where nothing is to be done."""
        awake = state.awake
        if awake <= 0:
            return None
        slit = slit_of(self._gap, placed)
        if state.blink > _SEAL_FROM:
            # Other shapes (a smile, a squint) move the lids a little: what is shut stays shut.
            much = (state.blink - _SEAL_FROM) / (1 - _SEAL_FROM)
            placed = seal(self._gap, placed, slit, much, self._scale)
            slit = slit_of(self._gap, placed)
        around = placed[self._gap.vertices, :2] - np.array(origin, np.float32)
        x0, y0 = np.floor(around.min(0)).astype(int).clip(0)
        x1, y1 = np.ceil(around.max(0)).astype(int).clip(0) + 2
        before = flow[y0:y1, x0:x1].copy()
        texture = self._open + np.float32(state.blink) * self._lid.shift
        lay_patch(self._gap, placed, texture, slit, origin, flow)
        if awake < 1:
            flow[y0:y1, x0:x1] = before + np.float32(awake) * (flow[y0:y1, x0:x1] - before)
        lid = placed[self._gap.upper.vertices, :2] - np.array(origin, np.float32)
        area = np.concatenate([np.floor(lid.min(0)), np.ceil(lid.max(0)) + 1]).astype(np.float32)
        ball = self._ball_piece(state, slit, pose, before, (origin[0] + int(x0), origin[1] + int(y0)))
        return LaidEye(state, slit, area, ball)

    def _ball_piece(
        self, state: EyeState, slit: Slit, pose: Pose, before: F32, before_origin: tuple[int, int]
    ) -> tuple[U8, F32, tuple[int, int]] | None:
        opening = slit.opening()
        if opening is None:
            return None
        cover, origin = opening
        flow = self._ball_flow(state.gaze, pose, origin, cover.shape)
        piece = np.asarray(
            cv2.remap(self._plate, flow, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        raster.shade_under(piece, slit.top, slit.bottom, origin[0], origin[1], _SHADOW * self._scale, _SHADE)
        awake = state.awake
        if awake < 1:
            # Half awake, the eye is still partly what the portrait shows there.
            at = np.array(origin) - before_origin
            rows = np.clip(np.arange(cover.shape[0]) + at[1], 0, before.shape[0] - 1)
            columns = np.clip(np.arange(cover.shape[1]) + at[0], 0, before.shape[1] - 1)
            own = np.ascontiguousarray(before[rows[:, None], columns[None]])
            shown = cv2.remap(self._crop, own, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            piece = np.asarray(cv2.addWeighted(piece, awake, shown, 1 - awake, 0.0), np.uint8)
        return piece, cover, origin

    def _ball_flow(self, gaze: F32, pose: Pose, origin: tuple[int, int], shape: tuple[int, ...]) -> F32:
        """Where in the eye's plate each pixel of the region looks."""
        (cx, cy), (sx, sy) = np.cos(gaze), np.sin(gaze)
        about_y = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]], np.float32)
        about_x = np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]], np.float32)
        points = pose.project(self._surface @ (about_y @ about_x).T + self._centre)
        flow = np.zeros((shape[0], shape[1], 2), np.float32)
        depth = np.full(flow.shape[:2], raster.FAR, np.float32)
        raster.draw_mesh(
            points, self._ball, self._ball_texture, 1.0, float(origin[0]), float(origin[1]), depth, flow
        )
        return flow

    def finish(self, laid: LaidEye, out: U8, origin: tuple[int, int], flow: F32) -> None:
        """Lays ball, softness and lashes on the picture, in place."""
        blink, slit = laid.state.blink, laid.slit
        edge = np.where(slit.bottom > slit.top, slit.top, slit.split).astype(np.float32)
        if blink > 0:
            beyond = float(np.nanmax(slit.bottom - slit.top, initial=0.0)) + _BELOW_LASHES * self._scale
            raster.soften_stretch(
                out,
                self._crop,
                self._soft_rows,
                flow,
                blink,
                *origin,
                laid.lid_area,
                edge,
                slit.first,
                beyond,
            )
        soften_seam(out, flow, origin, laid.slit)
        if laid.ball is not None:
            _mix(out, *laid.ball)
        if blink > 0:
            place = np.arange(len(edge))
            taper = np.clip(np.minimum(place, place[::-1]) / (0.2 * len(edge)), 0, 1)
            self._skin.lay(out, edge, slit.first, REACH * self._lid.tall_px, blink)
            strength = np.asarray(0.85 * blink * blink * (3 - 2 * blink) * taper, np.float32)
            raster.draw_line(out, edge, strength, slit.first, self._lid.lash_px, self._lid.lash)


def _mix(out: U8, piece: U8, cover: F32, origin: tuple[int, int]) -> None:
    """Lays `piece` over `out` by `cover`, in place; what reaches beyond the picture is left out."""
    x0, y0 = origin
    left, top = max(0, -x0), max(0, -y0)
    right, bottom = min(piece.shape[1], out.shape[1] - x0), min(piece.shape[0], out.shape[0] - y0)
    if right <= left or bottom <= top:
        return
    target = out[y0 + top : y0 + bottom, x0 + left : x0 + right]
    share = cover[top:bottom, left:right, None]
    mixed = target + share * (piece[top:bottom, left:right] - target.astype(np.float32))
    target[:] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
