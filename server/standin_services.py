"""Stand-ins for services with OpenAI's interface on a loopback port: for tests, and to try a conversation
without any model. They hum, always answer the same and always understand the same."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

RATE_HZ = 24_000


@dataclass
class StandIn:
    """What was asked of it, and how it answers."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    reply: str = "That is easy. It is blue because light scatters. Shall I go on?"
    delay_s: float = 0.0
    """Between two bits of an answer."""
    heard: str = "why is the sky blue"
    status: int = 200
    seconds_a_word: float = 0.2
    as_wav: bool = False
    broken_off: int = 0
    """Answers that nobody wanted to hear to their end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> FastAPI:
        app = FastAPI()

        async def noted(request: Request) -> dict[str, Any]:
            self.keys.append(request.headers.get("authorization", ""))
            told: dict[str, Any] = await request.json()
            self.asked.append(told)
            return told

        @app.post("/v1/audio/speech")
        async def speech(request: Request) -> Response:
            told = await noted(request)
            if self.status != 200:
                return JSONResponse({"error": {"message": "no such voice"}}, self.status)
            count = round(len(told["input"].split()) * self.seconds_a_word * RATE_HZ)
            pcm = (np.sin(np.arange(count) / 9) * 9000).astype("<i2").tobytes()
            if self.as_wav:
                head = b"RIFF\xff\xff\xff\xffWAVEfmt " + (16).to_bytes(4, "little")
                head += b"\x01\0\x01\0" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little")
                pcm = head + b"\x02\0\x10\0data\xff\xff\xff\xff" + pcm
            return StreamingResponse(self._bits(pcm), media_type="audio/pcm")

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            await noted(request)
            if self.status != 200:
                return JSONResponse({"error": {"message": "model not loaded"}}, self.status)
            return StreamingResponse(self._written(), media_type="text/event-stream")

        @app.post("/v1/audio/transcriptions")
        async def transcriptions(request: Request) -> Response:
            form = await request.form()
            sound = await form["file"].read()  # type: ignore[union-attr]
            self.asked.append({"bytes": len(sound), "model": form["model"]})
            return JSONResponse({"text": self.heard}, self.status)

        return app

    async def _bits(self, pcm: bytes) -> AsyncIterator[bytes]:
        ended = False
        try:
            for at in range(0, len(pcm), 4799):  # odd on purpose
                yield pcm[at : at + 4799]
                await asyncio.sleep(self.delay_s)
            ended = True
        finally:
            self.broken_off += not ended

    async def _written(self) -> AsyncIterator[str]:
        ended = False
        try:
            for at in range(0, len(self.reply), 5):
                delta = {"choices": [{"delta": {"content": self.reply[at : at + 5]}}]}
                yield f"data: {json.dumps(delta)}\n\n"
                await asyncio.sleep(self.delay_s)
            yield "data: [DONE]\n\n"
            ended = True
        finally:
            self.broken_off += not ended


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIn]:
    """It runs until left."""
    service = StandIn()
    listening = socket.create_server(("127.0.0.1", 0))
    service.port = listening.getsockname()[1]
    config = uvicorn.Config(service.app(), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield service
    finally:
        server.should_exit = True
        await task


def main() -> None:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m server.standin_services", description=__doc__)
    parser.add_argument("--port", type=int, default=8020)
    options = parser.parse_args()
    print(f"Stand-ins for chat, speech and transcription at http://127.0.0.1:{options.port}/v1", flush=True)
    uvicorn.run(StandIn(delay_s=0.02).app(), port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
