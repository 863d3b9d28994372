"""A session of one's own on a server, from offer to farewell, with its events and its clock."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiortc import MediaStreamTrack

from client.peer import Peer, Picture, Sound
from client.server import Server
from sonic_stream.errors import SonicError

EVENT_LIMIT = 256
"""Events that may wait to be read; the oldest goes when there are more."""


class Session:
    """What a running session tells; made by `own_session` and `watched_session`."""

    def __init__(self, server: Server, peer: Peer) -> None:
        self.server = server
        self.peer = peer
        self.id = ""
        self.stats: dict[str, Any] = {}
        """The last that the server told of itself; empty for a while, and for viewers."""
        self.answered_s: float | None = None
        """When the server's answer came (`time.time()`)."""
        self.ended: str | None = None
        """Why the server ended it, if it did."""
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(EVENT_LIMIT)

    @property
    def origin_s(self) -> float | None:
        """When the server's media clock began, on the server's clock; events count from there."""
        origin = self.stats.get("origin_s")
        return float(origin) if origin else None

    def take(self, told: dict[str, Any]) -> None:
        """One message of the server."""
        kind = told.get("type")
        if kind == "stats":
            self.stats = told
            return
        if kind in ("ended", "closed"):
            self.ended = str(told.get("reason") or "the server closed it")
        if kind != "pong":
            if self.events.full():
                self.events.get_nowait()
            self.events.put_nowait(told)

    async def until(self, kind: str, timeout_s: float) -> dict[str, Any]:
        """The next event of this kind; the others are passed over. Errors: `SonicError`."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    told = await self.events.get()
                    if told.get("type") == kind:
                        return told
                    if told.get("type") in ("error", "ended", "closed"):
                        raise SonicError(str(told.get("message") or self.ended or "The server gave up."))
        except TimeoutError:
            raise SonicError(
                f"The server did not tell '{kind}' within {timeout_s:.0f} s; is it busy?"
            ) from None


@contextlib.asynccontextmanager
async def own_session(
    server: Server,
    on_picture: Callable[[Picture], None],
    on_sound: Callable[[Sound], None],
    portrait: str | None = None,
    mode: str = "assistant",
    microphone: MediaStreamTrack | None = None,
    controls: dict[str, Any] | None = None,
) -> AsyncIterator[Session]:
    """A session that stands (its first packets are on their way); ended on the way out.

    `portrait` is a file, an id or a name. Errors: `SonicError`.
    """
    wishes: dict[str, Any] = {"mode": mode, "controls": controls or {}}
    if portrait is not None:
        wishes["portrait"] = await server.portrait(portrait)
    told: list[Session] = []
    ice_servers = await server.ice_servers()
    peer = Peer(on_picture, on_sound, lambda message: told[0].take(message), ice_servers)
    session = Session(server, peer)
    told.append(session)
    try:
        answer = await server.open(await peer.offer(microphone), **wishes)
        session.id, session.answered_s = str(answer["id"]), time.time()
        await peer.accept(str(answer["sdp"]))
        await peer.until_connected()
        yield session
    finally:
        if session.id and session.ended is None:
            with contextlib.suppress(SonicError):
                await server.close(session.id)
        await peer.close()


@contextlib.asynccontextmanager
async def watched_session(
    server: Server,
    session_id: str,
    on_picture: Callable[[Picture], None],
    on_sound: Callable[[Sound], None],
) -> AsyncIterator[Session]:
    """Somebody else's session, watched through WHEP. Errors: `SonicError`."""
    peer = Peer(on_picture, on_sound, ice_servers=await server.ice_servers())
    session = Session(server, peer)
    location = ""
    try:
        answer, location = await server.watch(session_id, await peer.offer(channel=False))
        session.id = session_id
        await peer.accept(answer)
        await peer.until_connected()
        yield session
    finally:
        if location:
            with contextlib.suppress(SonicError):
                await server.leave(location)
        await peer.close()
