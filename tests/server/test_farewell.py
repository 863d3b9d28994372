"""What an operator reads when a server begins badly and when it ends."""

from __future__ import annotations

import asyncio
import logging
import socket

import httpx
import uvicorn

from server.app import create_app
from server.run import server_config
from server.standin import fake_engine
from server.tts.base import Voices
from sonic_stream.errors import NoFaceError


def faceless(image, settings):
    raise NoFaceError("No face was found in the picture.")


async def test_a_bad_first_portrait_is_told_and_a_waiting_request_leaves_no_traceback(settings, caplog):
    app = create_app(settings, fake_engine, faceless, Voices([]))
    begun = asyncio.Event()

    @app.get("/never")
    async def never() -> None:
        begun.set()
        await asyncio.Event().wait()

    config = server_config(app, settings)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    caplog.set_level(logging.WARNING)
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)  # its messages do not reach the root
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
        asking = asyncio.create_task(http.get("/never"))
        await asyncio.wait_for(begun.wait(), 10)
        while not caplog.records:
            await asyncio.sleep(0.01)
        server.should_exit = True
        await serving
        await asyncio.gather(asking, return_exceptions=True)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["The portrait to begin with cannot be used yet: No face was found in the picture."]
