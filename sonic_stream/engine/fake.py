"""A stand-in engine for tests: pictures that say which tick they show.

The lower 24 bits of `pts // FRAME_TICKS` are drawn as black and white squares along the top edge, and
the mean loudness of the hop as the grey of the rest, so that a test can read both back from pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from sonic_stream.engine.base import NO_PICTURE, HopInput, HopResult
from sonic_stream.errors import BusyError
from sonic_stream.timebase import FRAME_TICKS, Ticks
from sonic_stream.types import CHANNELS, F32, U8, Controls, Identity, MotionFrame, VideoFrame

CODE_BITS = 24


def draw_code(image: U8, number: int) -> None:
    """Writes `number` (mod 2**24) as squares along the top edge of uint8 [H, W, 3], in place."""
    square = image.shape[1] // CODE_BITS
    for bit in range(CODE_BITS):
        image[:square, bit * square : (bit + 1) * square] = 255 if number >> bit & 1 else 0


def read_code(image: U8) -> int:
    """The number that `draw_code` wrote."""
    square = image.shape[1] // CODE_BITS
    centres = image[square // 2, square // 2 : CODE_BITS * square : square, 1]
    return int(sum(1 << bit for bit, value in enumerate(centres) if value > 127))


def _motion(pts: Ticks, loudness: float) -> MotionFrame:
    coeffs = np.zeros(len(CHANNELS), np.float32)
    coeffs[0] = min(loudness, 0.1)
    return MotionFrame(pts, coeffs, float(loudness > 0.01))


class FakeEngine:
    """Implements `Engine` without any model."""

    def __init__(self, size_px: int = 96, lookahead: Ticks = 2 * FRAME_TICKS, capacity: int = 4) -> None:
        self.size_px = size_px
        self._lookahead = lookahead
        self._capacity = capacity
        self._next = 0
        self._open: dict[int, deque[F32]] = {}

    @property
    def lookahead(self) -> Ticks:
        return self._lookahead

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def steps_available(self) -> int:
        return 8

    def open(self, identity: Identity, controls: Controls) -> int:
        if len(self._open) >= self._capacity:
            raise BusyError(f"All {self._capacity} places are taken; try again when one is free.")
        slot, self._next = self._next, self._next + 1
        self._open[slot] = self._rest()
        return slot

    def _rest(self) -> deque[F32]:
        return deque([np.zeros(1, np.float32)] * (self._lookahead // FRAME_TICKS))

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        return [self._one(hop) for hop in batch]

    def _one(self, hop: HopInput) -> HopResult:
        if hop.motion is None:
            heard = self._open[hop.slot]
            heard.append(hop.samples)
            loudness = float(np.abs(heard.popleft()).mean())
            pts = hop.pts - self._lookahead
            motion = _motion(pts, loudness)
        else:  # shown as it is; the sound is not heard
            motion, pts, loudness = hop.motion, hop.motion.pts, max(float(hop.motion.coeffs[0]), 0.0)
        if not hop.paint:
            return HopResult(hop.slot, motion, VideoFrame(pts, NO_PICTURE, 0, hop.epoch))
        image = np.full((self.size_px, self.size_px, 3), int(min(loudness * 4, 1) * 200), np.uint8)
        draw_code(image, (pts // FRAME_TICKS) % (1 << CODE_BITS))
        return HopResult(hop.slot, motion, VideoFrame(pts, image, hop.controls.inference_steps, hop.epoch))

    def reset(self, slot: int) -> None:
        self._open[slot] = self._rest()

    def close(self, slot: int) -> None:
        self._open.pop(slot, None)
