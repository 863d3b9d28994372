"""A row of hops through an engine, as fast as it goes: exactly one result for each picture asked for."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from sonic_stream.engine import Engine, HopInput, HopResult
from sonic_stream.offline.motion_file import StoredMotion
from sonic_stream.timebase import FRAME_TICKS
from sonic_stream.types import F32, Controls, Identity, MotionFrame

BLEND_PICTURES = 8
"""How long the face takes from the end of a stored motion into its own."""


def animate(
    engine: Engine,
    identity: Identity,
    hops: Iterator[F32],
    count: int,
    controls: Controls,
    motion: StoredMotion | None = None,
) -> Generator[HopResult]:
    """Results for the pictures 0 .. count - 1; `hops` must not end before the look-ahead is flushed.

    With `motion` the face does what is stored, as stored (gains are not applied again), and follows the
    sound when it is over.
    """
    lookahead_hops = engine.lookahead // FRAME_TICKS
    slot = engine.open(identity, controls)
    try:
        last: MotionFrame | None = None
        for number in range(count + lookahead_hops):
            samples = next(hops)
            picture = number - lookahead_hops
            stored = motion.frame(picture) if motion else None
            hop = HopInput(slot, number * FRAME_TICKS, samples, controls, motion=stored)
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
    finally:
        engine.close(slot)


def _blended(engine: Engine, hop: HopInput, last: MotionFrame, result: HopResult, share: float) -> HopResult:
    """The picture of `hop` again, with `share` of its own motion and the rest of `last`."""
    own = result.motion
    coeffs = (1 - share) * last.coeffs + share * own.coeffs
    between = MotionFrame(own.pts, coeffs.astype(last.coeffs.dtype), own.speaking)
    return engine.step([HopInput(hop.slot, hop.pts, hop.samples, hop.controls, hop.epoch, between)])[0]
