"""WebSockets that leave everybody else a turn: uvicorn's protocol, told to take little at a time.

The event loop reads up to 256 kB of a connection at once, and all messages in it are unpacked before anything
else happens: thousands of tiny ones, or hundreds of thousands if they were compressed, stop every session's
picture meanwhile. Sound hardly shrinks by compression anyway, so none is offered (`server_config`).
"""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

READ_BYTES = 8 * 1024
"""At once; unpacking as many of the shortest messages takes some ten milliseconds."""


class FairSocket(WebSocketsSansIOProtocol):
    """One connection."""

    def connection_made(self, transport: BaseTransport) -> None:
        socket: Any = transport
        if hasattr(socket, "max_size"):  # asyncio's name; connections over TLS have no such limit
            socket.max_size = READ_BYTES
        super().connection_made(transport)
