"""One face on the air: the session, its pump, its peer and whoever gives it a voice.

Who may speak, strongest first: a program on the audio socket, a text, the user's microphone (streamer
mode only; in assistant mode it interrupts and is transcribed). Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from server.bridge import Painted
from server.conversation import Conversation
from server.ears import Ears
from server.peer import Peer
from server.player import Player
from server.speech import Speaker, Text
from server.telling import Teller
from server.viewers import Viewers
from server.wishes import Mode, Surroundings, VoiceInterrupt, Wishes
from sonic_stream.errors import BusyError, SonicError
from sonic_stream.stream.events import State
from sonic_stream.stream.session import LiveSession
from sonic_stream.stream.visemes import mouth_shape
from sonic_stream.timebase import FPS, TICK_RATE, seconds
from sonic_stream.types import F32, U8, Controls, Identity

logger = logging.getLogger(__name__)

STATS_EVERY_S = 0.5


class NothingKeptError(SonicError):
    """There is nothing that could be resumed."""

    http_status = 409


class LiveFace:
    """One session from offer to farewell; `on_closed(face)` is called once."""

    def __init__(
        self, slot: int, around: Surroundings, wishes: Wishes, on_closed: Callable[[LiveFace], None]
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.mode: Mode = wishes.mode
        self.voice_interrupt: VoiceInterrupt = wishes.voice_interrupt
        self.controls = wishes.controls
        settings, bridge = around.settings, around.bridge
        self.session: LiveSession[U8] = LiveSession(slot, bridge.lookahead, wishes.controls, settings.session)
        self.player = Player(
            self.session, bridge, lambda: self._leave("the engine failed"), self._watch_engine
        )
        self._slot, self._around, self._settings = slot, around, settings
        self._on_closed = on_closed
        self._peer = Peer(
            self.player.clock,
            self.player.voice,
            self.player.pictures,
            settings.ice_servers,
            self._hear_microphone,
            self._leave,
            self._take_wish,
            self._note_encode,
        )
        self.teller = Teller(self._peer.send)
        self.viewers = Viewers(self.player, settings.ice_servers, settings.viewers)
        self.speaker = Speaker(
            self.session,
            around.voices,
            self.teller,
            self.push,
            self.end_utterance,
            settings.say_limit,
            around.observe,
            wishes.voice,
        )
        self.conversation = Conversation(
            around.chat,
            around.transcription,
            settings.services.chat_prompt,
            self.teller,
            self.speaker.say,
            around.observe,
        )
        self._ears = Ears(around.hearing, self._user_begins, self._user_ends)
        self.player.voice.taps.append(lambda _, samples: self._ears.played(samples))
        self._socket_taken = False
        self._attention = "idle"
        self._shape = "rest"
        self._interruptions = 0
        self._encode_s = 0.0
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
            asyncio.create_task(self.speaker.run(), name="texts"),
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
        self.teller.tell({"type": "closed"})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._ears.close()
        await self.conversation.close()
        await self.player.stop()
        try:
            await self.viewers.close()
            await self._peer.close()
            await self._around.bridge.close(self._slot)
        finally:
            self._on_closed(self)

    def _check(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())
            self._leave("something failed; see the server's log")

    def _leave(self, reason: str) -> None:
        if self._closing is None:
            logger.info("session %s ends: %s", self.id, reason)
            self.teller.tell({"type": "ended", "reason": reason})
            self._closing = asyncio.create_task(self._close(), name="close")

    # -- voices ------------------------------------------------------------------------------------------

    def _hear_microphone(self, samples: F32, rate_hz: int) -> None:
        if self._closing is not None:
            return
        if self.mode == "assistant":
            if self.voice_interrupt != "off" or self.conversation.hears:
                self._ears.hear(samples, rate_hz)
            return
        if self._socket_taken or self.speaker.busy:
            return
        if not self.session.is_live and self.session.state is not State.IDLE:
            return  # a text is still being played
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
        self._check_voice_is_free()
        self.speaker.say(text)

    def ask(self, text: str, voice: str | None = None, rate: float = 1.0) -> None:
        """Has the chat model's answer spoken, instead of what is being said. Errors: `SonicError`."""
        self._check_voice_is_free()
        self._around.voices.check(voice)
        if self.session.is_speaking or self.speaker.busy or self.speaker.waiting:
            self.interrupt("api")
        self.conversation.ask(text, voice, rate)

    def _check_voice_is_free(self) -> None:
        if self._socket_taken:
            raise BusyError("A program speaks through this session's audio socket; close it to use text.")

    def interrupt(self, by: str = "api", keep: bool = False) -> int:
        """Stops every voice at once and returns the new epoch; with `keep`, `resume` says the rest."""
        self._pass_events_on()
        was_heard = self.session.is_speaking
        stopped = self.speaker.stop(keep, self.session.position)
        thinking = self.conversation.thinking
        self.conversation.stop()
        epoch = self.session.interrupt(self.player.clock.now())
        self.player.hush()
        if was_heard or stopped.anything or thinking:
            self._interruptions += 1
            self.conversation.heard(stopped.heard, interrupted=True)
            self.teller.tell(
                {
                    "type": "interrupted",
                    "by": by,
                    "resumable": bool(self.speaker.kept),
                    "heard": stopped.heard,
                    "rest": stopped.rest_text,
                }
            )
        self._pass_events_on()
        return epoch

    def resume(self) -> int:
        """Says what a resumable interruption kept; returns how many texts. Errors: `NothingKeptError`."""
        self._check_voice_is_free()
        if not self.speaker.kept:
            raise NothingKeptError(
                'Nothing was kept to go on with; interrupt with {"resume": true} to keep the rest.'
            )
        return self.speaker.resume()

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
        self.interrupt("socket")
        self._socket_taken = True

    def leave_socket(self) -> None:
        self._socket_taken = False
        if self._closing is None:
            self.end_utterance()

    # -- the user ----------------------------------------------------------------------------------------

    def _user_begins(self) -> None:
        self.teller.tell({"type": "user_speaking_started", "at_s": self._now_s()})
        occupied = self.session.state is not State.IDLE or self.speaker.busy or self.conversation.thinking
        if self.voice_interrupt != "off" and occupied:
            self.interrupt("voice", keep=self.voice_interrupt == "resume")

    def _user_ends(self, sound: F32) -> None:
        duration_s = round(seconds(self._ears.voice.duration), 2)
        self.teller.tell({"type": "user_speaking_stopped", "at_s": self._now_s(), "duration_s": duration_s})
        if self._closing is None:
            self.conversation.hear(sound, self._user_said)
            self._attend()

    def _user_said(self, text: str) -> None:
        if self._closing is not None:
            return
        if not text:
            if self.speaker.kept:  # it was a cough after all
                self.resume()
            return
        if self._around.chat is not None:
            try:
                self.ask(text)
            except SonicError as error:
                self.teller.tell({"type": "error", "message": str(error)})

    def _now_s(self) -> float:
        return round(seconds(self.player.clock.now()), 3)

    # -- telling -----------------------------------------------------------------------------------------

    def _take_wish(self, told: dict[str, Any]) -> None:
        self.teller.peer_wants_mouth = told.get("mouth") is True

    def _note_encode(self, took_s: float) -> None:
        self._encode_s = took_s
        self._around.observe("encode_picture", took_s)

    def _watch_engine(self, painted: Painted) -> None:
        self._around.observe("engine", painted.work / TICK_RATE)
        self._around.observe("engine_wait", max(0, painted.took - painted.work) / TICK_RATE)
        if painted.motion is not None and self.teller.wants_mouth:
            shape, amount = mouth_shape(painted.motion.coeffs, painted.motion.speaking)
            if shape != self._shape:
                self._shape = shape
                at = self.session.plays_at(painted.pts, self.player.clock.now())
                told = {"shape": shape, "amount": round(amount, 2), "at_s": round(seconds(at), 3)}
                self.teller.tell_mouth({"type": "mouth", **told})

    def _pass_events_on(self) -> None:
        for event in self.session.take_events():
            if event.kind == "mark":
                self.speaker.heard(event)
                continue
            self.teller.tell(event.as_dict())
            if event.kind == "speaking_finished" and not event.interrupted:
                self.conversation.heard(self.speaker.finished(), interrupted=False)

    def _attend(self) -> None:
        """What the face does besides speaking follows from what happens."""
        if self._ears.voice.speaking and self.mode == "assistant":
            attention = "listening"
        elif self.session.is_speaking:
            attention = "speaking"
        else:
            coming = self.conversation.replying and self.speaker.busy
            attention = "thinking" if self.conversation.thinking or coming else "idle"
        if attention != self._attention:
            self._attention = attention
            self.teller.tell({"type": "attention", "state": attention})
            self._set_session_controls()

    def _set_session_controls(self) -> None:
        shown = self._attention if self._attention in ("listening", "thinking") else "auto"
        own = self.controls.attention
        self.session.controls = replace(self.controls, attention=shown if own == "auto" else own)

    async def _report(self) -> None:
        """Events as they happen, statistics now and then, and an eye on who is still there."""
        clock, next_stats_s = self.player.clock, 0.0
        sent, sent_at_s = 0, time.monotonic()
        while True:
            await asyncio.sleep(1 / FPS)
            self._pass_events_on()
            self._attend()
            now_s = time.monotonic()
            if self._is_lost(now_s):
                self._leave("nobody is listening any more")
                return
            if clock.started.is_set() and now_s >= next_stats_s:
                next_stats_s = now_s + STATS_EVERY_S
                if now_s - sent_at_s >= 2 * STATS_EVERY_S:
                    self._fps = (self.player.pictures.sent - sent) / (now_s - sent_at_s)
                    sent, sent_at_s = self.player.pictures.sent, now_s
                self.teller.tell_stats({"type": "stats", **self.status()})

    def _is_lost(self, now_s: float) -> bool:
        if self._peer.last_sign_s is not None:
            return now_s - self._peer.last_sign_s > self._settings.heartbeat_timeout_s
        waited_s = now_s - self._born_s
        return self._peer.state != "connected" and waited_s > self._settings.connect_timeout_s

    def set_controls(self, controls: Controls) -> None:
        """Takes effect with the next picture that is asked for."""
        self.controls = controls
        self._set_session_controls()

    def status(self) -> dict[str, Any]:
        """Everything a person or a monitor may want to know."""
        return {
            "id": self.id,
            "mode": self.mode,
            "voice_interrupt": self.voice_interrupt,
            "connection": self._peer.state,
            "age_s": round(seconds(self.player.clock.now()), 2),
            "origin_s": round(self.player.clock.unix_origin_s, 4),
            "fps": round(self._fps, 1),
            "speaking": self.session.state in (State.SPEAKING, State.DRAINING),
            "attention": self._attention,
            "user_speaking": self._ears.voice.speaking,
            "mic_level_db": round(self._ears.voice.level_db, 1),
            "texts_waiting": self.speaker.waiting,
            "kept_texts": len(self.speaker.kept),
            "interruptions": self._interruptions,
            "viewers": len(self.viewers),
            "pictures_sent": self.player.pictures.sent,
            "pictures_skipped": self.player.pictures.skipped,
            "packets_dropped": self.player.voice.dropped,
            "skew_ms": self._peer.skew.median_ms,
            "skew_p99_ms": self._peer.skew.p99_ms,
            "encode_ms": round(self._encode_s * 1000, 1),
            **self.session.status(),
        }


async def open_face(
    around: Surroundings, identity: Identity, wishes: Wishes, on_closed: Callable[[LiveFace], None]
) -> LiveFace:
    """A face with a slot of its own in the engine. Errors: `BusyError`, what the engine raises."""
    slot = await around.bridge.open(identity, wishes.controls)
    try:
        return LiveFace(slot, around, wishes, on_closed)
    except BaseException:
        await around.bridge.close(slot)
        raise
