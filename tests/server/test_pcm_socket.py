"""A program speaks through the audio socket."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from server.fair_socket import READ_BYTES, FairSocket
from server.pcm_socket import CHUNKS_BURST, UNBROKEN_CHUNKS, Format, PcmReader, _Pace, read_format
from server.run import server_config
from sonic_stream.errors import BadInputError


def tone(seconds: float, rate_hz: int, kind: str = "<i2") -> bytes:
    wave = 0.3 * np.sin(2 * np.pi * 330 * np.arange(round(seconds * rate_hz)) / rate_hz)
    return ((wave * 32767).astype(kind) if kind == "<i2" else wave.astype(kind)).tobytes()


@given(
    st.lists(st.integers(0, 97), max_size=30), st.sampled_from(["s16le", "f32le"]), st.sampled_from([1, 2])
)
def test_bytes_cut_anywhere_are_the_same_sound(cuts: list[int], kind: str, channels: int):
    layout = Format(16_000, kind, channels, False)
    instants = np.random.default_rng(1).uniform(-1, 1, 400 * channels)
    data = (instants * 32767).astype("<i2").tobytes() if kind == "s16le" else instants.astype("<f4").tobytes()
    reader, parts, at = PcmReader(layout), [], 0
    for cut in [*cuts, len(data)]:
        parts.append(reader.read(data[at : at + cut]))
        at += cut
    whole = PcmReader(layout).read(data)
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == 400 and whole.dtype == np.float32


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("rate", "JSON"),
        ("[]", "JSON"),
        ("{}", "rate"),
        ('{"rate": "fast"}', "rate"),
        ('{"rate": 24000, "format": "mp3"}', "s16le"),
        ('{"rate": 24000, "channels": 7}', "channels"),
        ('{"rate": 24000, "bits": 24}', "bits"),
        ('{"rate": 3}', "not usable"),
        ('{"rate": 24000, "live": "yes"}', "live"),
    ],
)
def test_a_first_message_that_says_nothing_usable(message: str, word: str):
    with pytest.raises(BadInputError, match=word):
        read_format(message)


async def test_sound_that_is_pushed_is_spoken_and_told(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await socket.send(json.dumps({"rate": 22_050, "format": "s16le", "channels": 1}))
        assert json.loads(await socket.recv())["type"] == "ready"
        data = tone(1.5, 22_050)
        for at in range(0, len(data), 4001):  # odd on purpose
            await socket.send(data[at : at + 4001])
        await socket.send('{"end": true}')
        told = []
        while not told or told[-1]["type"] != "speaking_finished":
            told.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
        told = [m for m in told if m["type"] != "attention"]
    assert [m["type"] for m in told] == ["speaking_started", "speaking_finished"]
    assert told[1]["position_s"] == pytest.approx(1.5, abs=0.06)
    assert sum(loudness > 500 for _, loudness in seen.packets) > 60


class Wire(asyncio.Transport):
    """As much of a connection as a protocol asks about before the first byte."""

    max_size = 256 * 1024


async def test_a_connection_is_read_in_small_parts_and_not_compressed(running, settings, viewer):
    wire = Wire()
    FairSocket(server_config(running.app, settings), ServerState(), {}).connection_made(wire)
    assert wire.max_size == READ_BYTES
    seen = await viewer()
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        assert socket.protocol.extensions == []


async def test_many_chunks_at_once_leave_everybody_else_a_turn():
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other, pace = asyncio.create_task(somebody_else()), _Pace()
    for _ in range(CHUNKS_BURST // 2):
        await pace.one_more(small=False)
    other.cancel()
    assert turns >= CHUNKS_BURST // 2 // UNBROKEN_CHUNKS - 1


async def test_a_program_that_is_too_fast_is_slowed_down(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    session = running.hub.registry.find(seen.id).session
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await socket.send('{"rate": 48000, "format": "f32le"}')
        chunk = tone(0.5, 48_000, "<f4")
        sending = asyncio.create_task(_send_many(socket, chunk, 600))
        await asyncio.sleep(2)
        assert not sending.done()
        assert session.queued <= 2.6 * 48_000
        sending.cancel()
        socket.transport.abort()


async def _send_many(socket, chunk: bytes, count: int) -> None:
    for _ in range(count):
        await socket.send(chunk)


async def test_one_program_at_a_time_and_text_waits_for_it(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    async with websockets.connect(running.socket_url(seen.id)) as first:
        await first.send('{"rate": 16000}')
        await first.recv()
        async with websockets.connect(running.socket_url(seen.id)) as second:
            told = json.loads(await second.recv())
            assert told["type"] == "error" and "Another program" in told["message"]
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await second.recv()
            assert closed.value.rcvd.code == 4503
        answer = await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "hello"})
        assert answer.status_code == 503 and "socket" in answer.json()["error"]["message"]
    await asyncio.sleep(0.2)
    answer = await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "hello"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("first", "then", "word"),
    [
        ('{"rate": 16000, "format": "s24le"}', None, "s16le"),
        (b"\0\0\0\0", None, "mean first"),
        ('{"rate": 16000}', '{"speed": 2}', "end"),
        ('{"rate": 16000, "format": "f32le"}', np.full(99, np.nan, "<f4").tobytes(), "f32le"),
        ('{"rate": 16000}', b"\0" * (1024 * 1024 + 2), "smaller"),
    ],
)
async def test_what_the_socket_cannot_use_is_told_and_the_face_lives_on(running, viewer, first, then, word):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await socket.send(first)
        if then is not None:
            assert json.loads(await socket.recv())["type"] == "ready"
            await socket.send(then)
        told = json.loads(await asyncio.wait_for(socket.recv(), 5))
        assert told["type"] == "error" and word in told["message"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 4422
    count = len(seen.pictures)
    await seen.until(lambda v: len(v.pictures) > count + 5)


async def test_a_socket_to_nobody_is_closed_with_the_reason(running):
    async with websockets.connect(running.socket_url("nobody")) as socket:
        assert "no such session" in json.loads(await socket.recv())["message"]
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 4404
