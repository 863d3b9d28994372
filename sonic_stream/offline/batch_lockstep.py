"""One engine shared by several renders, each in a thread of its own: their hops go through in lockstep.

To each render a `SharedEngine` looks like an engine of its own. Its hop waits until every open face has
handed one in; then all of them make one step together, in the engine's own thread. Since slots do not see
each other, a picture does not depend on who shares the step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from sonic_stream.engine import Engine, HopInput, HopResult
from sonic_stream.timebase import Ticks
from sonic_stream.types import Controls, Identity


class Stopped(Exception):  # noqa: N818 - no error: the user asked for it
    """Raised in every render that is still at work when the whole is stopped."""


class SharedEngine:
    """Implements `Engine` for several threads on top of one that belongs to a single thread.

    A context manager: it runs the engine's thread. `stop` ends all waiting renders with `Stopped`.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._changed = threading.Condition()
        self._calls: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._hops: dict[int, tuple[HopInput, Future[HopResult]]] = {}
        self._open: set[int] = set()
        self._stopped = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._made: Future[Engine] = Future()
        self.steps = 0
        self.hops = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._made.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def stop(self) -> None:
        """Ends every render at its next hop."""
        with self._changed:
            self._stopped = True
            for _, future in self._hops.values():
                future.set_exception(Stopped())
            self._hops.clear()
            self._changed.notify_all()

    @property
    def lookahead(self) -> Ticks:
        return self._made.result().lookahead

    @property
    def capacity(self) -> int:
        return self._made.result().capacity

    @property
    def steps_available(self) -> int:
        return self._made.result().steps_available

    def open(self, identity: Identity, controls: Controls) -> int:
        def work() -> int:
            slot = self._made.result().open(identity, controls)
            self._open.add(slot)
            return slot

        return int(self._call(work))

    def reset(self, slot: int) -> None:
        self._call(lambda: self._made.result().reset(slot))

    def close(self, slot: int) -> None:
        def work() -> None:
            self._open.discard(slot)
            self._made.result().close(slot)

        self._call(work, even_stopped=True)

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        waiting: list[Future[HopResult]] = []
        with self._changed:
            if self._stopped:
                raise Stopped
            for hop in batch:
                assert hop.slot not in self._hops, "a slot appears at most once"
                future: Future[HopResult] = Future()
                self._hops[hop.slot] = hop, future
                waiting.append(future)
            self._changed.notify_all()
        return [future.result() for future in waiting]

    def _call(self, work: Callable[[], Any], even_stopped: bool = False) -> Any:
        """`work` done in the engine's thread, between two steps."""
        future: Future[Any] = Future()
        with self._changed:
            if self._ended or (self._stopped and not even_stopped):
                raise Stopped
            self._calls.append((work, future))
            self._changed.notify_all()
        return future.result()

    def _run(self) -> None:
        try:
            self._made.set_result(self._make())
        except BaseException as failure:  # raised where the engine is first asked for
            self._made.set_exception(failure)
            return
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._all_are_there() or self._ended)
                if self._ended and not self._calls:
                    return
                calls, self._calls = self._calls, []
                hops: list[tuple[HopInput, Future[HopResult]]] = []
                if not calls:
                    hops = [self._hops.pop(slot) for slot in sorted(self._hops)]
            for work, future in calls:
                try:
                    future.set_result(work())
                except BaseException as failure:  # raised in the render that called
                    future.set_exception(failure)
            if hops:
                self._step(hops)

    def _all_are_there(self) -> bool:
        return bool(self._hops) and self._open <= self._hops.keys()

    def _step(self, hops: list[tuple[HopInput, Future[HopResult]]]) -> None:
        self.steps += 1
        self.hops += len(hops)
        try:
            results = self._made.result().step([hop for hop, _ in hops])
        except BaseException as failure:  # raised in every render of this step
            for _, future in hops:
                future.set_exception(failure)
            return
        for (_, future), result in zip(hops, results, strict=True):
            future.set_result(result)
