"""One face over real WebRTC on loopback, seen through aiortc."""

from __future__ import annotations

import asyncio
import fractions
import gc
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import AudioFrame

from server.settings import ServerSettings


class Humming(MediaStreamTrack):
    """A microphone: 20 ms packets in real time, loud or silent every half second."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.monotonic()
        self._packet = 0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0.0, self._begin + self._packet * 0.02 - time.monotonic()))
        at = np.arange(self._packet * 960, (self._packet + 1) * 960) / 48_000
        loud = (self._packet // 25) % 2
        wave = (np.sin(2 * np.pi * 300 * at) * 9000 * loud).astype(np.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, self._packet * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        self._packet += 1
        return frame


def is_in_order(viewer) -> bool:
    numbers = [number for _, number, _ in viewer.pictures]
    return all(a < b for a, b in pairwise(numbers))


async def test_a_face_is_seen_and_heard(viewer):
    seen = await viewer()
    assert seen.response.status_code == 201
    await seen.until(lambda v: len(v.pictures) >= 30 and len(v.packets) >= 50)
    assert is_in_order(seen)
    pts = np.diff([p for p, _, _ in seen.pictures])
    assert (pts % 3600 == 0).all() and (pts > 0).all()
    assert all(loudness < 1 for _, loudness in seen.packets)


@pytest.mark.parametrize("codec", ["video/vp8", "video/h264"])
async def test_both_codecs_carry_the_picture(viewer, codec):
    seen = await viewer(codec=codec)
    await seen.until(lambda v: len(v.pictures) >= 10)
    assert is_in_order(seen)


async def test_text_is_spoken_in_sound_and_picture(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    said = await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "two words"})
    assert said.status_code == 202
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    assert seen.kinds() == ["speaking_started", "caption", "speaking_finished"]
    finished = seen.told[-1] if seen.told[-1]["type"] == "speaking_finished" else None
    finished = finished or next(m for m in seen.told if m["type"] == "speaking_finished")
    assert finished["position_s"] == pytest.approx(2.0, abs=0.06) and not finished["interrupted"]
    # One clock: the pictures that are bright have the media times of the packets that are loud.
    await asyncio.sleep(0.3)
    loud = [pts / 48_000 for pts, loudness in seen.packets if loudness > 500]
    bright = [pts / 90_000 for pts, _, grey in seen.pictures if grey > 60]
    assert len(loud) > 80
    assert bright[0] == pytest.approx(loud[0], abs=0.09)
    assert bright[-1] == pytest.approx(loud[-1], abs=0.09)


async def test_an_interruption_silences_text_that_waits_too(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    url = f"/api/sessions/{seen.id}"
    for text in ("a b c d e f g h", "and more"):
        await running.http.post(f"{url}/say", json={"text": text})
    await seen.until(lambda v: "speaking_started" in v.kinds())
    await asyncio.sleep(0.3)
    answer = await running.http.post(f"{url}/interrupt")
    assert answer.json() == {"epoch": 1, "kept": 0}
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    assert next(m for m in seen.told if m["type"] == "speaking_finished")["interrupted"]
    await asyncio.sleep(0.5)  # what was on its way
    count = len(seen.packets)
    await seen.until(lambda v: len(v.packets) > count + 40)
    assert all(loudness < 1 for _, loudness in seen.packets[count:])
    assert running.voice.spoken == ["a b c d e f g h"]
    assert running.voice.stopped == 1


async def test_the_microphone_drives_the_face_in_streamer_mode(viewer):
    seen = await viewer(mode="streamer", microphone=Humming())
    await seen.until(lambda v: sum(loudness > 500 for _, loudness in v.packets) > 50, 30)
    assert max(grey for _, _, grey in seen.pictures) > 60


async def test_the_microphone_is_not_heard_in_assistant_mode(running, viewer):
    seen = await viewer(mode="assistant", microphone=Humming())
    await seen.until(lambda v: len(v.packets) > 80)
    assert all(loudness < 1 for _, loudness in seen.packets)
    await running.http.post(f"/api/sessions/{seen.id}/mode", json={"mode": "streamer"})
    await seen.until(lambda v: sum(loudness > 500 for _, loudness in v.packets) > 10)


async def test_a_text_takes_the_voice_from_the_microphone_and_gives_it_back(running, viewer):
    seen = await viewer(mode="streamer", microphone=Humming())
    await seen.until(lambda v: "speaking_started" in v.kinds(), 30)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "one"})
    await seen.until(lambda v: "caption" in v.kinds())
    session = running.hub.registry.find(seen.id).session
    async with asyncio.timeout(10):
        while session.is_live:
            await asyncio.sleep(0.02)
        while not session.is_live:
            await asyncio.sleep(0.02)
    assert running.voice.spoken == ["one"] and running.voice.stopped == 1

    def was_spoken(v) -> bool:
        finished = [m for m in v.told if m["type"] == "speaking_finished"]
        return any(m["position_s"] == pytest.approx(1.0, abs=0.06) for m in finished)

    await seen.until(was_spoken)


async def test_a_portrait_speaks_with_the_voice_that_suits_it_unless_another_is_named(running, viewer):
    running.hub.portraits.find("ben").voice = "whistle"
    seen = await viewer(offer={"portrait": "ben"})
    for wish in ({"text": "a"}, {"text": "b", "voice": "hum"}):
        await running.http.post(f"/api/sessions/{seen.id}/say", json=wish)
    await seen.until(lambda _: len(running.voice.spoken_by) == 2)
    assert running.voice.spoken_by == ["whistle", "hum"]


async def test_a_broken_voice_is_told_and_the_face_lives_on(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "hello", "voice": "broken"})
    await seen.until(lambda v: "error" in v.kinds())
    count = len(seen.pictures)
    await seen.until(lambda v: len(v.pictures) > count + 5)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "again"})
    await seen.until(lambda v: "speaking_started" in v.kinds())


async def test_a_second_visitor_is_told_that_the_server_is_taken(running, viewer):
    first = await viewer()
    assert first.response.status_code == 201
    second = await viewer()
    assert second.response.status_code == 503
    assert "taken" in second.response.json()["error"]["message"]
    await first.until(lambda v: len(v.pictures) > 5)
    await running.http.delete(f"/api/sessions/{first.id}")
    third = await viewer()
    assert third.response.status_code == 201


async def test_two_who_come_at_once_do_not_share_the_place(viewer):
    both = await asyncio.gather(viewer(), viewer())
    assert sorted(each.response.status_code for each in both) == [201, 503]


async def test_leaving_frees_the_engine_and_every_task(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: len(v.pictures) > 5)
    assert (await running.http.post(f"/api/sessions/{seen.id}/leave")).status_code == 204
    assert (await running.http.get(f"/api/sessions/{seen.id}")).status_code == 404
    assert len(running.hub.registry) == 0
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"player", "texts", "report", "speak", "microphone"}


async def test_many_sessions_leave_nothing_behind(running, viewer):
    def open_things() -> tuple[int, int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), len(asyncio.all_tasks())

    async def visit() -> None:
        seen = await viewer()
        await seen.until(lambda v: len(v.pictures) > 2)
        await running.http.delete(f"/api/sessions/{seen.id}")
        await seen.stop()

    for _ in range(3):
        await visit()  # executors grow to their size
    await asyncio.sleep(0.2)
    before = open_things()
    for _ in range(6):
        await visit()
    await asyncio.sleep(0.2)
    after = open_things()
    assert all(b <= a + 3 for a, b in zip(before, after, strict=True)), (before, after)


async def test_a_failing_engine_ends_the_session_in_words(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: len(v.pictures) > 3)

    def fail(engine):
        def step(batch):
            raise ValueError("out of memory")

        engine.step = step

    await running.hub.bridge._call(fail)
    await seen.until(lambda v: "ended" in v.kinds() or not len(running.hub.registry))
    async with asyncio.timeout(10):
        while len(running.hub.registry):
            await asyncio.sleep(0.05)
    assert next(m for m in seen.told if m["type"] == "ended")["reason"] == "the engine failed"


class TestVanished:
    """Browsers that go without a word."""

    @pytest.fixture
    def settings(self, settings: ServerSettings) -> ServerSettings:
        return replace(settings, heartbeat_timeout_s=2.5, connect_timeout_s=1.0)

    async def test_a_killed_browser_frees_its_place(self, running, viewer):
        seen = await viewer()
        await seen.until(lambda v: len(v.pictures) > 5 and any(m["type"] == "pong" for m in v.told))
        await seen.vanish()
        async with asyncio.timeout(8):
            while len(running.hub.registry):
                await asyncio.sleep(0.05)

    async def test_a_peer_that_never_connects_frees_its_place(self, running, viewer):
        seen = await viewer()
        await seen.vanish()
        await seen.pc.close()
        async with asyncio.timeout(10):
            while len(running.hub.registry):
                await asyncio.sleep(0.05)
