"""A row of hops through an engine, as fast as it goes: exactly one result for each picture asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from sonic_stream.engine import Engine, HopInput, HopResult
from sonic_stream.offline.motion_file import StoredMotion
from sonic_stream.offline.retime import keys_needed, retimed
from sonic_stream.timebase import FPS, FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import F32, Controls, Identity, MotionFrame

BLEND_PICTURES = 8
"""How long the face takes from the end of a stored motion into its own."""
_UNHEARD: Final[F32] = np.zeros(HOP_SAMPLES, np.float32)


def animate(
    engine: Engine,
    identity: Identity,
    hops: Iterator[F32],
    count: int,
    controls: Controls,
    motion: StoredMotion | None = None,
    fps: int = FPS,
    on_key: Callable[[MotionFrame], None] | None = None,
) -> Generator[HopResult]:
    """Results for the pictures 0 .. count - 1; `hops` must not end before the look-ahead is flushed.

    With `motion` the face does what is stored, as stored (gains are not applied again), and follows the
    sound when it is over. At an `fps` other than 25 pictures are painted along the curves through the
    motion. `on_key` is told the motion at 25 a second, up to the sound's last picture.
    """
    slot = engine.open(identity, controls)
    try:
        if fps == FPS:
            for result in _heard(engine, slot, hops, count, controls, motion):
                if on_key:
                    on_key(result.motion)
                yield result
            return
        keys = _keys(engine, slot, hops, count, controls, motion, fps, on_key)
        with contextlib.closing(keys):
            for frame in retimed(keys, count, fps):
                # A hop that carries a motion is painted without being heard.
                hop = HopInput(slot, frame.pts, _UNHEARD, controls, motion=frame)
                yield engine.step([hop])[0]
    finally:
        engine.close(slot)


def _keys(
    engine: Engine,
    slot: int,
    hops: Iterator[F32],
    count: int,
    controls: Controls,
    motion: StoredMotion | None,
    fps: int,
    on_key: Callable[[MotionFrame], None] | None,
) -> Generator[MotionFrame]:
    """The motion at 25 a second that `count` pictures at `fps` need, nothing painted."""
    shown = max(round(count * FPS / fps), 1)
    needed = max(keys_needed(count, fps), shown)
    for number, result in enumerate(_heard(engine, slot, hops, needed, controls, motion, paint=False)):
        if on_key and number < shown:
            on_key(result.motion)
        yield result.motion


def _heard(
    engine: Engine,
    slot: int,
    hops: Iterator[F32],
    count: int,
    controls: Controls,
    motion: StoredMotion | None,
    paint: bool = True,
) -> Generator[HopResult]:
    """Results at 25 a second, the sound heard or the stored motion played."""
    lookahead_hops = engine.lookahead // FRAME_TICKS
    last: MotionFrame | None = None
    for number in range(count + lookahead_hops):
        samples = next(hops)
        picture = number - lookahead_hops
        stored = motion.frame(picture) if motion else None
        # Pictures before the first are not wanted; painted, they would also leave a trace in the settling.
        wanted = paint and picture >= 0
        hop = HopInput(slot, number * FRAME_TICKS, samples, controls, motion=stored, paint=wanted)
        if stored is not None and picture < 0:
            continue  # nothing to hear, and the picture before the first is not wanted
        result = engine.step([hop])[0]
        if stored is not None:
            last = stored
        elif last is not None and motion is not None:
            share = (picture - len(motion.coeffs) + 1) / (BLEND_PICTURES + 1)
            if share < 1:
                result = _blended(engine, hop, last, result, share)
        if picture >= 0:
            yield result


def _blended(engine: Engine, hop: HopInput, last: MotionFrame, result: HopResult, share: float) -> HopResult:
    """The picture of `hop` again, with `share` of its own motion and the rest of `last`."""
    own = result.motion
    coeffs = (1 - share) * last.coeffs + share * own.coeffs
    between = MotionFrame(own.pts, coeffs.astype(last.coeffs.dtype), own.speaking)
    return engine.step([replace(hop, motion=between)])[0]
