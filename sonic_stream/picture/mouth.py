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
from sonic_stream.picture import mouth_kernels
from sonic_stream.picture.mouth_anatomy import anatomy_of
from sonic_stream.picture.mouth_look import look_of
from sonic_stream.types import F32, U8, Colours

BLUR_UNITS = tuple(0.06 * 2.2**level for level in range(5))
"""Blur (standard deviation, head units) of the opening at each level of depth."""


class MouthInterior:
    """Paints what is seen between the lips of one identity. Immutable; `paint` is a pure function."""

    def __init__(self, head: Head, colours: Colours, identity_teeth: F32 | None = None) -> None:
        """`identity_teeth`: colour of the portrait's own front teeth in good light, RGB 0..1 [3], if seen."""
        self._anatomy = anatomy_of(head)
        self._look = look_of(colours, identity_teeth).packed()

    def paint(self, canvas: U8, projected: F32, rotation: F32, opening: F32, origin: tuple[int, int]) -> None:
        """Fills the opening of the lips, in place.

        `canvas` uint8 [S, S, 3] RGB; `projected` float32 [V, 3] (x px, y px, depth px towards the camera);
        `rotation` float32 [3, 3] of the head; `opening` float32 [h, w], how much of each pixel lies between
        the lips, 0..1, in the region whose upper left pixel is `origin` (x, y). What reaches beyond the
        canvas is left out. Pixels where the opening is 0 are untouched.
        """
        x0, y0 = origin
        left, top = max(0, -x0), max(0, -y0)
        right, bottom = (
            min(opening.shape[1], canvas.shape[1] - x0),
            min(opening.shape[0], canvas.shape[0] - y0),
        )
        if right <= left or bottom <= top:
            return
        opening = np.ascontiguousarray(opening[top:bottom, left:right], np.float32)
        x0, y0 = x0 + left, y0 + top
        if not opening.any():
            return
        anatomy = self._anatomy
        a, b = anatomy.ruler
        unit_px = float(np.linalg.norm(projected[a] - projected[b])) / anatomy.ruler_units
        points = np.ascontiguousarray(projected[anatomy.vertices], np.float32)
        if not (unit_px > 1e-3 and np.isfinite(points).all()):
            return

        normals = np.empty_like(points)
        mouth_kernels.soft_normals(
            points, anatomy.soft, anatomy.normals, np.asarray(rotation, np.float32), normals
        )
        samples = 3 if canvas.shape[0] <= 640 else 2
        rows, columns = opening.shape
        depth = np.full((rows * samples, columns * samples), -np.inf, np.float32)
        owner = np.full(depth.shape, -1, np.int32)
        mouth_kernels.draw(points, anatomy.triangles, float(x0), float(y0), samples, depth, owner)
        mouth_kernels.shade(
            canvas,
            opening,
            x0,
            y0,
            samples,
            depth,
            owner,
            points,
            anatomy.triangles,
            anatomy.part,
            normals,
            anatomy.across,
            anatomy.rise,
            _light_maps(opening, unit_px),
            _lip_plane(projected[anatomy.rim], x0, y0, unit_px),
            unit_px,
            self._look,
        )


def _light_maps(opening: F32, unit_px: float) -> F32:
    """The opening at growing blur, float32 [K, h, w]."""
    maps = np.empty((len(BLUR_UNITS), *opening.shape), np.float32)
    for level, blur in enumerate(BLUR_UNITS):
        # two box filters of width n have the variance (n * n - 1) / 6
        side = 2 * round((np.sqrt(6 * (blur * unit_px) ** 2 + 1) - 1) / 2) + 1
        side = min(side, 255)
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
