"""The engine's contract: hops of sound in, pictures out, one slot per running face.

An engine belongs to one thread; it knows no clock, no sockets and no files. The caller decides when a
hop is due and what to do with a late picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sonic_stream.timebase import Ticks
from sonic_stream.types import F32, U8, Controls, Identity, MotionFrame, VideoFrame

NO_PICTURE: U8 = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class HopInput:
    """One picture's worth of sound for one slot.

    `samples` is float32 [HOP_SAMPLES] at 16 kHz and starts at `pts`; hops of a slot follow each other
    without a gap (silence is sent as zeros) from the tick the first one names.
    """

    slot: int
    pts: Ticks
    samples: F32
    controls: Controls
    epoch: int = 0
    motion: MotionFrame | None = None
    """A stored motion to play instead of the one the sound asks for (`render --motion`)."""
    paint: bool = True
    """False: hear the hop, but paint nothing (`NO_PICTURE`): for a caller whose time has run out."""


@dataclass(frozen=True, slots=True)
class HopResult:
    """The picture that a hop completes: it shows the sound `lookahead` before the hop's own.

    The first pictures of a slot therefore have a `pts` before the first hop's; a caller that has no
    sound for them drops them.
    """

    slot: int
    motion: MotionFrame
    video: VideoFrame


class Engine(Protocol):
    """Makes every picture. `lookahead` is how much later sound a picture may hear (Ticks)."""

    @property
    def lookahead(self) -> Ticks: ...

    @property
    def capacity(self) -> int:
        """How many slots may be open at once."""
        ...

    @property
    def steps_available(self) -> int:
        """The most decoder steps it can paint; 0: pictures are made by geometry alone."""
        ...

    def open(self, identity: Identity, controls: Controls) -> int:
        """A slot in its resting state, showing `identity`.

        Errors: `BusyError` when `capacity` slots are open.
        """
        ...

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        """One picture for each hop, in the batch's order; a slot appears at most once.

        Slots do not see each other: the result of a hop does not depend on who shares its batch.
        """
        ...

    def reset(self, slot: int) -> None:
        """Back to the state of a new slot."""
        ...

    def close(self, slot: int) -> None:
        """Frees the slot; closing one that is not open does nothing."""
        ...
