"""`sonic-stream serve`: the real engine behind the application, on a port of this machine."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from server.app import create_app
from server.fair_socket import FairSocket
from server.portraits import IdentityFactory
from server.settings import ServerSettings
from server.tts.base import Voices
from server.tts.load import load_voices
from sonic_stream.engine.base import Engine
from sonic_stream.errors import BadInputError
from sonic_stream.types import Identity, PortraitSettings

__all__ = ["ServerSettings", "load_voices", "run_app", "serve"]


def _identify(image: bytes, settings: PortraitSettings) -> Identity:
    from sonic_stream.face import identify

    return identify(image, settings)


def serve(settings: ServerSettings) -> None:
    """Serves until interrupted (Ctrl-C). Errors: `BadInputError` for a port that cannot be used."""

    def engine() -> Engine:
        import cv2
        import torch

        from sonic_stream.engine.local import LocalEngine

        # Pictures are small: a second thread costs more in hand-over than it brings, and the encoders
        # and the network want the other cores.
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return LocalEngine.load(device=settings.device, capacity=settings.capacity)

    run_app(settings, engine, _identify, load_voices(settings.services))


def run_app(
    settings: ServerSettings,
    engine_factory: Callable[[], Engine],
    identity_factory: IdentityFactory,
    voices: Voices,
) -> None:
    """Serves what it is given until interrupted. Errors: `BadInputError`."""
    app = create_app(settings, engine_factory, identity_factory, voices)
    listening = _listen(settings.host, settings.port)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    port = listening.getsockname()[1]
    scheme = "https" if settings.ssl_certfile else "http"
    print(f"Sonic Stream: open {scheme}://{shown}:{port} in a browser. Ctrl-C ends it.", flush=True)
    logging.getLogger("aioice").setLevel(logging.WARNING)
    try:
        uvicorn.Server(server_config(app, settings)).run(sockets=[listening])
    except ssl.SSLError as error:
        raise BadInputError(
            f"The certificate or its key cannot be used ({error.reason or error}); give a PEM"
            " certificate with --ssl-certfile and its unencrypted PEM key with --ssl-keyfile."
        ) from error
    finally:
        listening.close()


def server_config(app: FastAPI, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn runs the application: one process, small WebSocket messages, a short farewell."""
    for name, path in (("certificate", settings.ssl_certfile), ("key", settings.ssl_keyfile)):
        if path is not None and not path.is_file():
            raise BadInputError(f"There is no {name} file at {path}.")
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws=FairSocket,
        ws_max_size=2 * 1024 * 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
        loop="asyncio",
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return config


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of uvicorn's is worth telling: not the traceback of a request that was given up
    because the server ends."""
    gone = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not gone and not str(record.msg).startswith("Cancel ")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        raise BadInputError(
            f"Cannot listen on {host} port {port} ({error}); choose another with --host and --port."
        ) from error
    return listening
