"""The application: routes, the page, and the life of everything behind them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from server import errors, events_socket, pcm_socket, routes, whep
from server.hub import Hub
from server.ice import allow_loopback_only_hosts, configuration
from server.portraits import IdentityFactory
from server.settings import ServerSettings
from server.tts.base import Voices
from sonic_stream.engine.base import Engine
from sonic_stream.errors import MissingPieceError, SonicError

_log = logging.getLogger(__name__)


def create_app(
    settings: ServerSettings,
    engine_factory: Callable[[], Engine],
    identity_factory: IdentityFactory,
    voices: Voices,
) -> FastAPI:
    """A server whose engine is made by `engine_factory` on the engine's own thread.

    Errors: `BadInputError` for settings that cannot be used, `MissingPieceError` without the page.
    """
    if not (settings.static_dir / "index.html").is_file():
        raise MissingPieceError(
            f"The page's files are not at {settings.static_dir}; run the server from a clone of the project,"
            " installed with pip install -e ."
        )
    configuration(settings.ice_servers)  # a wrong address is told now, not at the first visitor

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        allow_loopback_only_hosts()
        hub = Hub(settings, engine_factory, identity_factory, voices)
        app.state.hub = hub
        warming = asyncio.create_task(_warm(hub), name="warm")
        try:
            yield
        finally:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await hub.close()

    app = FastAPI(title="Sonic Stream", lifespan=life, docs_url=None, redoc_url=None)
    errors.install(app)
    app.add_middleware(errors.Limits, settings=settings)
    app.include_router(routes.api)
    app.include_router(routes.operators)
    app.include_router(whep.whep)
    app.include_router(pcm_socket.sockets)
    app.include_router(events_socket.events)

    @app.middleware("http")
    async def no_stale_page(request: Request, call_next: Callable[..., object]) -> Response:
        response = await call_next(request)  # type: ignore[misc]
        assert isinstance(response, Response)
        if not request.url.path.startswith("/api"):
            response.headers["Cache-Control"] = "no-cache"
        return response

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(settings.static_dir / "index.html")

    @app.get("/api/docs", include_in_schema=False)
    async def reference() -> FileResponse:
        # The framework's own page loads its script from elsewhere, so it is empty without the internet.
        return FileResponse(settings.static_dir / "reference.html")

    app.mount("/static", StaticFiles(directory=settings.static_dir), name="static")
    return app


async def _warm(hub: Hub) -> None:
    """Reads the first portrait while nobody is there yet, so that the first visitor need not wait."""
    try:
        portrait = hub.portraits.find(None)
        await hub.bridge.loaded()
        await hub.bridge.prepare(await hub.portraits.identity(portrait))
    except SonicError as error:  # the page tells a visitor the same; the operator is told before
        _log.warning("The portrait to begin with cannot be used yet: %s", error)
