"""What a loader hands on: the engine, loaded once and kept while ComfyUI keeps the loader's result."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from sonic_stream.engine import Engine, HopInput, HopResult
from sonic_stream.offline import Parts
from sonic_stream.timebase import Ticks
from sonic_stream.types import U8, Controls, Identity


class SonicModel:
    """Parts with an engine that is loaded at its first use. `gain` multiplies the mouth's gain."""

    def __init__(self, parts: Parts | None = None, gain: float = 1.0) -> None:
        self._parts = parts or Parts()
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self.gain = gain

    @property
    def plain_parts(self) -> Parts:
        """The parts as they were given."""
        return self._parts

    def parts(self) -> Parts:
        """Parts for one render: they use the engine that is already there."""
        return replace(self._parts, engine=self._loaded)

    def watched(self) -> tuple[Parts, Watch]:
        """As `parts`, and what shows the newest picture while the render runs."""
        watch = Watch()

        def engine(device: str) -> Engine:
            watch.engine = self._loaded(device)
            return watch

        return replace(self._parts, engine=engine), watch

    def _loaded(self, device: str) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._parts.engine(device)
            return self._engine


class Watch:
    """An engine that remembers the last picture it made, for a preview; all else is its own engine's."""

    engine: Engine

    def __init__(self) -> None:
        self.last: U8 | None = None

    @property
    def lookahead(self) -> Ticks:
        return self.engine.lookahead

    @property
    def capacity(self) -> int:
        return self.engine.capacity

    @property
    def steps_available(self) -> int:
        return self.engine.steps_available

    def open(self, identity: Identity, controls: Controls) -> int:
        return self.engine.open(identity, controls)

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        results = self.engine.step(batch)
        if results and results[-1].video.image.size:
            self.last = results[-1].video.image
        return results

    def reset(self, slot: int) -> None:
        self.engine.reset(slot)

    def close(self, slot: int) -> None:
        self.engine.close(slot)
