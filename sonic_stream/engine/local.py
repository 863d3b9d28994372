"""The engine of one machine: the voice's model and the painters of all open slots.

It belongs to one thread, holds the slots and the identities' derived features, and is the only place
where motion and picture meet. `stage_s` sums the CPU time of each stage for benchmarks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from threadpoolctl import threadpool_limits

from sonic_stream.engine.base import NO_PICTURE, HopInput, HopResult
from sonic_stream.errors import BadInputError, BusyError
from sonic_stream.motion import Animator
from sonic_stream.picture import Painter, Settling, warm_up
from sonic_stream.picture.decoder import Decoder, Draft, mend, shared_decoder
from sonic_stream.picture.decoder_net import MAX_STEPS
from sonic_stream.timebase import FRAME_TICKS, Ticks
from sonic_stream.types import Controls, Identity, MotionFrame, VideoFrame

LOOKAHEAD_HOPS = 2
"""80 ms: where more look-ahead stops helping the lips (measured, `docs/motion.md`)."""


@dataclass(slots=True)
class _Face:
    painter: Painter
    seed: int
    epoch: int = 0
    settling: Settling = field(default_factory=Settling)


class LocalEngine:
    """Implements `Engine`: geometry on this machine's CPU, the networks there or on a GPU."""

    def __init__(self, animator: Animator, capacity: int, decoder: Decoder | None = None) -> None:
        """`decoder` None: the CPU's, where its weights are there."""
        self._animator = animator
        self._decoder = decoder or shared_decoder()
        self._capacity = capacity
        self._faces: dict[int, _Face] = {}
        self.stage_s: dict[str, float] = {"motion": 0.0, "picture": 0.0}

    @classmethod
    def load(
        cls, device: str = "auto", capacity: int = 1, lookahead_hops: int = LOOKAHEAD_HOPS
    ) -> LocalEngine:
        """Reads the weights and warms up: one or two seconds, and some twenty more on the very first run
        of an installation, when the picture's kernels are compiled.

        Errors: `BadInputError` for a device that is not there, `MissingPieceError` for
        weights that are absent.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise BadInputError(
                "Device 'cuda' is not available: torch finds no CUDA GPU here; use 'cpu' or 'auto'."
            )
        if device not in ("auto", "cpu", "cuda"):
            raise BadInputError(f"Device '{device}' is unknown; use 'auto', 'cpu' or 'cuda'.")
        # numpy's matrices here are small: a second thread only waits for them, and burns a core meanwhile.
        threadpool_limits(limits=1, user_api="blas")
        warm_up()
        # A GPU steps the voice's model of all slots at once; for a few slots the CPU is as quick.
        where = "cuda" if device == "cuda" else "cpu"
        animator = Animator.load(capacity=capacity, lookahead_hops=lookahead_hops, device=where)
        return cls(animator, capacity, shared_decoder(device=device))

    @property
    def lookahead(self) -> Ticks:
        return self._animator.lookahead

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def steps_available(self) -> int:
        return MAX_STEPS if self._decoder is not None else 0

    def open(self, identity: Identity, controls: Controls) -> int:
        free = [slot for slot in range(self._capacity) if slot not in self._faces]
        if not free:
            raise BusyError(f"All {self._capacity} places are taken; try again when one is free.")
        painter = Painter(identity, self._decoder)
        slot = free[0]
        self._faces[slot] = _Face(painter, controls.seed)
        self._animator.reset(slot, controls.seed)
        return slot

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        """One picture for each hop; the decoder mends them together. A hop that carries a stored motion does
        not advance the voice's model, and its picture has the motion's own `pts`."""
        begin = time.thread_time()
        heard = [hop for hop in batch if hop.motion is None]
        for hop in heard:
            face = self._faces[hop.slot]
            if hop.epoch != face.epoch:
                face.epoch = hop.epoch
                self._animator.cut(hop.slot)
        made = self._animator.step(
            [hop.slot for hop in heard],
            [hop.pts for hop in heard],
            [hop.samples for hop in heard],
            [hop.controls for hop in heard],
        ) if heard else []  # fmt: skip
        frames = dict(zip((hop.slot for hop in heard), made, strict=True))
        middle = time.thread_time()
        motions = [hop.motion or frames[hop.slot] for hop in batch]
        drafts = [self._draft(hop, motion) for hop, motion in zip(batch, motions, strict=True)]
        mend(self._decoder, drafts)
        self.stage_s["motion"] += middle - begin
        self.stage_s["picture"] += time.thread_time() - middle
        return [
            HopResult(hop.slot, motion, VideoFrame(motion.pts, draft.picture, draft.steps, hop.epoch))
            for hop, motion, draft in zip(batch, motions, drafts, strict=True)
        ]

    def _draft(self, hop: HopInput, motion: MotionFrame) -> Draft:
        if not hop.paint:
            return Draft(NO_PICTURE)
        face = self._faces[hop.slot]
        steps = min(hop.controls.inference_steps, self.steps_available)
        # Halfway between two of 25 a second: 50 a second must hold the pictures of 25, so those settle alone.
        between = motion.pts % FRAME_TICKS == FRAME_TICKS // 2
        settling = face.settling.branch() if between else face.settling
        return face.painter.draft(motion.coeffs, steps, settling)

    def reset(self, slot: int) -> None:
        self._animator.reset(slot, self._faces[slot].seed)
        self._faces[slot].settling.forget()

    def close(self, slot: int) -> None:
        self._faces.pop(slot, None)
