"""One engine for many threads: who waits for whom, and faults that reach those who wait."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.engine import HopInput
from sonic_stream.errors import SonicError
from sonic_stream.offline.batch_lockstep import SharedEngine, Stopped
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import Controls

STAND_INS = Path(__file__).with_name("batch_stand_ins.py")
_names = runpy.run_path(str(STAND_INS))
SlowEngine = _names["SlowEngine"]


def hop(slot: int, number: int) -> HopInput:
    return HopInput(slot, number * FRAME_TICKS, np.zeros(HOP_SAMPLES, np.float32), Controls())


def test_a_step_waits_for_every_open_face_and_no_other():
    made = []

    def make():
        made.append(SlowEngine())
        return made[0]

    batches: list[int] = []
    with SharedEngine(make) as shared:
        step = made[0].step
        made[0].step = lambda batch: batches.append(len(batch)) or step(batch)
        slots = [shared.open(None, Controls()) for _ in range(3)]

        def face(slot: int, hops: int) -> None:
            for number in range(hops):
                shared.step([hop(slot, number)])
            shared.close(slot)

        threads = [
            threading.Thread(target=face, args=(slot, hops))
            for slot, hops in zip(slots, (4, 6, 9), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert batches == [3] * 4 + [2] * 2 + [1] * 3
    assert (shared.steps, shared.hops) == (9, 19)


def test_a_fault_of_the_engine_reaches_those_who_wait():
    def make():
        raise SonicError("no weights")

    with pytest.raises(SonicError, match="no weights"), SharedEngine(make):
        pass
    engine = SlowEngine()
    engine.step = lambda batch: 1 / 0
    with SharedEngine(lambda: engine) as shared:
        slot = shared.open(None, Controls())
        with pytest.raises(ZeroDivisionError):
            shared.step([hop(slot, 0)])
        shared.stop()
        with pytest.raises(Stopped):
            shared.step([hop(slot, 1)])
        shared.close(slot)
