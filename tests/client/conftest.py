"""A server with stand-ins for engine, face and voice, on the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from server.app import create_app
from server.run import server_config
from server.settings import ServerSettings
from server.standin import fake_engine, fake_identity, plain_portraits
from server.tts.base import Voice, Voices
from sonic_stream.types import F32


class Hum:
    """A voice that hums half a second whatever the text."""

    @property
    def voices(self) -> list[Voice]:
        return [Voice("hum", "Hum", "en")]

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[tuple[F32, int]]:
        at = np.arange(12_000, dtype=np.float32) / 24_000
        yield (0.3 * np.sin(2 * np.pi * 440 * at)).astype(np.float32), 24_000

    async def close(self) -> None:
        return


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """`host:port` of a running server."""
    (tmp_path / "portraits").mkdir()
    settings = ServerSettings(portraits_dir=plain_portraits(tmp_path / "portraits"))
    app = create_app(settings, fake_engine, fake_identity, Voices([Hum()]))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(app, settings))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture
def voice_file(tmp_path: Path) -> Path:
    """1.6 s at 16 kHz: noise whose loudness changes every 80 ms, so that it can be found again."""
    rng = np.random.default_rng(5)
    loudness = np.repeat(rng.uniform(0.02, 0.4, 20), 1280)
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((rng.standard_normal(25_600) * loudness * 8000).clip(-32768, 32767).astype("<i2"))
    return path
