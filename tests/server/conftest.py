"""A real server on a loopback port, and a browser-like peer made of aiortc."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from server.app import create_app
from server.run import server_config
from server.settings import ServerSettings
from server.standin import fake_engine, fake_identity, plain_portraits
from server.standin_services import StandIn, standing_in
from server.tts.base import Voice, Voices
from sonic_stream.engine.fake import read_code
from sonic_stream.types import F32

TONE_RATE_HZ = 24_000


class ToneEngine:
    """A voice that hums one second for each word."""

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.spoken_by: list[str] = []
        self.stopped = 0

    @property
    def voices(self) -> list[Voice]:
        return [Voice(name, name.title(), "en") for name in ("hum", "broken", "whistle")]

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[tuple[F32, int]]:
        if voice == "broken":
            raise RuntimeError("out of tune")
        self.spoken.append(text)
        self.spoken_by.append(voice)
        try:
            for _ in text.split():
                at = np.arange(TONE_RATE_HZ, dtype=np.float32) / TONE_RATE_HZ
                sound = (0.3 * np.sin(2 * np.pi * 440 * at)).astype(np.float32)
                for start in range(0, len(sound), 2400):
                    yield sound[start : start + 2400], TONE_RATE_HZ
                    await asyncio.sleep(0)
        finally:
            self.stopped += 1

    async def close(self) -> None:
        return


@dataclass
class Running:
    """A server, a client to it and its voice."""

    port: int
    http: httpx.AsyncClient
    voice: ToneEngine
    app: Any

    @property
    def hub(self) -> Any:
        return self.app.state.hub

    def socket_url(self, session_id: str) -> str:
        return f"ws://127.0.0.1:{self.port}/api/sessions/{session_id}/audio"


async def serve(settings: ServerSettings, voice: ToneEngine | None = None) -> AsyncIterator[Running]:
    voice = voice or ToneEngine()
    app = create_app(settings, fake_engine, fake_identity, Voices([voice]))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(server_config(app, settings))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    port = listening.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
        yield Running(port, http, voice, app)
    server.should_exit = True
    await task


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(portraits_dir=plain_portraits(tmp_path))


@pytest.fixture
async def service() -> AsyncIterator[StandIn]:
    """A chat model, a voice and a transcription service."""
    async with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
async def running(settings: ServerSettings) -> AsyncIterator[Running]:
    async for server in serve(settings):
        yield server


@dataclass
class Viewer:
    """Sees, hears and answers like the page does, but reads numbers out of the pictures."""

    http: httpx.AsyncClient
    mode: str = "assistant"
    microphone: MediaStreamTrack | None = None
    heartbeat: bool = True
    codec: str | None = None
    id: str = ""
    pictures: list[tuple[int, int, int]] = field(default_factory=list)
    """pts in 1/90000 s, the number drawn, the grey of the middle."""
    packets: list[tuple[int, float]] = field(default_factory=list)
    """pts in samples, mean loudness."""
    told: list[dict[str, Any]] = field(default_factory=list)

    async def start(self, **offer: Any) -> Viewer:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if self.microphone is not None:
            self.pc.addTrack(self.microphone)
        else:
            self.pc.addTransceiver("audio", direction="recvonly")
        video = self.pc.addTransceiver("video", direction="recvonly")
        if self.codec is not None:
            known = video.receiver.getCapabilities("video").codecs
            video.setCodecPreferences([c for c in known if c.mimeType.lower() == self.codec])
        self.tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", lambda track: self.tasks.append(asyncio.create_task(self._read(track))))
        if self.heartbeat:
            self.channel = self.pc.createDataChannel("control")
            self.channel.on("message", lambda m: self.told.append(json.loads(m)))
            self.tasks.append(asyncio.create_task(self._beat()))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        body = {"sdp": self.pc.localDescription.sdp, "mode": self.mode, **offer}
        self.response = await self.http.post("/api/sessions", json=body)
        if self.response.status_code == 201:
            answer = self.response.json()
            self.id = answer["id"]
            await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return self

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            data = frame.to_ndarray(format="rgb24") if track.kind == "video" else frame.to_ndarray()
            if track.kind == "video":
                middle = int(data[data.shape[0] // 2, data.shape[1] // 2, 1])
                self.pictures.append((frame.pts, read_code(data), middle))
            else:
                self.packets.append((frame.pts, float(np.abs(data.astype(np.float32)).mean())))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self.channel.readyState == "open":
                self.channel.send('{"type": "ping", "t": 1}')

    async def until(self, done: Callable[[Viewer], object], seconds: float = 20) -> None:
        """Waits for something that the viewer will see; fails when it does not happen."""
        async with asyncio.timeout(seconds):
            while not done(self):
                await asyncio.sleep(0.02)

    def kinds(self) -> list[str]:
        return [m["type"] for m in self.told if m["type"] not in ("stats", "pong", "attention")]

    async def vanish(self) -> None:
        """As a killed browser does: not a word."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def stop(self) -> None:
        await self.vanish()
        await self.pc.close()


@pytest.fixture
async def viewer(running: Running) -> AsyncIterator[Callable[..., Any]]:
    """Makes viewers of the running server and sends them home at the end."""
    viewers: list[Viewer] = []

    async def make(offer: dict[str, Any] | None = None, **how: Any) -> Viewer:
        new = Viewer(running.http, **how)
        viewers.append(new)
        return await new.start(**(offer or {}))

    yield make
    for each in viewers:
        await each.stop()
