"""Finds the line where shut lips meet, more exactly than the tracker does.

The tracker's inner lips lie within about half a percent of the face height of the true seam. That is little,
but a mouth that opens beside its seam takes a strip of one lip along with the other. The seam itself shows
as a dark line, so a path of dark ridges is sought in a narrow strip along the tracked one. There both inner
lips are put, for a gap of the tracker's making would show as a slit in the resting face.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.face import regions
from sonic_stream.face.colours import LUMA
from sonic_stream.face.fit import F64, mouth_parted
from sonic_stream.types import F32, U8

_COLUMNS, _ROWS = 61, 41
_REACH = 0.016
"""How far from the tracked line the seam is sought, in face heights."""
_RIDGE = 0.011
"""Distance, in face heights, of the lips' flesh that the seam is darker than."""
_LEAN = 0.8
"""Cost of leaving the tracked line by the full reach, in clear ridges."""
_BEND = 18.0
"""Cost of a slope of the path against the tracked line."""
_CLEAR = 0.06
"""Luminance by which a clear seam is darker than the lips; fainter ones count for less."""
_MOST_PARTED = 0.5
"""`mouth_parted` from which on there is no seam; below, the gap narrows to nothing in a shut mouth."""
_CORNERS = (78, 308)


def settle_seam(crop: U8, landmarks: F32) -> F32:
    """`landmarks` [478, 2] px with the inner lips moved onto the seam; unchanged where the mouth is open."""
    parted = mouth_parted(landmarks.astype(np.float64)) / _MOST_PARTED
    if parted >= 1:
        return landmarks
    points = landmarks.astype(np.float64)
    down = points[regions.CHIN] - points[regions.FOREHEAD]
    height = float(np.linalg.norm(down))
    down /= max(height, 1e-6)
    pairs = np.array(regions.LIPS_PAIRS)
    line = np.r_[points[[_CORNERS[0]]], points[pairs].mean(1), points[[_CORNERS[1]]]]
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    columns = np.linspace(0, along[-1], _COLUMNS)
    middle = np.stack([np.interp(columns, along, line[:, axis]) for axis in (0, 1)], 1)
    offsets = np.linspace(-_REACH, _REACH, _ROWS) * height
    moved = _path(_ridges(crop, middle, offsets, down, height)) * _REACH * height
    share = columns / along[-1]
    # The corners are where they are: they show as corners, not as a line.
    moved *= np.clip(np.minimum(share, 1 - share) / 0.12, 0, 1)
    settled = landmarks.astype(np.float32, copy=True)
    seam = line[1:-1] + np.interp(along[1:-1], columns, moved)[:, None] * down
    half_gap = parted * (points[pairs[:, 1]] - points[pairs[:, 0]]) / 2
    settled[pairs[:, 0]] = seam - half_gap
    settled[pairs[:, 1]] = seam + half_gap
    return settled


def _ridges(crop: U8, middle: F64, offsets: F64, down: F64, height: float) -> F64:
    """How much darker each place of the strip is than the flesh above and below it, [rows, columns] 0..1."""
    grey = crop.astype(np.float32) @ (LUMA / 255)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), max(0.003 * height, 0.5)), np.float32)

    def strip(extra: float) -> F64:
        places = middle[None] + (offsets + extra * height)[:, None, None] * down
        x, y = places.astype(np.float32).transpose(2, 0, 1)
        return np.asarray(
            cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float64
        )

    here = strip(0)
    # Both sides must be lighter: the edge of a moustache or of a shadow is dark on one side only.
    dark = np.minimum(strip(-_RIDGE), strip(_RIDGE)) - here
    level = max(float(here.mean()), 0.05)
    # A seam goes on sideways; hairs, pores and the grain of a painting do not.
    smooth = cv2.GaussianBlur(dark, (0, 0), 3.0, sigmaY=0.5, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(smooth / (_CLEAR * level / 0.5), 0, 1), np.float64)


def _path(ridges: F64) -> F64:
    """The best path from left to right through the ridges, float64 [columns] in -1..1 of the reach."""
    rows, columns = ridges.shape
    place = np.linspace(-1, 1, rows)
    gain = ridges - _LEAN * place[:, None] ** 2
    bend = _BEND * (place[:, None] - place[None]) ** 2
    best = gain[:, 0]
    came = np.zeros((rows, columns), np.intp)
    for column in range(1, columns):
        reached = best[None] - bend
        came[:, column] = reached.argmax(1)
        best = gain[:, column] + reached.max(1)
    row = int(best.argmax())
    path = np.empty(columns)
    for column in range(columns - 1, -1, -1):
        path[column] = place[row]
        row = int(came[row, column])
    return np.asarray(cv2.GaussianBlur(path[None], (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)[0])
