"""Rows of training data: what the painter made, what it should have been, and how far to trust that."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_stream.picture.decoder_patch import MOUTH, SIZES, Patch, cut
from sonic_stream.train.heads.motion import CLIP, clip_of
from sonic_stream.train.heads.person import Person
from sonic_stream.train.heads.render import Box
from sonic_stream.types import F32, U8

_AWAKE = 0.05
"""Activity from which an eye is worth a row."""
_MOST_FLOW_PX = 0.8
"""Shift between a patch and its target over which the row is left out."""
_GRAIN_LIMIT = 28
_EDGE_PX = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One pair: `inputs` uint8 [h, w, 7] and `reference` [h, w, 3] as the decoder sees them, `target`
    [h, w, 3], `weight` [h, w] (255 trusted, 0 ignored), and whether the target is the input itself."""

    region: str
    inputs: U8
    reference: U8
    target: U8
    weight: U8
    coeffs: F32
    clip: int
    frame: int
    same: bool
    flow_px: float


def box_of(patch: Patch, side: int) -> Box:
    """The part of the picture that a patch shows, with room for its resampling."""
    width, height = SIZES[patch.region]
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]) @ patch.matrix.T
    low, high = np.floor(corners.min(0)).astype(int) - 3, np.ceil(corners.max(0)).astype(int) + 4
    low, high = low.clip(0, side - 8), high.clip(8, side)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def flow_between(a: U8, b: U8, where: U8) -> float:
    """How far two patches are shifted against each other where `where` > 0 and there is something to see, px:
    the length of the median optical flow."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (a, b)]
    start = np.zeros((*grey[0].shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(grey[0], grey[1], start, 0.5, 2, 9, 2, 5, 1.1, 0)
    slope = cv2.Sobel(grey[0], cv2.CV_32F, 0, 1) ** 2 + cv2.Sobel(grey[0], cv2.CV_32F, 1, 0) ** 2
    told = (where > 0) & (slope > np.percentile(slope, 60))
    return float(np.linalg.norm(np.median(flow[told], axis=0))) if told.any() else 0.0


def row_of(person: Person, patch: Patch, clean: Patch, coeffs: F32, clip: int, frame: int, rest: bool) -> Row:
    """The row of one patch; `clean` is the same of the portrait without noise and JPEG."""
    own = patch.inputs[..., :3]
    size = SIZES[patch.region]
    side = person.identity.crop.shape[0]
    box = box_of(patch, side)
    shift = patch.matrix.copy()
    shift[:, 2] -= box[:2]
    if rest:
        target = own.copy()
        weight = np.full(own.shape[:2], 255, np.uint8)
        flow = 0.0
    else:
        truth, trust = person.render(coeffs, box)
        seen = cut(truth, shift, size)
        # Noise and JPEG belong to the portrait and ride with its skin; so the target is given the same.
        worn = own.astype(np.float32) - clean.inputs[..., :3]
        skin = 1 - patch.inputs[..., 3:4].astype(np.float32) / 255
        worn = np.clip(worn, -_GRAIN_LIMIT, _GRAIN_LIMIT) * skin
        target = np.asarray(np.clip(seen + worn + 0.5, 0, 255), np.uint8)
        level = np.asarray(np.clip(trust * 255, 0, 255), np.uint8)
        weight = cut(np.repeat(level[..., None], 3, 2), shift, size)[..., 0]
        weight = np.where(weight > 250, weight, weight // 4).astype(np.uint8)
        flow = flow_between(clean.inputs[..., :3], seen, weight)
    across = np.arange(size[0])[None], np.arange(size[1])[:, None]
    points = np.stack(np.broadcast_arrays(*across), -1) @ patch.matrix[:, :2].T + patch.matrix[:, 2]
    outside = ((points < _EDGE_PX) | (points > side - 1 - _EDGE_PX)).any(-1)
    weight[outside] = 0
    return Row(patch.region, patch.inputs, patch.reference, target, weight, coeffs, clip, frame, rest, flow)


def rows_of(person: Person, motion: F32, clips: int, rng: np.random.Generator) -> list[Row]:
    """`clips` clips of one person; rows whose patch and target disagree are left out."""
    rows = []
    for clip in range(clips):
        frames, rest = clip_of(motion, rng)
        for frame in range(CLIP):
            coeffs = frames[frame]
            _, patches = person.painter.patches(coeffs)
            _, cleans = person.clean.patches(coeffs)
            for patch, clean in zip(patches, cleans, strict=True):
                if patch.region != MOUTH and patch.activity < _AWAKE and not (rest and frame == 0):
                    continue
                row = row_of(person, patch, clean, coeffs, clip, frame, rest)
                if row.flow_px <= _MOST_FLOW_PX:
                    rows.append(row)
    return rows
