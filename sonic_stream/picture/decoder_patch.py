"""What the decoder sees of a picture: small patches that ride with the head, and what geometry knows there.

A patch is anchored at a point of the skull, rolled with the head and as large as the person's own mouth or
eye, so the same thing lies at the same place for every face and at every size of the picture. The right eye
is mirrored: one network paints both. Training makes its pairs with these very functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from sonic_stream.face.head import Head
from sonic_stream.picture import raster
from sonic_stream.picture.patch import Slit
from sonic_stream.picture.rig import Pose, Rig
from sonic_stream.types import F32, U8, Identity

MOUTH, EYE_LEFT, EYE_RIGHT = "mouth", "eye_left", "eye_right"
REGIONS: Final = (MOUTH, EYE_LEFT, EYE_RIGHT)
SIZES: Final = {MOUTH: (128, 96), EYE_LEFT: (64, 48), EYE_RIGHT: (64, 48)}
"""Width and height of the patches, px."""
MAPS: Final = 7
"""Channels of `Patch.inputs`: composite RGB, opening, below the upper rim, above the lower rim, shade."""
RIM_STEP: Final = 4
"""Steps of the rim maps to a patch pixel; 128 is the rim itself."""
_CORNERS: Final = {MOUTH: (61, 291), EYE_LEFT: (362, 263), EYE_RIGHT: (33, 133)}
_WIDTHS: Final = {MOUTH: 1.9, EYE_LEFT: 2.2, EYE_RIGHT: 2.2}
"""Width of the patch against that of the mouth or eye at rest."""
_CENTRE_ROW: Final = {MOUTH: 0.42, EYE_LEFT: 0.54, EYE_RIGHT: 0.54}
"""Where the corners lie, as a share of the patch's height."""
_REACH = 1.1
"""How far beyond its patch a region's skin is still drawn, in patches (it moves)."""
_FAST = {"nsz", "arcp", "contract", "reassoc"}


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of one picture."""

    region: str
    matrix: F32
    """float32 [2, 3]: patch pixel (x, y, 1) to picture pixel, centres at whole numbers."""
    inputs: U8
    """uint8 [h, w, MAPS]: RGB of the geometric picture; cover of the opening; place below the upper and above
    the lower rim (128 + RIM_STEP * px, clipped; also when shut); shade (128 + 127 * change of the light that
    the skin takes against the portrait)."""
    reference: U8
    """uint8 [h, w, 3]: the portrait's own pixels in the portrait's own pose."""
    points: F32
    """Where the head's vertices lie in the patch, float32 [V, 3]: x, y patch px, and nearness."""
    activity: float
    """0 where nothing differs from the portrait, so that nothing need be painted, .. 1."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one region's patch lies on a head, and the portrait's own pixels there. One per identity."""

    region: str
    anchor: F32
    """Head point float32 [3] that stays at the patch's centre of movement."""
    width_units: float
    triangles: NDArray[np.int32]
    reference: U8
    lit: F32
    """Light that each vertex takes in the portrait, float32 [V]."""
    light: F32

    def matrix(self, pose: Pose) -> F32:
        """Patch to picture, float32 [2, 3]."""
        width, height = SIZES[self.region]
        along = pose.rotation[:2, 0] * np.array([1, -1], np.float32)
        along = along / max(float(np.linalg.norm(along)), 1e-6)
        across = np.array([-along[1], along[0]], np.float32)
        if self.region == EYE_RIGHT:
            along = -along
        pace = pose.scale * self.width_units / width
        linear = np.stack([along, across], 1) * np.float32(pace)
        middle = np.array([(width - 1) / 2, (height - 1) * _CENTRE_ROW[self.region]], np.float32)
        placed = pose.project(self.anchor[None])[0, :2]
        return np.asarray(np.c_[linear, placed - linear @ middle], np.float32)

    def look(self, picture: U8, vertices: F32, placed: F32, pose: Pose, slit: Slit, activity: float) -> Patch:
        """The patch of a picture; `vertices` [V, 3] head units and `placed` [V, 3] picture px of the mesh."""
        width, height = SIZES[self.region]
        matrix = self.matrix(pose)
        inputs = np.empty((height, width, MAPS), np.uint8)
        cv2.mixChannels([cut(picture, matrix, (width, height))], [inputs], [0, 0, 1, 1, 2, 2])
        draw_rims(slit.top, slit.bottom, slit.first, matrix, inputs)
        normals = _normals(vertices, self.triangles)
        towards = self.light @ (pose.rotation * np.array([[1], [-1], [1]], np.float32))
        change = np.maximum(normals @ towards, 0) - self.lit
        shade = np.zeros((height, width, 1), np.float32)
        depth = np.full((height, width), raster.FAR, np.float32)
        points = _in_patch(placed, matrix)
        values = np.ascontiguousarray(change[:, None], np.float32)
        raster.draw_mesh(points, self.triangles, values, 1.0, 0.0, 0.0, depth, shade)
        np.clip(128.5 + 127 * shade[..., 0], 0, 255, out=shade[..., 0])
        inputs[..., 6] = shade[..., 0]
        return Patch(self.region, matrix, inputs, self.reference, points, activity)


def make_frame(region: str, head: Head, identity: Identity, rig: Rig, portrait_vertices: F32) -> Frame:
    """The frame of a region; `portrait_vertices` float32 [V, 3] is the mesh as the portrait shows it."""
    corners = head.landmarks[list(_CORNERS[region])]
    resting = identity.vertices + np.tensordot(rig.rest, rig.basis, 1)
    anchor = resting[corners].mean(0)
    width_units = _WIDTHS[region] * float(np.linalg.norm(resting[corners[0]] - resting[corners[1]]))
    skin = head.triangles_of("skin")
    near = np.linalg.norm((resting - anchor)[:, :2], axis=1) < _REACH * width_units / 2
    triangles = np.ascontiguousarray(skin[near[skin].any(1)])
    light = np.asarray(identity.colours.light, np.float32)
    light = light / max(float(np.linalg.norm(light)), 1e-6)
    towards = light @ (rig.source_pose.rotation * np.array([[1], [-1], [1]], np.float32))
    lit = np.maximum(_normals(portrait_vertices, triangles) @ towards, 0)
    frame = Frame(
        region,
        np.asarray(anchor, np.float32),
        width_units,
        triangles,
        np.zeros((0, 0, 3), np.uint8),
        np.asarray(lit, np.float32),
        np.asarray(light, np.float32),
    )
    reference = cut(identity.crop, frame.matrix(rig.source_pose), SIZES[region])
    return Frame(region, frame.anchor, width_units, triangles, reference, frame.lit, frame.light)


def cut(image: U8, matrix: F32, size: tuple[int, int]) -> U8:
    """The patch uint8 [h, w, 3] of `size` (w, h) that `matrix` lays on `image`; past it the edge goes on."""
    pace = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = int(max(1, round(pace)))
    if shrink > 1:  # a large picture is averaged first, or fine grain would turn into noise
        corners = np.array([(0, 0, 1), (size[0], 0, 1), (0, size[1], 1), (*size, 1)]) @ matrix.T
        low = np.floor(corners.min(0)).astype(int).clip(0)
        high = np.ceil(corners.max(0)).astype(int) + shrink
        piece = image[low[1] : max(high[1], low[1] + shrink), low[0] : max(high[0], low[0] + shrink)]
        wide, tall = piece.shape[1] // shrink, piece.shape[0] // shrink
        if wide > 0 and tall > 0:
            image = np.asarray(
                cv2.resize(
                    piece[: tall * shrink, : wide * shrink], (wide, tall), interpolation=cv2.INTER_AREA
                ),
                np.uint8,
            )
            matrix = matrix.astype(np.float64)
            matrix[:, 2] -= low + (shrink - 1) / 2
            matrix /= shrink
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def draw_rims(top: F32, bottom: F32, first: int, matrix: F32, inputs: U8) -> None:
    """Fills channels 3, 4 and 5 of `inputs`; `top` and `bottom` are y by picture column from `first` on.

    Beside the corners both rims are as far as the corner, so that no place there counts as near them.
    """
    count = top.shape[0]
    begin, end = -1, -1
    for i in range(count):
        if top[i] > -1e8 and top[i] < 1e8 and bottom[i] > -1e8 and bottom[i] < 1e8:
            if begin < 0:
                begin = i
            end = i
    height, width = inputs.shape[:2]
    pace = np.sqrt(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    for y in range(height):
        for x in range(width):
            if begin < 0:
                inputs[y, x, 3] = 0
                inputs[y, x, 4] = 0
                inputs[y, x, 5] = 0
                continue
            px = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] - first
            py = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
            place = min(max(px, float(begin)), float(end))
            i = min(int(place), end - 1) if end > begin else begin
            j = min(i + 1, end)
            share = place - i
            upper = (py - (top[i] + share * (top[j] - top[i]))) / pace
            lower = ((bottom[i] + share * (bottom[j] - bottom[i])) - py) / pace
            beyond = max(begin - px, px - end, 0.0) / pace
            upper -= beyond
            lower -= beyond
            cover = min(max(upper + 0.5, 0.0), 1.0) * min(max(lower + 0.5, 0.0), 1.0)
            inputs[y, x, 3] = np.uint8(255 * cover + 0.5)
            inputs[y, x, 4] = np.uint8(min(max(128.5 + RIM_STEP * upper, 0.0), 255.0))
            inputs[y, x, 5] = np.uint8(min(max(128.5 + RIM_STEP * lower, 0.0), 255.0))


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _in_patch(placed: F32, matrix: F32) -> F32:
    """Points [V, 3] of the picture in the patch that `matrix` lays on it; nearness stays."""
    a, b, c = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    d, e, f = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    inverse = np.float32(1) / (a * e - b * d)
    out = np.empty_like(placed)
    for v in range(placed.shape[0]):
        x, y = placed[v, 0] - c, placed[v, 1] - f
        out[v, 0] = (e * x - b * y) * inverse
        out[v, 1] = (a * y - d * x) * inverse
        out[v, 2] = placed[v, 2]
    return out


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _normals(points: F32, triangles: Any) -> F32:
    """Unit normals [V, 3] of a mesh; 0 where no triangle is."""
    out = np.zeros((points.shape[0], 3), np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(out.shape[0]):
        length = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 1e-12:
            for k in range(3):
                out[v, k] /= length
    return out
