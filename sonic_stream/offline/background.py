"""A thread that takes values one after the other, so that encoding overlaps with drawing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

DEPTH = 8
"""Values that may wait; a full queue holds the producer back, so memory stays flat."""


class Background(Generic[T]):
    """Calls `work` with every value `put`, in order, in a thread of its own.

    Leaving the context finishes what waits; leaving it by an error drops it. An error in `work` is raised
    from the next `put`, or at the end. `busy_s` is the time `work` took.
    """

    def __init__(self, work: Callable[[T], None], name: str) -> None:
        self._work = work
        self._waiting: queue.Queue[tuple[T] | None] = queue.Queue(DEPTH)
        self._dropping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.busy_s = 0.0

    def put(self, value: T) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiting.put((value,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._dropping.set()
        self._end()
        if error is None and self._failure is not None:
            raise self._failure

    def _end(self) -> None:
        """Waits until the thread is done, also through further Ctrl-C: what it uses must not be closed."""
        told = False
        while self._thread.is_alive():
            try:
                if not told:
                    self._waiting.put(None)
                    told = True
                self._thread.join()
            except KeyboardInterrupt:
                self._dropping.set()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            if self._dropping.is_set() or self._failure is not None:
                continue  # keep taking, so that the producer is never stuck
            begin = time.perf_counter()
            try:
                self._work(item[0])
            except BaseException as failure:  # handed to the producer, which raises it
                self._failure = failure
            self.busy_s += time.perf_counter() - begin
