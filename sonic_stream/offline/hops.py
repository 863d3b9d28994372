"""The voice of a file as an endless row of hops: the sound, then silence for as long as anyone asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from sonic_stream.media.framing import HopFramer
from sonic_stream.timebase import HOP_SAMPLES, TICK_RATE, Ticks
from sonic_stream.types import F32

_SILENCE_BLOCK = TICK_RATE // 10


def file_hops(blocks: Iterable[F32], stop: Ticks | None = None) -> Iterator[F32]:
    """Float32 [HOP_SAMPLES] at 16 kHz of the 48 kHz mono `blocks` up to tick `stop`, then zeros forever."""
    framer = HopFramer()
    for block in _until(blocks, stop):
        for hop in framer.push(block):
            yield hop.samples
    for hop in framer.push(np.zeros(0, np.float32), last=True):
        yield hop.samples
    while True:
        yield np.zeros(HOP_SAMPLES, np.float32)


def heard_sound(blocks: Iterable[F32], channels: int, length: Ticks) -> Iterator[F32]:
    """Float32 [channels, N] `blocks` at 48 kHz cut or padded with silence to exactly `length` samples."""
    given = 0
    for block in _until(blocks, length):
        given += block.shape[-1]
        yield block
    while given < length:
        count = min(_SILENCE_BLOCK, length - given)
        given += count
        yield np.zeros((channels, count), np.float32)


def _until(blocks: Iterable[F32], stop: Ticks | None) -> Iterator[F32]:
    """`blocks` (samples on the last axis) up to sample `stop`."""
    begin = 0
    for block in blocks:
        if stop is not None and begin + block.shape[-1] >= stop:
            if stop > begin:
                yield block[..., : stop - begin]
            return
        begin += block.shape[-1]
        yield block
