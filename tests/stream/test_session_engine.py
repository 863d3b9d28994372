"""A session beside an engine that is slow, stands still, or takes no part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sonic_stream.timebase import FRAME_TICKS, seconds
from sonic_stream.types import Controls


def test_a_stalled_engine_holds_the_picture_and_not_the_sound(stage):
    world, said = stage.World(work_s=lambda i: 1.5 if i == 100 else 0.015), stage.voice(6)
    world.end_at(stage.push(world, said, 1.0))
    world.run(10)
    silent = [u for u in world.units if u.speech and not u.sound.any()]
    assert not silent
    heard = world.spoken()
    assert len(heard) >= len(said)
    assert max(np.diff([slot for slot, _ in world.pictures()])) * 0.04 < 1.9


@pytest.mark.parametrize("work_s", [0.06, 0.12])
def test_an_engine_slower_than_real_time_loses_pictures_and_no_sound(stage, work_s: float):
    world, said = stage.World(work_s=lambda _: work_s), stage.voice(8)
    world.end_at(stage.push(world, said, 1.0))
    world.run(12)
    heard = world.spoken()
    start = int(np.flatnonzero(heard)[0])
    assert np.array_equal(heard[start + 300 : start + len(said)], said[300:])
    rate = len(world.pictures()) / 12
    assert rate > 0.7 / work_s
    assert max(u.behind for u in world.units) <= 2 * FRAME_TICKS


def test_a_machine_too_slow_for_a_live_voice_paints_plainly_and_answers_sooner(stage):
    def late_s(plain_s: float) -> tuple[float, Any]:
        world = stage.World(live=True)
        world.work_s = lambda _: plain_s if world.session.status()["plain"] else 0.036
        stage.push(world, stage.voice(30), 1.0)
        world.run(30)
        late = [seconds(u.slot * FRAME_TICKS - u.handed) for u in world.units if u.speech]
        return sorted(late[-250:])[125], world

    plainly, world = late_s(0.02)
    assert [hop.controls.inference_steps for hop in world.hops[-5:]] == [0] * 5
    assert world.session.controls.inference_steps == Controls().inference_steps
    assert plainly < late_s(0.036)[0]


def test_every_hop_reaches_the_engine_without_a_gap(stage):
    world = stage.World(work_s=lambda i: 0.09 if i % 3 else 0.01)
    stage.push(world, stage.voice(3), 1.0, [0.0, 0.05, 0.01])
    world.at(2.0, lambda: world.session.interrupt(world.now))
    world.run(5)
    assert [hop.pts for hop in world.hops] == [i * FRAME_TICKS for i in range(len(world.hops))]
