"""Pictures between two pictures of a film, along the optical flow.

Where the flow explains both pictures, the picture between is made of both; where it does not (teeth appear,
lips part, hair uncovers a wall), it is taken from the nearer picture alone, because a mixture would show
both at once and blur. Given pictures are never changed: at their own times they come out as they went in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

import cv2
import numpy as np

from sonic_stream.media.video_file import TimedPicture
from sonic_stream.offline.smooth_steady import Shot
from sonic_stream.types import F32, U8

FLOW_PX: Final = 768
"""Longer side of the pictures that flow is measured in."""
SAME: Final = 0.04
"""Of the time between two pictures: nearer than this to one of them is that one."""
ALIKE: Final = 9.0
"""Grey levels by which both sides may differ and still count as explained."""
AROUND: Final = 1 / 64
"""Of the longer side: a place is judged with this much around it, so that a mouth is taken as one."""
LONGEST_GAP_S: Final = 0.25
"""Pictures farther apart are no movement but a slide show, and held."""


class Between:
    """Makes pictures between neighbours; remembers the flow of the pair it was last asked about."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._pair: tuple[int, int] | None = None
        self._flows: tuple[F32, F32] | None = None

    def __call__(self, before: U8, after: U8, share: float) -> U8:
        """The picture at `share` (0..1) of the way from `before` to `after`."""
        forth, back = self._flow(before, after)
        # Flow from the picture between to either side (Jiang et al., Super SloMo, CVPR 2018, eq. 4).
        to_before = np.asarray(share * (share * back - (1 - share) * forth), np.float32)
        to_after = np.asarray((1 - share) * ((1 - share) * forth - share * back), np.float32)
        first, second = _sampled(before, to_before), _sampled(after, to_after)
        mixed = cv2.addWeighted(first, 1 - share, second, share, 0).astype(np.float32)
        nearer = first if share <= 0.5 else second
        apart = cv2.absdiff(first, second).max(axis=2).astype(np.float32)
        reach = max(3, round(AROUND * max(before.shape[:2]))) | 1
        apart = cv2.GaussianBlur(cv2.dilate(apart, np.ones((reach, reach), np.uint8)), (reach, reach), 0)
        alone = np.clip(apart / ALIKE - 1, 0, 1)[..., None]
        return np.asarray(mixed + (nearer - mixed) * alone + 0.5, np.uint8)

    def _flow(self, before: U8, after: U8) -> tuple[F32, F32]:
        pair = id(before), id(after)
        if self._pair != pair or self._flows is None:
            greys = [_grey(image) for image in (before, after)]
            scale = max(greys[0].shape) / max(before.shape[:2])
            flows = [
                np.asarray(self._dis.calc(a, b, None), np.float32)  # type: ignore[call-overload]
                for a, b in (greys, greys[::-1])
            ]
            if scale < 1:
                size = before.shape[1], before.shape[0]
                flows = [cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) / scale for flow in flows]
            self._pair, self._flows = pair, (np.asarray(flows[0]), np.asarray(flows[1]))
        return self._flows


def resampled(shots: Iterable[Shot], rate: Fraction) -> Iterator[TimedPicture]:
    """The film at exactly `rate` pictures a second, from its first picture's time on.

    Over a cut, or a long gap, the picture before is held. The last picture lasts as long as it did.
    """
    between = Between()
    number = 0
    last: Shot | None = None
    begin_s = step_s = 0.0
    for shot in shots:
        if last is None:
            begin_s = shot.picture.time_s
        else:
            step_s = shot.picture.time_s - last.picture.time_s
            while (time_s := begin_s + float(number / rate)) < shot.picture.time_s - SAME * step_s:
                yield TimedPicture(time_s, _picture_at(between, last, shot, time_s))
                number += 1
        last = shot
    if last is None:
        return
    end_s = last.picture.time_s + (step_s or float(1 / rate))
    while (time_s := begin_s + float(number / rate)) < end_s - SAME * step_s:
        yield TimedPicture(time_s, last.picture.image)
        number += 1


def _picture_at(between: Between, last: Shot, shot: Shot, time_s: float) -> U8:
    gap_s = shot.picture.time_s - last.picture.time_s
    share = (time_s - last.picture.time_s) / gap_s
    if share <= SAME or shot.begins or gap_s > LONGEST_GAP_S:
        return last.picture.image
    return between(last.picture.image, shot.picture.image, share)


def _grey(image: U8) -> U8:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = FLOW_PX / max(grey.shape)
    if scale < 1:
        size = round(grey.shape[1] * scale), round(grey.shape[0] * scale)
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _sampled(image: U8, flow: F32) -> U8:
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)
