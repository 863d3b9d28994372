"""What a program sends ahead waits in order and in bounds, and an interruption overtakes it."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import websockets

from server.read_ahead import ReadAhead, Sent


async def test_it_is_a_queue_that_ends():
    ahead = ReadAhead()
    for data in (b"one", None, b"two"):
        await ahead.put(Sent(data, 0))
    ahead.close()
    taken = [await ahead.take() for _ in range(4)]
    assert [sent and sent.data for sent in taken] == [b"one", None, b"two", None]
    assert taken[1] is not None and taken[3] is None


async def test_a_full_one_lets_the_writer_wait():
    ahead = ReadAhead(limit=10)
    await ahead.put(Sent(b"0123456789", 0))
    writing = asyncio.create_task(ahead.put(Sent(b"x", 0)))
    await asyncio.sleep(0)
    assert not writing.done()
    await ahead.take()
    await writing
    assert (await ahead.take()) == Sent(b"x", 0)


async def test_a_reader_waits_for_what_comes_and_clearing_makes_room():
    ahead = ReadAhead(limit=1)
    taking = asyncio.create_task(ahead.take())
    await asyncio.sleep(0)
    await ahead.put(Sent(b"first", 1))
    assert await taking == Sent(b"first", 1)
    await ahead.put(Sent(b"second", 1))
    writing = asyncio.create_task(ahead.put(Sent(b"third", 2)))
    await asyncio.sleep(0)
    ahead.clear()
    await writing
    assert await ahead.take() == Sent(b"third", 2)


def noise(seconds: float) -> bytes:
    return (np.random.default_rng(1).standard_normal(round(seconds * 16_000)) * 4000).astype("<i2").tobytes()


async def send_minutes(socket: websockets.ClientConnection) -> None:
    """Far more than is kept for play-out, and more than TCP's buffers on loopback hold."""
    await socket.send(json.dumps({"rate": 16_000}))
    for _ in range(8):
        await socket.send(noise(30))


async def until(socket: websockets.ClientConnection, kind: str) -> dict[str, object]:
    while True:
        told: dict[str, object] = json.loads(await asyncio.wait_for(socket.recv(), 20))
        if told["type"] == kind:
            return told


async def test_a_program_that_sends_minutes_ahead_is_still_answered(running, viewer):
    seen = await viewer()
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await send_minutes(socket)
        await until(socket, "speaking_started")
        await asyncio.wait_for(await socket.ping(), 5)


async def test_an_interruption_overtakes_what_was_sent_before_it(running, viewer):
    seen = await viewer()
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await send_minutes(socket)
        await until(socket, "speaking_started")
        await socket.send('{"interrupt": true}')
        assert (await until(socket, "speaking_finished"))["interrupted"]
        await socket.send(noise(0.5) + b"\x01")
        await socket.send(b"\x02" + noise(0.5))
        await socket.send('{"end": true}')
        await until(socket, "speaking_started")
        finished = await until(socket, "speaking_finished")
        assert not finished["interrupted"] and 0.9 < finished["position_s"] < 1.2


async def test_a_request_to_interrupt_drops_what_is_read_ahead_too(running, viewer):
    seen = await viewer()
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await send_minutes(socket)
        await until(socket, "speaking_started")
        await asyncio.wait_for(await socket.ping(), 5)  # all of it was read
        await running.http.post(f"/api/sessions/{seen.id}/interrupt")
        await until(socket, "speaking_finished")
        await asyncio.sleep(0.3)
        assert running.hub.registry.find(seen.id).session.state.value == "idle"
