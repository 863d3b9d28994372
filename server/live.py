"""One face on the air: the session, its pump, its peer and whoever gives it a voice.

Who may speak, strongest first: a program on the audio socket, a text, the user's microphone (streamer
mode only). Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from server.bridge import EngineBridge
from server.peer import Peer
from server.player import Player
from server.settings import ServerSettings
from server.tts.base import Voices
from sonic_stream.errors import BusyError, SonicError
from sonic_stream.stream.session import LiveSession, State
from sonic_stream.timebase import FPS, seconds
from sonic_stream.types import F32, U8, Controls, Identity

logger = logging.getLogger(__name__)

Mode = Literal["assistant", "streamer"]
EVENT_LIMIT = 64
"""Events that may wait for a listener; the oldest goes when there are more."""
STATS_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Text:
    """Something to say with a voice; `rate` is relative to the voice's own."""

    text: str
    voice: str | None
    rate: float


class LiveFace:
    """One session from offer to farewell; `on_closed(face)` is called once."""

    def __init__(
        self,
        slot: int,
        bridge: EngineBridge,
        settings: ServerSettings,
        voices: Voices,
        mode: Mode,
        controls: Controls,
        on_closed: Callable[[LiveFace], None],
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.mode: Mode = mode
        self.session: LiveSession[U8] = LiveSession(slot, bridge.lookahead, controls, settings.session)
        self.player = Player(self.session, bridge, lambda: self._leave("the engine failed"))
        self._slot = slot
        self._bridge = bridge
        self._settings = settings
        self._voices = voices
        self._on_closed = on_closed
        self._peer = Peer(
            self.player.clock,
            self.player.voice,
            self.player.pictures,
            settings.ice_servers,
            self._hear_microphone,
            self._leave,
        )
        self._texts: asyncio.Queue[Text] = asyncio.Queue(settings.say_limit)
        self._talking: asyncio.Task[None] | None = None
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._socket_taken = False
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._born_s = time.monotonic()
        self._fps = 0.0

    # -- life --------------------------------------------------------------------------------------------

    async def begin(self, sdp: str) -> str:
        """The SDP answer; the face is awake from here on. Errors: `BadInputError`."""
        self.player.start()
        answer = await self._peer.answer(sdp)
        self._tasks = [
            asyncio.create_task(self._speak_texts(), name="texts"),
            asyncio.create_task(self._report(), name="report"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._check)
        return answer

    async def close(self) -> None:
        """Frees the engine's slot, the connection and every task; returns when all is gone."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self.session.close()
        self._tell({"type": "closed"})
        for task in self._tasks:
            task.cancel()
        if self._talking is not None:
            self._talking.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.player.stop()
        try:
            await self._peer.close()
            await self._bridge.close(self._slot)
        finally:
            self._on_closed(self)

    def _check(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())
            self._leave("something failed; see the server's log")

    def _leave(self, reason: str) -> None:
        if self._closing is None:
            logger.info("session %s ends: %s", self.id, reason)
            self._tell({"type": "ended", "reason": reason})
            self._closing = asyncio.create_task(self._close(), name="close")

    # -- voices ------------------------------------------------------------------------------------------

    def _hear_microphone(self, samples: F32, rate_hz: int) -> None:
        if self.mode != "streamer" or self._socket_taken or self._talking is not None:
            return
        if not self.session.is_live and self.session.state is not State.IDLE:
            return  # a text is still being played
        if self._closing is None:
            self.session.push(samples, rate_hz, self.player.clock.now(), live=True)
            self.player.feed()

    async def push(self, samples: F32, rate_hz: int, live: bool = False) -> None:
        """Sound from a program or a voice engine; waits while too much of it is queued."""
        epoch = self.session.epoch
        while not live and not self.session.has_room and self._closing is None:
            await self.player.next_slot()
            if epoch != self.session.epoch:
                return  # interrupted while it waited: it is old now
        if self._closing is None:
            self.session.push(samples, rate_hz, self.player.clock.now(), live)
            self.player.feed()

    def end_utterance(self) -> None:
        """What was pushed is complete."""
        self.session.end(self.player.clock.now())
        self.player.feed()

    def say(self, text: Text) -> None:
        """Speaks it after what is already waiting. Errors: `BusyError`, `BadInputError` for the voice."""
        self._voices.check(text.voice)
        if self._socket_taken:
            raise BusyError("A program speaks through this session's audio socket; close it to use text.")
        try:
            self._texts.put_nowait(text)
        except asyncio.QueueFull:
            raise BusyError(
                f"{self._settings.say_limit} texts are waiting already; let some be spoken or interrupt."
            ) from None

    def interrupt(self) -> int:
        """Stops every voice at once and returns the new epoch."""
        while not self._texts.empty():
            self._texts.get_nowait()
        if self._talking is not None:
            self._talking.cancel()
        epoch = self.session.interrupt(self.player.clock.now())
        self.player.hush()
        self._pass_events_on()
        return epoch

    def set_mode(self, mode: Mode) -> None:
        """Whether the microphone drives the face. Leaving streamer mode closes the mouth."""
        if mode != self.mode:
            self.mode = mode
            if self.session.is_live:
                self.end_utterance()

    def take_socket(self) -> None:
        """Gives the voice to a program. Errors: `BusyError` when another one has it."""
        if self._socket_taken:
            raise BusyError("Another program already speaks through this session.")
        self.interrupt()
        self._socket_taken = True

    def leave_socket(self) -> None:
        self._socket_taken = False
        if self._closing is None:
            self.end_utterance()

    async def _speak_texts(self) -> None:
        while True:
            text = await self._texts.get()
            if self.session.is_live:
                self.end_utterance()
            self._talking = asyncio.create_task(self._speak(text), name="speak")
            await asyncio.gather(self._talking, return_exceptions=True)
            self._talking = None

    async def _speak(self, text: Text) -> None:
        self._tell({"type": "caption", "text": text.text})
        try:
            async for samples, rate_hz in self._voices.speak(text.text, text.voice, text.rate):
                await self.push(samples, rate_hz)
        except SonicError as error:
            self._tell({"type": "error", "message": str(error)})
        except Exception:
            logger.exception("a voice failed")
            self._tell({"type": "error", "message": "The voice failed; see the server's log."})
        self.end_utterance()

    # -- telling -----------------------------------------------------------------------------------------

    def listen(self) -> asyncio.Queue[dict[str, Any]]:
        """A bounded queue that gets every event until `unlisten`."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(EVENT_LIMIT)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._listeners.discard(queue)

    def _tell(self, message: dict[str, Any]) -> None:
        self._peer.send(message)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    def _pass_events_on(self) -> None:
        for event in self.session.take_events():
            self._tell(event.as_dict())

    async def _report(self) -> None:
        """Events as they happen, statistics now and then, and an eye on who is still there."""
        clock, next_stats_s = self.player.clock, 0.0
        sent, sent_at_s = 0, time.monotonic()
        while True:
            await asyncio.sleep(1 / FPS)
            self._pass_events_on()
            now_s = time.monotonic()
            if self._is_lost(now_s):
                self._leave("nobody is listening any more")
                return
            if clock.started.is_set() and now_s >= next_stats_s:
                next_stats_s = now_s + STATS_EVERY_S
                if now_s - sent_at_s >= 2 * STATS_EVERY_S:
                    self._fps = (self.player.pictures.sent - sent) / (now_s - sent_at_s)
                    sent, sent_at_s = self.player.pictures.sent, now_s
                self._peer.send({"type": "stats", **self.status()})

    def _is_lost(self, now_s: float) -> bool:
        if self._peer.last_sign_s is not None:
            return now_s - self._peer.last_sign_s > self._settings.heartbeat_timeout_s
        waited_s = now_s - self._born_s
        return self._peer.state != "connected" and waited_s > self._settings.connect_timeout_s

    def set_controls(self, controls: Controls) -> None:
        """Takes effect with the next picture that is asked for."""
        self.session.controls = controls

    def status(self) -> dict[str, Any]:
        """Everything a person or a monitor may want to know."""
        return {
            "id": self.id,
            "mode": self.mode,
            "connection": self._peer.state,
            "age_s": round(seconds(self.player.clock.now()), 2),
            "origin_s": round(self.player.clock.unix_origin_s, 4),
            "fps": round(self._fps, 1),
            "speaking": self.session.state in (State.SPEAKING, State.DRAINING),
            "texts_waiting": self._texts.qsize(),
            "pictures_sent": self.player.pictures.sent,
            "pictures_skipped": self.player.pictures.skipped,
            "packets_dropped": self.player.voice.dropped,
            **self.session.status(),
        }


async def open_face(
    bridge: EngineBridge,
    identity: Identity,
    settings: ServerSettings,
    voices: Voices,
    mode: Mode,
    controls: Controls,
    on_closed: Callable[[LiveFace], None],
) -> LiveFace:
    """A face with a slot of its own in the engine. Errors: `BusyError`, what the engine raises."""
    slot = await bridge.open(identity, controls)
    try:
        return LiveFace(slot, bridge, settings, voices, mode, controls, on_closed)
    except BaseException:
        await bridge.close(slot)
        raise
