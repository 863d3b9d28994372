"""A voice through the audio socket of a session: `python -m client.speak FILE` for a face that is running.

Any file that can be decoded, at the pace of the server (or of a microphone with `--live`); what happens
is printed as it is told. The face has to be on the air: somebody opened the page and pressed Start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import websockets

from client.server import DEFAULT_ADDRESS, Server
from client.sources import file_packets
from sonic_stream.errors import BadInputError, MissingPieceError, SonicError
from sonic_stream.timebase import TICK_RATE

FINISH_S = 30.0
"""How long after its length the end of what was sent may take."""
GRACE_S = 1.5
"""A source that paused longer than the server waits may have ended already: so long is waited for more."""


async def only_session(server: Server) -> str:
    """The id of the face that is on the air. Errors: `MissingPieceError`."""
    sessions = await server.sessions()
    if not sessions:
        raise MissingPieceError("No face is on the air; open the page and press Start first.")
    return str(sessions[-1]["id"])


def _untrusting(server: Server) -> ssl.SSLContext | None:
    if not (server.insecure and server.url.startswith("https")):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def push(
    server: Server,
    session_id: str,
    chunks: AsyncIterator[bytes],
    tell: Callable[[dict[str, Any]], None],
    rate_hz: int = TICK_RATE,
    live: bool = False,
    channels: int = 1,
) -> None:
    """Speaks s16le chunks and returns when all of it was spoken. Errors: `SonicError`."""
    how: dict[str, Any] = {"ssl": context} if (context := _untrusting(server)) else {}
    try:
        async with websockets.connect(server.audio_url(session_id), proxy=None, **how) as socket:
            layout = {"rate": rate_hz, "format": "s16le", "channels": channels, "live": live}
            await socket.send(json.dumps(layout))
            sent = asyncio.create_task(_send(socket, chunks), name="send")
            try:
                await _listen(socket, tell, sent, 2 * channels * rate_hz)
            finally:
                sent.cancel()
                await asyncio.gather(sent, return_exceptions=True)
    except (OSError, websockets.InvalidHandshake) as error:
        raise MissingPieceError(f"The audio socket of {server.url} cannot be reached ({error}).") from None


async def _send(socket: websockets.ClientConnection, chunks: AsyncIterator[bytes]) -> int:
    count = 0
    with contextlib.suppress(websockets.ConnectionClosed):  # `_listen` is told why
        async for chunk in chunks:
            await socket.send(chunk)
            count += len(chunk)
        await socket.send('{"end": true}')
    return count


async def _listen(
    socket: websockets.ClientConnection,
    tell: Callable[[dict[str, Any]], None],
    sent: asyncio.Task[int],
    bytes_per_s: int,
) -> None:
    """Until everything that was sent has been spoken."""
    speaking = spoken = False
    while True:
        told = await _next(socket, sent, bytes_per_s, GRACE_S if spoken and not speaking else FINISH_S)
        if told is None:
            if sent.done() and spoken and not speaking:
                return  # it had ended by itself before the last byte was sent
            continue
        if told["type"] == "error":
            raise BadInputError(told["message"])
        tell(told)
        if told["type"] in ("ended", "closed"):
            raise SonicError(f"The session ended: {told.get('reason', 'the server closed it')}.")
        if told["type"] == "speaking_started":
            speaking = True
        elif told["type"] == "speaking_finished":
            speaking, spoken = False, True
            if sent.done():
                return


async def _next(
    socket: websockets.ClientConnection, sent: asyncio.Task[int], bytes_per_s: int, patience_s: float
) -> dict[str, Any] | None:
    """The next message; None when the last byte went out, or a grace has passed. Errors: `SonicError`."""
    receiving = asyncio.create_task(socket.recv())
    if sent.done():
        await asyncio.wait({receiving}, timeout=patience_s + sent.result() / bytes_per_s)
    else:
        await asyncio.wait({receiving, sent}, return_when=asyncio.FIRST_COMPLETED)
    if not receiving.done():
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        if patience_s >= FINISH_S and not sent.done():
            raise SonicError("The server did not tell the end of the speech.")
        if not sent.result():  # raises what the source raised
            raise BadInputError("There was no sound to speak.")
        return None
    try:
        told: dict[str, Any] = json.loads(receiving.result())
    except websockets.ConnectionClosed as error:
        raise SonicError(f"The server closed the audio socket ({error.reason or 'no reason'}).") from None
    return told


async def speak(address: str, path: str, live: bool) -> None:
    """A file through the face that is on the air. Errors: `SonicError`."""
    async with Server(address) as server:
        chunks = file_packets(path, live)
        await push(server, await only_session(server), chunks, print_event, live=live)


def print_event(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m client.speak", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--server", default=DEFAULT_ADDRESS)
    parser.add_argument("--live", action="store_true", help="send as a microphone would")
    options = parser.parse_args()
    try:
        asyncio.run(speak(options.server, options.file, options.live))
    except SonicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
