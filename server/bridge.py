"""The only crossing between the event loop and the engine's thread.

The event loop hands over frozen hops and gets frozen pictures back, in order for each slot; the engine,
its slots and everything torch belong to the one thread that this file starts. Hops of different slots
that wait at the same time go through the engine as one batch.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from sonic_stream.engine.base import Engine, HopInput, HopResult
from sonic_stream.errors import BusyError, SonicError
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, TICK_RATE, Ticks
from sonic_stream.types import U8, Controls, Identity, MotionFrame

logger = logging.getLogger(__name__)

QUEUE_LIMIT = 256
"""Requests that may wait for the engine; a session alone never has more than three hops in it."""


WARM_HOPS = 4
"""Steps after which nothing is slow any more because it happens for the first time."""


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture on its way out: `picture` is I420, uint8 [H * 3 / 2, W], limited range BT.601; None for a
    hop that was only heard."""

    pts: Ticks
    picture: U8 | None
    steps: int
    epoch: int
    took: Ticks
    """From handing the hop over to having the picture."""
    work: Ticks
    """The engine's own time."""
    motion: MotionFrame | None = None
    """What the face does in it."""


Sink = Callable[[Painted | None], None]
"""Gets each picture on the event loop; None when the engine failed and nothing more will come."""


@dataclass(frozen=True, slots=True)
class _Step:
    hop: HopInput
    handed_s: float
    sink: Sink


@dataclass(frozen=True, slots=True)
class _Call:
    run: Callable[[Engine], object]
    done: asyncio.Future[object]


class EngineBridge:
    """Starts and stops the engine's thread; every method belongs to the event loop."""

    def __init__(self, factory: Callable[[], Engine]) -> None:
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._requests: queue.Queue[_Step | _Call | None] = queue.Queue(QUEUE_LIMIT)
        self._loaded: asyncio.Future[object] = self._loop.create_future()
        self._lookahead: Ticks = 0
        self._steps_available = 0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    async def loaded(self) -> None:
        """Returns when the engine is ready. Errors: what its factory raised."""
        await asyncio.shield(self._loaded)

    @property
    def is_ready(self) -> bool:
        return self._loaded.done() and self._loaded.exception() is None

    @property
    def failure(self) -> BaseException | None:
        return self._loaded.exception() if self._loaded.done() else None

    @property
    def lookahead(self) -> Ticks:
        """Of the loaded engine."""
        return self._lookahead

    @property
    def steps_available(self) -> int:
        """Of the loaded engine."""
        return self._steps_available

    async def open(self, identity: Identity, controls: Controls) -> int:
        slot = await self._call(lambda engine: engine.open(identity, controls))
        assert isinstance(slot, int)
        return slot

    async def prepare(self, identity: Identity) -> None:
        """Has the engine derive what it needs of a new identity; does nothing when no slot is free."""

        def run(engine: Engine) -> None:
            with suppress(BusyError):
                slot = engine.open(identity, Controls())
                silence = np.zeros(HOP_SAMPLES, np.float32)
                for i in range(WARM_HOPS):
                    engine.step([HopInput(slot, i * FRAME_TICKS, silence, Controls())])
                engine.close(slot)

        await self._call(run)

    async def close(self, slot: int) -> None:
        await self._call(lambda engine: engine.close(slot))

    async def _call(self, run: Callable[[Engine], object]) -> object:
        await self.loaded()
        call = _Call(run, self._loop.create_future())
        self._put(call)
        return await call.done

    def submit(self, hops: Sequence[HopInput], sink: Sink) -> None:
        """Hands hops over; `sink` gets their pictures. Errors: `BusyError` when far too many wait."""
        now = time.monotonic()
        for hop in hops:
            self._put(_Step(hop, now, sink))

    def _put(self, request: _Step | _Call) -> None:
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            raise BusyError("The engine has too much to do; try again in a moment.") from None

    async def stop(self) -> None:
        """Ends the thread after what it is doing now."""
        while True:
            try:
                self._requests.put_nowait(None)
                break
            except queue.Full:
                self._requests.get_nowait()
        await asyncio.to_thread(self._thread.join, 10.0)

    # -- everything below runs on the engine's thread ----------------------------------------------------

    def _run(self) -> None:
        try:
            engine = self._factory()
        except Exception as error:
            if not isinstance(error, SonicError):
                logger.exception("the engine could not be loaded")
            self._tell(_settle, self._loaded, None, error)
            return
        self._lookahead = engine.lookahead
        self._steps_available = engine.steps_available
        self._tell(_settle, self._loaded, None, None)
        waiting: list[_Step | _Call] = []
        while True:
            if not waiting:
                request = self._requests.get()
                if request is None:
                    return
                waiting.append(request)
            while True:
                try:
                    request = self._requests.get_nowait()
                except queue.Empty:
                    break
                if request is None:
                    return
                waiting.append(request)
            waiting = self._serve(engine, waiting)

    def _serve(self, engine: Engine, waiting: list[_Step | _Call]) -> list[_Step | _Call]:
        """Answers calls and makes one batch; returns what is left. Order is kept for each slot.

        A hop that is only heard takes a tenth of a picture's time, so it never waits for the picture of
        another slot: on a slow machine that one slot would hear less than real time.
        """
        batch: dict[int, _Step] = {}
        left: list[_Step | _Call] = []
        for request in waiting:
            if isinstance(request, _Call):
                if batch or left:
                    left.append(request)
                else:
                    self._answer(engine, request)
            elif request.hop.slot in batch or any(isinstance(r, _Call) for r in left):
                left.append(request)
            else:
                batch[request.hop.slot] = request
        heard = [step for step in batch.values() if not step.hop.paint]
        painted = [step for step in batch.values() if step.hop.paint]
        if batch:
            self._step(engine, heard or painted)
        return [*painted, *left] if heard else left

    def _answer(self, engine: Engine, call: _Call) -> None:
        try:
            result = call.run(engine)
        except Exception as error:
            if not isinstance(error, SonicError):
                logger.exception("the engine refused a call")
            self._tell(_settle, call.done, None, error)
        else:
            self._tell(_settle, call.done, result, None)

    def _step(self, engine: Engine, steps: list[_Step]) -> None:
        begin = time.monotonic()
        try:
            results = engine.step([step.hop for step in steps])
            pictures = [_to_i420(result) for result in results]
        except Exception:
            logger.exception("the engine failed at a step")
            for step in steps:
                self._tell(step.sink, None)
            return
        work = _ticks(time.monotonic() - begin)
        for step, result, picture in zip(steps, results, pictures, strict=True):
            video = result.video
            self._tell(_deliver, step, video.pts, picture, video.steps, video.epoch, work, result.motion)

    def _tell(self, function: Callable[..., None], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *values)
        except RuntimeError:
            logger.debug("the event loop is gone; an answer was dropped")


def _deliver(
    step: _Step, pts: Ticks, picture: U8 | None, steps: int, epoch: int, work: Ticks, motion: MotionFrame
) -> None:
    took = _ticks(time.monotonic() - step.handed_s)
    step.sink(Painted(pts, picture, steps, epoch, took, work, motion))


def _settle(future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _ticks(seconds: float) -> Ticks:
    return int(seconds * TICK_RATE)


def _to_i420(result: HopResult) -> U8 | None:
    if not result.video.image.size:
        return None
    return np.asarray(cv2.cvtColor(result.video.image, cv2.COLOR_RGB2YUV_I420), np.uint8)
