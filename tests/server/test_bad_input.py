"""Whatever is thrown at the server: a status and a sentence, the other session untouched, nothing leaked."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import websockets

from server.settings import ServerSettings


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    return replace(settings, capacity=2)


@pytest.fixture
async def bystander(running, viewer):
    """A session that must not notice; afterwards it is asked whether it did."""
    seen = await viewer()
    await seen.until(lambda v: len(v.pictures) > 5)
    yield seen
    count = len(seen.pictures)
    await seen.until(lambda v: len(v.pictures) > count + 10, 5)
    status = (await running.http.get(f"/api/sessions/{seen.id}")).json()
    assert status["connection"] == "connected" and status["epoch"] == 0


@pytest.fixture
async def victim(viewer, bystander):
    """The session that is mistreated."""
    seen = await viewer()
    await seen.until(lambda v: len(v.pictures) > 5)
    return seen


def refusal(response, status: int) -> str:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["message"].endswith((".", ")."))
    return error["message"]


async def closed(socket, code: int) -> list[dict]:
    """What a socket is told until it is closed with `code`."""
    told = []
    try:
        async with asyncio.timeout(15):
            while True:
                told.append(json.loads(await socket.recv()))
    except websockets.ConnectionClosed as end:
        assert end.rcvd is not None and end.rcvd.code == code
    return told


async def test_malformed_offers_and_bodies(running, bystander):
    async def post(body: bytes, kind: str = "application/json"):
        return await running.http.post("/api/sessions", content=body, headers={"content-type": kind})

    offers = [
        "",
        "hello",
        "m=audio\nm=video",
        "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 0\r\n",
        "\0m=audio m=video",
    ]
    for sdp in offers:
        refusal(await post(json.dumps({"sdp": sdp}).encode()), 422)
    for body in (b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}" * 9, b"[" * 50_000):
        refusal(await post(body), 422)
    refusal(await post(b'{"sdp": "' + b"x" * 200_000 + b'"}'), 422)
    refusal(await post(b'{"sdp": "' + b"x" * 300_000 + b'"}'), 413)
    assert len(running.hub.registry) == 1


async def test_a_text_of_100_000_characters(running, victim):
    url = f"/api/sessions/{victim.id}"
    for path in ("say", "ask"):
        message = refusal(await running.http.post(f"{url}/{path}", json={"text": "x" * 100_000}), 422)
        assert "100000" in message and "5000" in message
    refusal(await running.http.post(f"{url}/say", json={"text": "😀" * 100_000}), 413)


@pytest.mark.parametrize(
    "values",
    [
        {"dynamic_scale": 2.01},
        {"motion_scale": -0.01},
        {"dynamic_scale": "NaN"},
        {"dynamic_scale": 1e308},
        {"dynamic_scale": True},
        {"dynamic_scale": None},
        {"dynamic_scale": [1]},
        {"inference_steps": 0},
        {"inference_steps": 1.5},
        {"seed": -1},
        {"seed": 2**40},
        {"mood": "hungry"},
        {"mood_amount": 2},
        {"volume": 1},
    ],
)
async def test_controls_out_of_range_change_nothing(running, viewer, values):
    seen = await viewer()
    url = f"/api/sessions/{seen.id}/controls"
    before = (await running.http.post(url, json={})).json()
    message = refusal(await running.http.post(url, json=values), 422)
    assert next(iter(values)) in message
    assert (await running.http.post(url, json={})).json() == before


async def test_unknown_sessions_everywhere(running, bystander):
    post = running.http.post
    for path, body in {
        "say": {"text": "x"},
        "ask": {"text": "x"},
        "interrupt": None,
        "resume": None,
        "controls": {},
        "mode": {"mode": "assistant"},
        "voice_interrupt": {"voice_interrupt": "off"},
        "leave": None,
    }.items():
        refusal(await post(f"/api/sessions/nobody/{path}", json=body), 404)
    refusal(await running.http.get("/api/sessions/../../etc/passwd"), 404)
    refusal(await running.http.get("/api/sessions/%00"), 404)
    refusal(await running.http.delete("/api/sessions/nobody"), 404)


async def test_without_a_chat_model_asking_says_so(running, victim):
    message = refusal(await running.http.post(f"/api/sessions/{victim.id}/ask", json={"text": "x"}), 503)
    assert "--chat-url" in message


async def test_a_message_of_10_mb(running, victim):
    async with websockets.connect(running.socket_url(victim.id), max_size=None) as socket:
        await socket.send('{"rate": 16000}')
        await socket.recv()
        with suppress(websockets.ConnectionClosed):
            await socket.send(b"\0" * 10_000_000)
        await closed(socket, 1009)
    count = len(victim.pictures)
    await victim.until(lambda v: len(v.pictures) > count + 5)
    await speaks(running, victim)


async def speaks(running, seen) -> None:
    """The session still takes a program's sound."""
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await socket.send('{"rate": 16000}')
        await socket.send((np.sin(np.arange(8000) / 8) * 9000).astype("<i2").tobytes())
        await socket.send('{"end": true}')
        async with asyncio.timeout(10):
            while json.loads(await socket.recv())["type"] != "speaking_finished":
                pass


FLOOD = """
import asyncio, sys, websockets
async def main(url, text, data):
    async with websockets.connect(url) as socket:
        await socket.send('{"rate": 16000}')
        await socket.recv()
        try:
            for _ in range(10_000):
                await socket.send(bytes.fromhex(data) if data else text)
            async for message in socket:
                pass
        except websockets.ConnectionClosed:
            pass
        print(socket.close_code)
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "message", [b"\0", b"\0\0\0\0", '{"end": true}', '{"caption": "x"}', '{"interrupt": true}'], ids=str
)
async def test_10_000_messages_at_once(running, victim, bystander, message):
    words = (message, "") if isinstance(message, str) else ("", message.hex())
    flood = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FLOOD, running.socket_url(victim.id), *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(flood.communicate(), 30)
    assert out.strip() == b"4422"
    assert not running.hub.registry.find(victim.id)._socket_taken
    await speaks(running, victim)


async def test_a_browser_that_floods_its_channel_is_sent_away(running, victim, bystander):
    async with asyncio.timeout(30):
        while "ended" not in victim.kinds() and len(running.hub.registry) == 2:
            for _ in range(100):
                if victim.channel.readyState == "open":
                    victim.channel.send('{"type": "ping", "t": 1}')
            await asyncio.sleep(0.02)
        while len(running.hub.registry) == 2:
            await asyncio.sleep(0.02)


async def test_nonsense_on_the_data_channel_is_passed_over(victim):
    for message in ("", "x", "[]", "null", b"\0\xff", '{"type": "want"}', "9" * 2000, '{"type": []}'):
        victim.channel.send(message)
    pongs = sum(m["type"] == "pong" for m in victim.told)
    await victim.until(lambda v: sum(m["type"] == "pong" for m in v.told) > pongs)


async def test_pcm_of_another_width_than_announced_is_at_worst_noise(running, victim):
    rng = np.random.default_rng(0)
    for kind in ("s16le", "f32le"):
        async with websockets.connect(running.socket_url(victim.id)) as socket:
            await socket.send(json.dumps({"rate": 16_000, "format": kind}))
            await socket.recv()
            # 24-bit sound, and not even whole samples of that.
            await socket.send(rng.integers(0, 255, 10_001, np.uint8).tobytes())
            await socket.send('{"end": true}')
            async with asyncio.timeout(10):
                told = json.loads(await socket.recv())
                while told["type"] not in ("speaking_finished", "error"):
                    told = json.loads(await socket.recv())
    await speaks(running, victim)


@pytest.mark.parametrize("rate", [0, -1, 3999, 400_000, 10**30, 16_000.5, "16000", None, True])
async def test_rates_that_no_sound_has(running, viewer, rate):
    seen = await viewer()
    async with websockets.connect(running.socket_url(seen.id)) as socket:
        await socket.send(json.dumps({"rate": rate}))
        told = await closed(socket, 4422)
    assert told[0]["type"] == "error" and "rate" in told[0]["message"]


async def test_two_claims_on_one_session(running, victim):
    async with websockets.connect(running.socket_url(victim.id)) as first:
        await first.send('{"rate": 16000}')
        await first.recv()
        seconds = [websockets.connect(running.socket_url(victim.id)) for _ in range(5)]
        for second in seconds:
            async with second as socket:
                told = await closed(socket, 4503)
                assert "Another program" in told[0]["message"]
        refusal(await running.http.post(f"/api/sessions/{victim.id}/say", json={"text": "x"}), 503)
    await speaks(running, victim)


async def test_none_of_it_leaves_anything_behind(running, victim):
    def open_things() -> tuple[int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks())

    async def mistreat() -> None:
        await running.http.post("/api/sessions", json={"sdp": "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 0\r\n"})
        await running.http.post(
            f"/api/sessions/{victim.id}/whep",
            content="v=0\r\nm=video 9 X 0\r\n",
            headers={"content-type": "application/sdp"},
        )
        for first in ("x", '{"rate": 1}', b"\0"):
            async with websockets.connect(running.socket_url(victim.id)) as socket:
                await socket.send(first)
                await closed(socket, 4422)

    await mistreat()
    await asyncio.sleep(0.2)
    before = open_things()
    for _ in range(5):
        await mistreat()
    await asyncio.sleep(0.2)
    assert all(now <= then + 2 for then, now in zip(before, open_things(), strict=True))
