"""The inside of the mouth: teeth, tongue, gums and cavity, lit through the opening of the lips.

Light comes in only where the lips are apart, so what a point receives is the opening blurred by how deep
the point lies, looked up where its ray to the light leaves the mouth. That one rule makes the shadow of
the upper lip on the teeth, the fall of light to the sides and the dark throat. Nothing here knows where
the lips are but for the coverage it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_stream.face.head import I32, Head
from sonic_stream.picture import mouth_kernels, mouth_shading
from sonic_stream.picture.mouth_anatomy import SURFACES, TEETH_UPPER, anatomy_of
from sonic_stream.picture.mouth_look import look_of
from sonic_stream.picture.mouth_traits import MouthTraits, measure_traits
from sonic_stream.picture.own_teeth import NO_STRIP, OwnTeeth, own_teeth
from sonic_stream.types import F32, U8, Colours, Identity

BLUR_LEVELS = 5
_FARTHEST_PX = 1e6
"""A head that lies farther off than this is not drawn."""
_LIP_BEFORE_TEETH = 0.45
"""How far a portrait's inner lips lie before the faces of its front teeth at most, head units. A fit that
sets them farther forward was led by a moustache, and the teeth would lie in its shade."""
_ROUND_SHADE, _ROUND_RED = 0.72, 0.45
"""Share of the light that wholly rounded lips keep out, and how much of the rest is tinted by their red."""
_PAINTED_PX, _DRAWN_WHEN_PAINTED = (0.95, 1.4), 0.55
"""Softness of a crop from which it is taken for painted, and wholly; a brush hardly parts the teeth."""
_GREY = 0.4
"""Of the teeth that light is measured with (squared)."""
_GRAIN_SIDE = 64
_GRAIN_SHARE, _MOST_GRAIN = 0.6, 2.0
"""Of the grain on the cheeks, and at most (8-bit steps): much of what looks like grain is skin or canvas."""


@dataclass(frozen=True, slots=True)
class _Lit:
    """What is to be laid under the lips."""

    radiance: F32
    """Squared RGB, float32 [h, w, 3]."""
    edge: F32
    """The opening, hardly blurred, float32 [h, w]."""
    owner: I32
    """Triangle of each sample, -1 where there is none, int32 [h * samples, w * samples]."""
    samples: int
    points: F32
    """The mouth's mesh, float32 [M, 3] px."""
    unit_px: float


class MouthInterior:
    """Paints what is seen between the lips of one identity. `paint` is a pure function."""

    def __init__(
        self, head: Head, colours: Colours, traits: MouthTraits | None = None, too_far_units: float = 0.0
    ) -> None:
        """`traits` is what the portrait's pixels tell beyond its colours; see also `of`.

        Light falls in as if the lips lay `too_far_units` nearer to the teeth than they are put.
        """
        traits = traits or MouthTraits()
        self._anatomy = anatomy_of(head)
        self._look = look_of(colours, traits).packed()
        self._softness_px = 0.5 * traits.softness_px
        self._drawn = float(np.interp(traits.softness_px, _PAINTED_PX, (1.0, _DRAWN_WHEN_PAINTED)))
        strength = min(_GRAIN_SHARE * traits.grain, _MOST_GRAIN)
        noise = np.random.default_rng(0).standard_normal((_GRAIN_SIDE, _GRAIN_SIDE)).astype(np.float32)
        soft = np.asarray(cv2.blur(noise, (2, 2), borderType=cv2.BORDER_REFLECT), np.float32)
        self._grain = soft * np.float32(strength / soft.std())
        self._too_far_units = too_far_units
        self._shows_teeth = traits.teeth is not None
        self._own: OwnTeeth | None = None
        self._moved = self._anatomy.widening
        """How far the mesh is moved, float32 [M, 3], head units."""
        self._nowhere = np.zeros(len(self._anatomy.vertices), np.float32)

    @classmethod
    def of(cls, head: Head, identity: Identity) -> MouthInterior:
        """The interior that suits a portrait: its colours, teeth, whites, softness and grain."""
        lips, faces = anatomy_of(head).meeting
        forward = np.tensordot(identity.expression, head.expression[..., 2], 1) + identity.vertices[:, 2]
        too_far = float(forward[lips].mean() - forward[faces].mean()) - _LIP_BEFORE_TEETH
        traits = measure_traits(identity.crop, identity.landmarks)
        return cls(head, identity.colours, traits, max(0.0, too_far))

    def paint(
        self,
        canvas: U8,
        projected: F32,
        rotation: F32,
        opening: F32,
        origin: tuple[int, int],
        rounded: float = 0.0,
    ) -> None:
        """Fills the opening of the lips, in place.

        `canvas` uint8 [S, S, 3] RGB; `projected` float32 [V, 3] (x px, y px, depth px towards the camera);
        `rotation` float32 [3, 3] of the head; `opening` float32 [h, w], how much of each pixel lies between
        the lips, 0..1, in the region whose upper left pixel is `origin` (x, y). What reaches beyond the
        canvas is left out. Pixels where the opening is 0 are untouched. Lips that
        are `rounded` (0..1) stand forward and keep light from what lies behind them.
        """
        x0, y0 = origin
        left, top = max(0, -x0), max(0, -y0)
        right = min(opening.shape[1], canvas.shape[1] - x0)
        bottom = min(opening.shape[0], canvas.shape[0] - y0)
        if right <= left or bottom <= top:
            return
        opening = np.ascontiguousarray(opening[top:bottom, left:right], np.float32)
        x0, y0 = x0 + left, y0 + top
        if not opening.any():
            return
        lit = self._lit(canvas.shape[0], projected, rotation, opening, (x0, y0), self._own)
        if lit is None:
            return
        radiance, warm = lit.radiance, self._look[8]
        if self._softness_px > 0.2:
            cv2.GaussianBlur(radiance, (0, 0), self._softness_px, dst=radiance)
        if rounded > 0:
            radiance *= (1 - _ROUND_SHADE * rounded) * (1 - _ROUND_RED * rounded * (1 - warm))
        anchor = np.round(projected[self._anatomy.biters[0], :2]).astype(np.int64)
        mouth_kernels.lay_under(canvas, opening, lit.edge, radiance, warm, self._grain, anchor, x0, y0)

    def keep_teeth(
        self, crop: U8, projected: F32, rotation: F32, opening: F32, origin: tuple[int, int]
    ) -> None:
        """Takes over the upper teeth that a portrait shows; arguments as of `paint`, for the portrait itself.

        Where it shows none nothing changes.
        """
        (x0, y0), (rows, columns) = origin, opening.shape
        shown = crop[max(0, y0) : y0 + rows, max(0, x0) : x0 + columns]
        if not self._shows_teeth or shown.shape[:2] != opening.shape:
            return
        opening = np.ascontiguousarray(opening, np.float32)
        white = OwnTeeth(np.full((2, 4), (_GREY, _GREY, _GREY, 1), np.float32), self._nowhere, self._nowhere)
        lit = self._lit(crop.shape[0], projected, rotation, opening, origin, white)
        if lit is None:
            return
        painted = np.zeros((rows, columns, 3), np.uint8)
        still, none = np.zeros(2, np.int64), np.zeros_like(self._grain)
        mouth_kernels.lay_under(painted, opening, lit.edge, lit.radiance, self._look[8], none, still, 0, 0)
        light = np.asarray((painted / np.float32(255)) ** 2 / np.float32(_GREY), np.float32)
        owner = lit.owner[lit.samples // 2 :: lit.samples, lit.samples // 2 :: lit.samples]
        part, surface = (np.append(of, -1)[owner] for of in (self._anatomy.part, self._anatomy.surface))
        tooth = np.where(part == TEETH_UPPER, surface % SURFACES, -1)
        points = lit.points[:, :2] - np.asarray(origin, np.float32)
        up = rotation[:2, 1] * np.array([1, -1], np.float32)
        self._own = own = own_teeth(shown, opening, light, tooth, points, up)
        if own is not None:
            sliding = self._anatomy.sliding
            seen = np.maximum(sliding @ rotation[0], 0.5)  # px to the right for each unit of sliding
            self._moved = self._anatomy.widening + sliding * (own.shift / (lit.unit_px * seen))[:, None]

    def _lit(
        self,
        side: int,
        projected: F32,
        rotation: F32,
        opening: F32,
        origin: tuple[int, int],
        own: OwnTeeth | None,
    ) -> _Lit | None:
        """The inside in its light, in a picture of `side` px; None where the head is nowhere."""
        x0, y0 = origin
        anatomy = self._anatomy
        a, b = anatomy.ruler
        unit_px = float(np.linalg.norm(projected[a] - projected[b])) / anatomy.ruler_units
        points = projected[anatomy.vertices].astype(np.float32)
        rotation = np.asarray(rotation, np.float32)
        if not (unit_px > 1e-3 and np.abs(points).max() < _FARTHEST_PX and np.isfinite(rotation).all()):
            return None
        to_picture = rotation * np.array([[unit_px], [-unit_px], [unit_px]], np.float32)
        up = to_picture[:, 1] / unit_px
        upper, lower = (projected[i] for i in anatomy.biters)
        fallen = float((upper - lower) @ up) / unit_px - anatomy.bite_units
        points += self._moved @ to_picture.T
        points -= np.clip(fallen, 0.0, 3.0) * anatomy.sinking[:, None] * to_picture[:, 1]

        normals = np.empty_like(points)
        mouth_kernels.soft_normals(points, anatomy.soft, anatomy.normals, rotation, normals)
        samples = 3 if side <= 640 else 2
        rows, columns = opening.shape
        depth = np.full((rows * samples, columns * samples), mouth_kernels.FAR, np.float32)
        owner = np.full(depth.shape, -1, np.int32)
        mouth_kernels.draw(points, anatomy.triangles, float(x0), float(y0), samples, depth, owner)
        maps = _light_maps(opening, unit_px)
        lips = _lip_plane(projected[anatomy.rim], x0, y0, unit_px)
        lips[0] -= self._too_far_units * unit_px
        radiance = np.zeros((rows, columns, 3), np.float32)
        mouth_shading.shade(
            radiance,
            maps[1],
            x0,
            y0,
            samples,
            depth,
            owner,
            points,
            anatomy.triangles,
            anatomy.part,
            anatomy.surface,
            normals,
            anatomy.across,
            anatomy.rise,
            anatomy.arch,
            maps,
            lips,
            unit_px,
            self._look,
            self._drawn,
            NO_STRIP if own is None else own.strip,
            self._nowhere if own is None else own.home,
        )
        return _Lit(radiance, maps[0], owner, samples, points, unit_px)


def _light_maps(opening: F32, unit_px: float) -> F32:
    """The opening at growing blur, float32 [K, h, w]."""
    maps = np.empty((BLUR_LEVELS, *opening.shape), np.float32)
    for level in range(BLUR_LEVELS):
        blur = mouth_shading.NEAR_BLUR * mouth_shading.BLUR_STEP**level
        if blur * unit_px < 3:
            cv2.GaussianBlur(opening, (0, 0), blur * unit_px, dst=maps[level], borderType=cv2.BORDER_CONSTANT)
            continue
        # two box filters of width n have the variance (n * n - 1) / 6
        side = min(2 * round((np.sqrt(6 * (blur * unit_px) ** 2 + 1) - 1) / 2) + 1, 255)
        once = cv2.blur(opening, (side, side), borderType=cv2.BORDER_CONSTANT)
        cv2.blur(once, (side, side), dst=maps[level], borderType=cv2.BORDER_CONSTANT)
    return maps


def _lip_plane(rim: F32, x0: int, y0: int, unit_px: float) -> F32:
    """Depth of the lips as a + b x + c y + d x x over the region, float32 [4], by least squares."""
    x, y = rim[:, 0].astype(np.float64) - x0, rim[:, 1].astype(np.float64) - y0
    centre = x.mean()
    u, v = (x - centre) / unit_px, (y - y.mean()) / unit_px
    basis = np.stack([np.ones_like(u), u, v, u * u], 1)
    ridge = np.diag([0.0, 0.02, 0.05, 0.02])
    a, b, c, d = np.linalg.solve(basis.T @ basis + ridge, basis.T @ rim[:, 2])
    b, c, d = b / unit_px, c / unit_px, d / unit_px**2
    return np.array([a - b * centre - c * y.mean() + d * centre**2, b - 2 * d * centre, c, d], np.float32)
