"""The skin of a shut lid: between the skin above it and below it, with the grain of its own.

What an open eye shows of its lid is a strip in the shade of the brow, often with lashes, a catchlight or the
nose's edge in it; stretched over the whole lid it makes a patch unlike the skin around. So the lid is painted
shut once, from the portrait, and its large shapes are replaced by what lies between the skin over its crease
and the skin below its lashes. Both are kept by place across the eye and height over the lashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from sonic_stream.types import F32, U8

_ACROSS, _UP = 48, 24
REACH = 1.5
"""Height of what is treated, in heights of the lid: up to over its crease."""
_OVER = (0.9, 1.0, 1.1)
"""Where the skin above is seen, in heights of what is treated."""
_WIDER = 0.07
"""How far beyond the corners of the eye the skin is treated, in widths of the eye."""
_FADE, _BESIDE = 0.5, 0.35
"""Where the treatment fades out: share of the height, and of half the width."""
_UNDER = (0.5, 0.65, 0.8, 0.95, 1.1)
"""Where the skin below is seen, head units under the lashes."""
_OF_BELOW, _BULGE = 0.45, 1.06
"""How far the skin at the lashes is that from below, and its light: a lid bulges out of the shade."""
_BLUR = 0.05
"""Softness that tells shapes from grain, as a share of the eye's width."""
_GRAIN = 0.06
"""Most that grain may differ from its surroundings."""
_FAST = {"nsz", "arcp", "contract", "reassoc"}


@dataclass(frozen=True, slots=True)
class LidSkin:
    """Large shapes of one shut lid, float32 [heights, places, 3], 0..255: as `seen`, and as `wanted`."""

    seen: F32
    wanted: F32

    def lay(self, image: U8, edge: F32, first: int, tall_px: float, blink: float) -> None:
        """Gives the lid over the lash line `edge` (y by column from `first`) its skin, in place; `tall_px`
        is the height of what is treated when shut."""
        edge, first = _wider(edge, first)
        give_skin(image, edge, first, lens_px(tall_px, blink), blink * blink, self.seen, self.wanted)


def lens_px(tall_px: float, blink: float) -> float:
    """Height of what is treated: its upper end stays while the lid comes down."""
    return tall_px * (REACH - 1 + blink) / REACH


def make_lid_skin(shut: U8, edge: F32, first: int, tall_px: float, scale: float) -> LidSkin:
    """The skin of a lid; `shut` is the portrait with its lid down and `edge` its lash line, as for `lay`."""
    edge, first = _wider(edge, first)
    soft = cv2.GaussianBlur(shut, (0, 0), max(0.5, _BLUR / 3 * len(edge)))
    place = (np.arange(_ACROSS) + 0.5) / _ACROSS
    x = first + place * len(edge) - 0.5
    y = np.interp(x, first + np.arange(len(edge)), edge)
    high = tall_px * (1 - (2 * place - 1) ** 4)
    up = (np.arange(_UP) + 0.5)[:, None] / _UP
    seen = _smooth(_sample(soft, x, y - up * high), 1.5)
    own_above = _smooth(np.median(_sample(soft, x, y - np.array(_OVER)[:, None] * high), 0), 2.0)
    above = _smooth(_usual(own_above), 3.0)
    under = _sample(soft, x, y + np.array(_UNDER)[:, None] * scale)
    below = _smooth(_usual(np.percentile(under, 40, axis=0)), 3.0)
    at_lashes = _BULGE * ((1 - _OF_BELOW) * above + _OF_BELOW * below)
    share = 1 - up[..., None]
    wanted = own_above + share * share * (3 - 2 * share) * (at_lashes - own_above)
    return LidSkin(
        np.ascontiguousarray(seen, np.float32), np.ascontiguousarray(wanted.clip(0, 255), np.float32)
    )


def _wider(edge: F32, first: int) -> tuple[F32, int]:
    """The lash line, level beyond the corners."""
    there = np.flatnonzero(np.isfinite(edge))
    if not len(there):
        return edge, first
    more = round(_WIDER * len(edge))
    at = np.arange(-more, len(edge) + more)
    return np.interp(at, there, edge[there]).astype(np.float32), first - more


def _sample(image: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> F32:
    at = np.broadcast_arrays(x.astype(np.float32), y.astype(np.float32))
    seen = cv2.remap(
        image,
        np.ascontiguousarray(at[0]),
        np.ascontiguousarray(at[1]),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(seen, np.float32)


def _usual(colours: NDArray[Any]) -> F32:
    """Colours [places, 3] without what is unlike on less than a third of the eye: lights, rims, lashes."""
    wide = np.pad(colours, ((_ACROSS // 6, _ACROSS // 6), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * (_ACROSS // 6) + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1), np.float32)


def _smooth(colours: F32, places: float) -> F32:
    """Colours [..., places, 3] blurred along the eye."""
    flat = colours.reshape(-1, _ACROSS, 3)
    soft = [cv2.GaussianBlur(row[None], (0, 0), places, borderType=cv2.BORDER_REPLICATE)[0] for row in flat]
    return np.asarray(np.stack(soft).reshape(colours.shape), np.float32)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def give_skin(image: U8, edge: F32, first: int, tall: float, strength: float, seen: F32, wanted: F32) -> None:
    """Replaces `seen` by `wanted` over the curve `edge`, by `strength` 0..1, in place."""
    count, (ups, across) = edge.shape[0], seen.shape[:2]
    for i in range(count):
        x = first + i
        if not (edge[i] > -1e8 and edge[i] < 1e8) or x < 0 or x >= image.shape[1]:
            continue
        place = 2 * (i + 0.5) / count - 1
        high = tall * (1 - place**4)
        if high < 1:
            continue
        beside = min(1.0, (1 - abs(place)) / _BESIDE)
        column = min(max((i + 0.5) / count * across - 0.5, 0.0), across - 1.001)
        c = int(column)
        fc = column - c
        for y in range(max(0, int(edge[i] - high)), min(image.shape[0], int(edge[i]) + 1)):
            t = (edge[i] - y) / high
            if t < 0 or t >= 1:
                continue
            share = min(1.0, (1 - t) / _FADE)
            share = strength * beside * share * share * (3 - 2 * share)
            row = min(max(t * ups - 0.5, 0.0), ups - 1.001)
            r = int(row)
            fr = row - r
            for k in range(3):
                was = (seen[r, c, k] * (1 - fc) + seen[r, c + 1, k] * fc) * (1 - fr)
                was += (seen[r + 1, c, k] * (1 - fc) + seen[r + 1, c + 1, k] * fc) * fr
                now = (wanted[r, c, k] * (1 - fc) + wanted[r, c + 1, k] * fc) * (1 - fr)
                now += (wanted[r + 1, c, k] * (1 - fc) + wanted[r + 1, c + 1, k] * fc) * fr
                grain = min(1 + _GRAIN, max(1 - _GRAIN, image[y, x, k] / max(was, 4.0)))
                value = image[y, x, k] + share * (now * grain - image[y, x, k])
                image[y, x, k] = np.uint8(min(255.0, max(0.0, value)) + 0.499)
