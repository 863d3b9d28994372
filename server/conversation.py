"""One session's conversation: what the user said is answered by a chat model and spoken as it is written.

The history holds what was heard, not what was written: an interrupted reply ends where the user stopped it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from server.services import Chat, Transcription, Turns
from server.speech import Observe, Text
from server.telling import Teller
from server.tts.sentences import Writing
from sonic_stream.errors import MissingPieceError, SonicError
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

TURNS_KEPT = 40
"""Messages of the history that the model is told again."""


class Conversation:
    """`say(text)` gives a reply to the face; everything runs on the event loop."""

    def __init__(
        self,
        chat: Chat | None,
        transcription: Transcription | None,
        prompt: str,
        teller: Teller,
        say: Callable[[Text], None],
        observe: Observe,
    ) -> None:
        self._chat, self._transcription, self._prompt = chat, transcription, prompt
        self._teller, self._say, self._observe = teller, say, observe
        self.turns: Turns = []
        self._pending = False
        self._replying = False
        self._written = ""
        self._hearing: asyncio.Task[None] | None = None

    @property
    def hears(self) -> bool:
        """What the user says becomes text."""
        return self._transcription is not None

    @property
    def replying(self) -> bool:
        """A reply is being spoken, or about to."""
        return self._replying

    @property
    def thinking(self) -> bool:
        """A reply or a transcript is on its way and not one sentence of it is there."""
        return self._pending or (self._hearing is not None and not self._hearing.done())

    def ask(self, text: str, voice: str | None = None, rate: float = 1.0) -> None:
        """Has the model's reply to `text` spoken. Errors: `MissingPieceError` without a model."""
        if self._chat is None:
            raise MissingPieceError(
                "No chat model is configured, so nobody can answer; start the server with --chat-url."
            )
        self.turns.append({"role": "user", "content": text})
        self._written = ""
        pieces = self._reply(self._chat)
        try:
            self._say(Text("", voice, rate, pieces))
        except SonicError:
            self.turns.pop()
            raise
        self._pending = self._replying = True

    async def _reply(self, chat: Chat) -> AsyncIterator[str]:
        """Sentences of the reply, told and handed on as soon as they are whole."""
        asked_s = time.monotonic()
        system: Turns = [{"role": "system", "content": self._prompt}] if self._prompt else []
        writing = Writing()
        try:
            async with aclosing(chat.reply(system + self.turns[-TURNS_KEPT:])) as bits:
                async for bit in bits:
                    for sentence in writing.add(bit):
                        yield self._wrote(sentence, asked_s)
            for sentence in writing.end():
                yield self._wrote(sentence, asked_s)
            self._teller.tell({"type": "reply", "text": self._written, "complete": True})
        except SonicError:
            if not self._written:  # it never answered: next time it is asked anew
                self.turns.pop()
                self._replying = False
            raise
        finally:
            self._pending = False

    def _wrote(self, sentence: str, asked_s: float) -> str:
        if not self._written:
            self._observe("chat_first_sentence", time.monotonic() - asked_s)
        self._pending = False
        self._written = f"{self._written} {sentence}".strip()
        self._teller.tell({"type": "reply", "text": self._written, "complete": False})
        return sentence

    def heard(self, text: str, interrupted: bool) -> None:
        """So much of the reply reached the user's ears."""
        if not self._replying:
            return
        self._replying = False
        if interrupted:
            text = f"{text} ..." if text else "..."
        if text:
            self.turns.append({"role": "assistant", "content": text})

    def stop(self) -> None:
        """Nobody waits for an answer any more (the reply's own task is cancelled by who speaks it)."""
        self._pending = False

    def hear(self, sound: F32, on_text: Callable[[str], None]) -> None:
        """The user's utterance, float32 [N] at 16 kHz: transcribed, told, and given to `on_text`."""
        if self._transcription is None:
            return
        before = self._hearing
        self._hearing = asyncio.create_task(
            self._transcribe(self._transcription, sound, on_text, before), name="transcribe"
        )

    async def _transcribe(
        self,
        transcription: Transcription,
        sound: F32,
        on_text: Callable[[str], None],
        before: asyncio.Task[None] | None,
    ) -> None:
        begin_s = time.monotonic()
        try:
            text = await transcription.text_of(sound)
            self._observe("transcribe", time.monotonic() - begin_s)
            if before is not None:
                await asyncio.gather(before, return_exceptions=True)  # texts come in the order of speech
            if text:
                self._teller.tell({"type": "transcript", "text": text, "by": "user"})
            on_text(text)
        except SonicError as error:
            self._teller.tell({"type": "error", "message": str(error)})
        except Exception:
            logger.exception("an utterance could not be transcribed")
            self._teller.tell({"type": "error", "message": "The transcription failed; see the server's log."})

    async def close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
