"""The inside of the mouth: teeth, tongue, gums and cavity, lit through the opening of the lips.

Light comes in only where the lips are apart, so what a point receives is the opening blurred by how deep
the point lies, looked up where its ray to the light leaves the mouth. That one rule makes the shadow of
the upper lip on the teeth, the fall of light to the sides and the dark throat. Nothing here knows where
the lips are but for the coverage it is given.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.face.head import Head
from sonic_stream.picture import mouth_kernels, mouth_shading
from sonic_stream.picture.mouth_anatomy import anatomy_of
from sonic_stream.picture.mouth_look import look_of
from sonic_stream.picture.mouth_traits import MouthTraits, measure_traits
from sonic_stream.types import F32, U8, Colours, Identity

BLUR_LEVELS = 5
_FARTHEST_PX = 1e6
"""A head that lies farther off than this is not drawn."""
_LIP_BEFORE_TEETH = 0.45
"""How far a portrait's inner lips lie before the faces of its front teeth at most, head units. A fit that
sets them farther forward was led by a moustache, and the teeth would lie in its shade."""
_ROUND_SHADE = 0.72
"""Share of the light that wholly rounded lips keep out."""
_PAINTED_PX, _DRAWN_WHEN_PAINTED = (0.95, 1.4), 0.55
"""Softness of a crop from which it is taken for painted, and wholly; a brush hardly parts the teeth."""
_GRAIN_SIDE = 64
_GRAIN_SHARE, _MOST_GRAIN = 0.6, 2.0
"""Of the grain on the cheeks, and at most (8-bit steps): much of what looks like grain is skin or canvas."""


class MouthInterior:
    """Paints what is seen between the lips of one identity. Immutable; `paint` is a pure function."""

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
        anatomy = self._anatomy
        a, b = anatomy.ruler
        unit_px = float(np.linalg.norm(projected[a] - projected[b])) / anatomy.ruler_units
        points = projected[anatomy.vertices].astype(np.float32)
        rotation = np.asarray(rotation, np.float32)
        if not (unit_px > 1e-3 and np.abs(points).max() < _FARTHEST_PX and np.isfinite(rotation).all()):
            return
        to_picture = rotation * np.array([[unit_px], [-unit_px], [unit_px]], np.float32)
        up = to_picture[:, 1] / unit_px
        upper, lower = (projected[i] for i in anatomy.biters)
        fallen = float((upper - lower) @ up) / unit_px - anatomy.bite_units
        points += anatomy.widening @ to_picture.T
        points -= np.clip(fallen, 0.0, 3.0) * anatomy.sinking[:, None] * to_picture[:, 1]

        normals = np.empty_like(points)
        mouth_kernels.soft_normals(points, anatomy.soft, anatomy.normals, rotation, normals)
        samples = 3 if canvas.shape[0] <= 640 else 2
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
        )
        if self._softness_px > 0.2:
            cv2.GaussianBlur(radiance, (0, 0), self._softness_px, dst=radiance)
        if rounded > 0:
            radiance *= np.float32(1 - _ROUND_SHADE * rounded)
        anchor = np.round(upper[:2]).astype(np.int64)
        mouth_kernels.lay_under(
            canvas, opening, maps[0], radiance, self._look[8], self._grain, anchor, x0, y0
        )


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
