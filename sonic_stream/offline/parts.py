"""The heavy parts that offline work is made from, loaded when they are first wanted.

Tests and other hosts pass `Parts` of their own; nothing here is imported by naming it. The default parts
set torch to one thread for the whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from sonic_stream.engine import Engine
from sonic_stream.offline.estimate import available_memory
from sonic_stream.timebase import Ticks
from sonic_stream.types import F32, Controls, Identity, MotionFrame, PortraitSettings

if TYPE_CHECKING:
    from sonic_stream.face import IdentityCache


class VoiceModel(Protocol):
    """What turns hops into motion (`sonic_stream.motion.Animator`)."""

    @property
    def lookahead(self) -> Ticks: ...

    def reset(self, slot: int, seed: int) -> None: ...

    def step(
        self, slots: Sequence[int], pts: Sequence[Ticks], hops: F32, controls: Sequence[Controls]
    ) -> list[MotionFrame]: ...


def _one_thread() -> None:
    """The networks are small: a second torch thread makes them five times slower, by waiting for it."""
    import torch

    torch.set_num_threads(1)


def _local_engine(device: str) -> Engine:
    from sonic_stream.engine.local import LocalEngine

    _one_thread()
    return LocalEngine.load(device=device, capacity=1)


@cache
def _identities() -> IdentityCache:
    from sonic_stream.face import IdentityCache

    return IdentityCache()


def _identify(image: bytes, settings: PortraitSettings) -> Identity:
    """Known portraits are free within the process; faces are not written to disk."""
    return _identities().identify(image, settings)


def _voice_model() -> VoiceModel:
    from sonic_stream.engine.local import LOOKAHEAD_HOPS
    from sonic_stream.motion import Animator

    _one_thread()
    animator: VoiceModel = Animator.load(capacity=1, lookahead_hops=LOOKAHEAD_HOPS)
    return animator


@dataclass(frozen=True, slots=True)
class Parts:
    """How to make an engine for a device, an identity from a portrait's bytes, and a voice's model."""

    engine: Callable[[str], Engine] = _local_engine
    identify: Callable[[bytes, PortraitSettings], Identity] = _identify
    voice_model: Callable[[], VoiceModel] = _voice_model
    available_memory: Callable[[], int | None] = available_memory
    """Bytes that may be used; None where the system does not tell."""
