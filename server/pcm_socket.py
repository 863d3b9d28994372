"""The WebSocket a program speaks through: PCM in, events out.

First message, text: `{"rate": 24000, "format": "s16le" | "f32le", "channels": 1, "live": false}`. Then binary
chunks of any size, `{"end": true}` after each utterance if the program knows, `{"caption": "..."}` where a
sentence begins, `{"interrupt": true}` to stop.
Events come back as JSON. A program may send faster than real time: it is read ahead (`server.read_ahead`),
and slowed down by TCP only when that is full.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from server.errors import kind_of
from server.hub import hub_of
from server.live import LiveFace
from server.read_ahead import ReadAhead, Sent
from server.speech import Caption
from server.telling import Listener
from sonic_stream.config import nearest
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.resample import check_rate
from sonic_stream.types import F32

sockets = APIRouter()

MESSAGE_LIMIT = 1024 * 1024
"""Bytes in one message; ten seconds of the fattest sound."""
CHUNKS_PER_S, CHUNKS_BURST = 1000, 2000
"""Chunks that are read in a second, and at once."""
UNBROKEN_CHUNKS = 20
"""After so many everybody else has a turn."""
SMALL_BYTES, SMALL_COST = 64, 10
"""A chunk below this, or a text, counts for so many: nobody needs many of them."""
CAPTION_LIMIT = 1000
"""Characters."""
FORMATS = {"s16le": 2, "f32le": 4}
CLOSE_UNUSABLE, CLOSE_UNKNOWN, CLOSE_TAKEN = 4422, 4404, 4503
"""Close codes: 4000 plus the HTTP status of the same refusal."""


@dataclass(frozen=True, slots=True)
class Format:
    """What the bytes mean."""

    rate_hz: int
    kind: str
    channels: int
    live: bool
    mouth: bool = False
    """Mouth shapes are wanted as events."""

    @property
    def width(self) -> int:
        """Bytes of one instant."""
        return FORMATS[self.kind] * self.channels


def read_format(message: str) -> Format:
    """The first message. Errors: `BadInputError`."""
    try:
        told = json.loads(message)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BadInputError(
            'The first message has to be JSON such as {"rate": 24000, "format": "s16le", "channels": 1}.'
        )
    known = ("rate", "format", "channels", "live", "mouth")
    for name in told:
        if name not in known:
            raise BadInputError(f"There is no field '{name[:40]}'{nearest(name, known) or '.'}")
    rate, kind, channels = told.get("rate"), told.get("format", "s16le"), told.get("channels", 1)
    if not isinstance(rate, int) or isinstance(rate, bool):
        raise BadInputError("'rate' has to be the sample rate in Hz, a whole number such as 24000.")
    if kind not in FORMATS:
        raise BadInputError(f"'format' is {kind!r}, but has to be one of {', '.join(FORMATS)}.")
    if channels not in (1, 2) or isinstance(channels, bool):
        raise BadInputError("'channels' has to be 1 or 2.")
    for name in ("live", "mouth"):
        if not isinstance(told.get(name, False), bool):
            raise BadInputError(f"'{name}' has to be true or false.")
    return Format(check_rate(rate), kind, channels, told.get("live", False), told.get("mouth", False))


class PcmReader:
    """Bytes cut anywhere -> whole samples; keeps the odd bytes for the next chunk."""

    def __init__(self, layout: Format) -> None:
        self._layout = layout
        self._rest = b""

    def read(self, data: bytes) -> F32:
        """float32 [N] mono -1..1. Errors: `BadInputError` for floats that are not finite."""
        return self.decode(self.whole(data))

    def whole(self, data: bytes) -> bytes:
        """The whole samples there are by now, still as bytes."""
        data = self._rest + data
        length = len(data) - len(data) % self._layout.width
        self._rest = data[length:]
        return data[:length]

    def decode(self, whole: bytes) -> F32:
        """What `whole` gave, as `read` does."""
        if self._layout.kind == "s16le":
            samples = np.frombuffer(whole, "<i2").astype(np.float32) / 32768
        else:
            samples = np.frombuffer(whole, "<f4").astype(np.float32)
            if not np.isfinite(samples).all():
                raise BadInputError("The sound holds values that are not numbers; is it really f32le?")
            samples = np.clip(samples, -1, 1)
        if self._layout.channels == 2:
            samples = samples.reshape(-1, 2).mean(axis=1)
        return samples.astype(np.float32)


@sockets.websocket("/api/sessions/{session_id}/audio")
async def audio(socket: WebSocket, session_id: str) -> None:
    """See the module's text."""
    await socket.accept()
    try:
        face = hub_of(socket).registry.find(session_id)
        face.take_socket()
    except SonicError as error:
        await refuse(socket, error)
        return
    events = face.teller.listen()
    telling = asyncio.create_task(tell(socket, events), name="events")
    hearing = asyncio.create_task(_hear(socket, face, events), name="sound")
    try:
        await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, hearing):
            task.cancel()
        ended = await asyncio.gather(telling, hearing, return_exceptions=True)
        face.teller.unlisten(events)
        face.leave_socket()
    for result in ended:
        if isinstance(result, SonicError):
            await refuse(socket, result)
            return
        if isinstance(result, BaseException) and not isinstance(
            result, WebSocketDisconnect | asyncio.CancelledError
        ):
            raise result
    if socket.client_state.name == "CONNECTED" and socket.application_state.name == "CONNECTED":
        await socket.close(1000)


async def refuse(socket: WebSocket, error: SonicError) -> None:
    """Tells why, and closes."""
    code = 4000 + error.http_status
    try:
        await socket.send_json({"type": "error", "kind": kind_of(error), "message": str(error)})
        await socket.close(code, str(error)[:120])
    except (RuntimeError, WebSocketDisconnect):
        return  # gone before it could be told


async def tell(socket: WebSocket, events: Listener) -> None:
    """Sends events until the session is closed."""
    while True:
        event = await events.queue.get()
        if event["type"] == "closed":
            return
        await socket.send_json(event)


async def _hear(socket: WebSocket, face: LiveFace, events: Listener) -> None:
    """Reads and speaks until the program has gone and all it sent was handed on."""
    layout, ahead = await _read_layout(socket, face), ReadAhead()
    if layout is None:
        return
    events.mouth = layout.mouth
    reader = PcmReader(layout)
    reading = asyncio.create_task(_read(socket, face, reader, ahead), name="read ahead")
    speaking = asyncio.create_task(_speak(face, layout, reader, ahead), name="speak ahead")
    try:
        await asyncio.wait({reading, speaking}, return_when=asyncio.FIRST_EXCEPTION)
        for task in (reading, speaking):
            if task.done():
                task.result()
    finally:
        for task in (reading, speaking):
            task.cancel()
        await asyncio.gather(reading, speaking, return_exceptions=True)


async def _read_layout(socket: WebSocket, face: LiveFace) -> Format | None:
    """From the first message; None when the program goes instead. Errors: `BadInputError`."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        return None
    text = message.get("text")
    _check_size(text or message.get("bytes") or b"")
    if text is None:
        raise BadInputError("Say what the bytes mean first: a JSON message with rate and format.")
    layout = read_format(text)
    await socket.send_json({"type": "ready", "epoch": face.session.epoch})
    return layout


def _check_size(data: str | bytes) -> None:
    if len(data) > MESSAGE_LIMIT:
        raise BadInputError(f"A message may have {MESSAGE_LIMIT // 2**20} MB; send smaller chunks.")


async def _read(socket: WebSocket, face: LiveFace, reader: PcmReader, ahead: ReadAhead) -> None:
    pace = _Pace()
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text, data = message.get("text"), message.get("bytes")
            await pace.one_more(data is None or len(data) < SMALL_BYTES)
            _check_size(text or data or b"")
            if data is not None:
                if whole := reader.whole(data):
                    await ahead.put(Sent(whole, face.session.epoch))
                continue
            wish = _wish(text or "")
            if wish == "interrupt":
                face.interrupt("socket")
                ahead.clear()
            else:
                await ahead.put(Sent(None, face.session.epoch, None if wish == "end" else wish.text))
    finally:
        ahead.close()


async def _speak(face: LiveFace, layout: Format, reader: PcmReader, ahead: ReadAhead) -> None:
    while (sent := await ahead.take()) is not None:
        if sent.epoch != face.session.epoch:
            continue  # interrupted before its turn came
        if sent.caption is not None:
            face.session.mark(Caption(sent.caption))
        elif sent.data is None:
            face.end_utterance()
        elif sent.data:
            await face.push(reader.decode(sent.data), layout.rate_hz, layout.live)


def _wish(text: str) -> Literal["end", "interrupt"] | Caption:
    """What a text between chunks asks for. Errors: `BadInputError`."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if told == {"end": True}:
        return "end"
    if told == {"interrupt": True}:
        return "interrupt"
    if isinstance(told, dict) and set(told) == {"caption"} and isinstance(told["caption"], str):
        return Caption(told["caption"][:CAPTION_LIMIT])
    raise BadInputError(
        'Between chunks only {"end": true}, {"caption": "..."} and {"interrupt": true} are understood.'
    )


class _Pace:
    """One session's messages must leave time for the others: many chunks are read more slowly, many tiny
    ones or texts are refused."""

    def __init__(self) -> None:
        self._credit, self._at_s = float(CHUNKS_BURST), time.monotonic()
        self._unbroken = 0

    async def one_more(self, small: bool) -> None:
        """Waits where it has to. Errors: `BadInputError`."""
        now_s = time.monotonic()
        self._credit += (now_s - self._at_s) * CHUNKS_PER_S
        self._credit, self._at_s = min(self._credit, CHUNKS_BURST) - (SMALL_COST if small else 1), now_s
        if self._credit < 0 and small:
            raise BadInputError(
                f"More than {CHUNKS_PER_S // SMALL_COST} tiny messages a second came; send larger chunks."
            )
        self._unbroken += 1
        if self._credit < 0:
            self._unbroken = 0
            await asyncio.sleep(0.05)
        elif self._unbroken >= UNBROKEN_CHUNKS:
            # What is there already is received without a pause, and nobody else would have a turn.
            self._unbroken = 0
            await asyncio.sleep(0)
