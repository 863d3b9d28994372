"""The WebSocket of those who only listen: every event of a session, and its statistics.

`ws://HOST/api/sessions/ID/events`, with `?mouth=1` also mouth shapes. What is sent to it is not read.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from server.hub import hub_of
from server.pcm_socket import refuse, tell
from sonic_stream.errors import SonicError

events = APIRouter()


@events.websocket("/api/sessions/{session_id}/events")
async def listen(socket: WebSocket, session_id: str, mouth: bool = False) -> None:
    """See the module's text."""
    await socket.accept()
    try:
        face = hub_of(socket).registry.find(session_id)
    except SonicError as error:
        await refuse(socket, error)
        return
    listener = face.teller.listen(mouth, stats=True)
    telling = asyncio.create_task(tell(socket, listener), name="events")
    leaving = asyncio.create_task(_until_gone(socket), name="events-end")
    try:
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        face.teller.unlisten(listener)
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)
    if socket.client_state.name == "CONNECTED" and socket.application_state.name == "CONNECTED":
        await socket.close(1000)


async def _until_gone(socket: WebSocket) -> None:
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            await asyncio.sleep(0.05)
    except (WebSocketDisconnect, RuntimeError):
        return
