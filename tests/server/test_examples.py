"""The examples of the documentation, run as they are against a running server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.endpoints import Endpoint
from server.settings import ServerSettings, ServiceSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


async def run_example(name: str, port: int, folder: Path, *arguments: str) -> str:
    """Runs a copy that differs only in the port."""
    text = (EXAMPLES / name).read_text()
    assert "127.0.0.1:8010" in text
    copy = folder / name
    copy.write_text(text.replace("127.0.0.1:8010", f"127.0.0.1:{port}"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(copy),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return out.decode()


async def test_a_wav_file_is_spoken(running, viewer, tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(44_100)
        tone = (np.sin(np.arange(44_100) / 20) * 9000).astype("<i2")
        out.writeframes(np.repeat(tone, 2).tobytes())
    assert "press Start" in await run_example("push_pcm.py", running.port, tmp_path, str(path))
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    told = await run_example("push_pcm.py", running.port, tmp_path, str(path))
    assert "speaking_finished" in told
    assert sum(loudness > 500 for _, loudness in seen.packets) > 30


async def test_a_text_is_spoken(running, viewer, tmp_path):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await run_example("say.py", running.port, tmp_path, "good", "day")
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    assert running.voice.spoken == ["good day"]


async def test_captions_are_printed_as_they_are_heard(running, viewer, tmp_path):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    listening = asyncio.create_task(run_example("captions.py", running.port, tmp_path))
    listeners = running.hub.registry.find(seen.id).teller._listeners
    async with asyncio.timeout(20):
        while not listeners:
            await asyncio.sleep(0.02)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "Good day."})
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    await running.http.delete(f"/api/sessions/{seen.id}")
    told = await listening
    assert "Good day." in told and "speaking_finished" in told


class TestConversation:
    @pytest.fixture
    def settings(self, settings: ServerSettings, service) -> ServerSettings:
        return replace(settings, services=ServiceSettings(chat=Endpoint(service.url, "small")))

    async def test_an_answer_is_followed_sentence_by_sentence(self, running, viewer, service, tmp_path):
        service.reply = "Yes. It is blue."
        assert "no such session" in await run_example("conversation.py", running.port, tmp_path, "Why?")
        seen = await viewer()
        await seen.until(lambda v: v.pictures)
        told = await run_example("conversation.py", running.port, tmp_path, "Why", "blue?")
        assert told.split("\n")[:2] == ["Yes.", "It is blue."]
        assert service.asked[-1]["messages"][-1]["content"] == "Why blue?"

    async def test_the_stand_in_it_names_can_be_started(self, unused_tcp_port):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server.standin_services", "--port", str(unused_tcp_port),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 20)
            assert f":{unused_tcp_port}/v1" in line.decode()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
