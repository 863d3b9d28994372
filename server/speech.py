"""What a face is to say: texts that wait, the one that is spoken, and how much of it was heard.

A text is spoken sentence by sentence; the next sentence is made while one plays. Each sentence and word
is marked in the sound, so that captions come when they are heard and an interruption knows what was not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from server.telling import Teller
from server.tts.base import Sound, Voices
from server.tts.sentences import sentences
from sonic_stream.errors import BusyError, SonicError
from sonic_stream.stream.events import Event
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import TICK_RATE, Ticks, seconds
from sonic_stream.types import F32, U8

logger = logging.getLogger(__name__)

Observe = Callable[[str, float], None]
"""Takes a stage's name and how many seconds it took."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something to say with a voice; `rate` is relative to the voice's own."""

    text: str
    voice: str | None
    rate: float = 1.0
    pieces: AsyncIterator[str] | None = None
    """Sentences that are still being written; `text` is empty then."""


@dataclass(eq=False, slots=True)
class _Sentence:
    """One that was given to the voice: a mark in the sound, told when it is heard."""

    text: str
    of: Text
    length: Ticks = 0
    begins: Ticks | None = None
    """Position in the utterance at which it sounds; None before."""


@dataclass(frozen=True, slots=True)
class _Word:
    of: _Sentence
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Caption:
    """A mark of a program: its sound says `text` from here on."""

    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """What an interruption left."""

    heard: str = ""
    rest: tuple[Text, ...] = ()
    anything: bool = False

    @property
    def rest_text(self) -> str:
        return " ".join(text.text for text in self.rest)


@dataclass(slots=True)
class _Telling:
    """The text that is being spoken."""

    text: Text
    given: list[_Sentence] = field(default_factory=list)
    to_come: deque[str] = field(default_factory=deque)


class Speaker:
    """Owns the texts of one session; `push(samples, rate_hz)` and `end()` hand sound to it."""

    def __init__(
        self,
        session: LiveSession[U8],
        voices: Voices,
        teller: Teller,
        push: Callable[[F32, int], Awaitable[None]],
        end: Callable[[], None],
        limit: int,
        observe: Observe,
        voice: str | None = None,
    ) -> None:
        self._session, self._voices, self._teller = session, voices, teller
        self._push, self._end, self._limit, self._observe = push, end, limit, observe
        self._voice = voice  # of texts that name none
        self._waiting: asyncio.Queue[Text] = asyncio.Queue(limit)
        self._task: asyncio.Task[None] | None = None
        self._now: _Telling | None = None
        self._spoken: deque[_Telling] = deque()  # made into sound that is not all heard yet
        self.kept: tuple[Text, ...] = ()
        """What the last resumable interruption left unsaid."""

    @property
    def busy(self) -> bool:
        """A text is being made into sound."""
        return self._task is not None

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    def say(self, text: Text) -> None:
        """Speaks it after what is already waiting. Errors: `BusyError`, `BadInputError` for the voice."""
        self._voices.check(text.voice)
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            raise BusyError(
                f"{self._limit} texts are waiting already; let some be spoken or interrupt."
            ) from None
        self.kept = ()

    def resume(self) -> int:
        """Says what the last interruption kept; returns how many texts that are."""
        kept, self.kept = self.kept, ()
        for text in kept[: self._limit - self._waiting.qsize()]:
            self._waiting.put_nowait(text)
        return len(kept)

    def stop(self, keep: bool, position: Ticks) -> Stopped:
        """Forgets everything; call it before the session's own interruption. `position` was played."""
        heard: list[str] = []
        rest: list[Text] = []
        for telling in (*self._spoken, *([self._now] if self._now else [])):
            unsaid: list[str] = []
            for sentence in telling.given:
                part = _heard_of(sentence, position)
                heard += [part] if part else []
                unsaid += [sentence.text] if len(part) < len(sentence.text) else []
            unsaid += telling.to_come
            if unsaid:
                rest.append(Text(" ".join(unsaid), telling.text.voice, telling.text.rate))
        while not self._waiting.empty():
            waits = self._waiting.get_nowait()
            rest += [waits] if waits.pieces is None else []
        anything = bool(heard or rest or self._task is not None)
        if self._task is not None:
            self._task.cancel()
        self._spoken.clear()
        self._now = None
        self.kept = tuple(rest) if keep else ()
        return Stopped(" ".join(heard), tuple(rest), anything)

    def heard(self, event: Event) -> None:
        """A mark in the sound is heard: it becomes a caption or a word."""
        at: dict[str, object] = {
            "at_s": round(seconds(event.at), 3),
            "position_s": round(seconds(event.position), 3),
        }
        mark = event.mark
        if isinstance(mark, _Sentence):
            mark.begins = event.position
            self._teller.tell({"type": "caption", "text": mark.text, **at})
        elif isinstance(mark, _Word):
            text = mark.of.text[mark.start : mark.end]
            self._teller.tell({"type": "word", "text": text, "start": mark.start, "end": mark.end, **at})
        elif isinstance(mark, Caption):
            self._teller.tell({"type": "caption", "text": mark.text, **at})

    def finished(self) -> str:
        """An utterance was heard to its end: what was said in it, if it was a text."""
        if not self._spoken:
            return ""
        return " ".join(sentence.text for sentence in self._spoken.popleft().given)

    async def run(self) -> None:
        """Speaks what waits, one text after the other, until cancelled."""
        try:
            while True:
                text = await self._waiting.get()
                if self._session.is_live:
                    self._end()
                self._task = asyncio.create_task(self._speak(text), name="speak")
                await asyncio.wait([self._task])
                self._task = None
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    async def _speak(self, text: Text) -> None:
        telling = self._now = _Telling(text)
        try:
            if text.pieces is None:
                telling.to_come.extend(sentences(text.text))
                while telling.to_come:
                    await self._say(telling, telling.to_come.popleft())
            else:
                async for piece in text.pieces:
                    await self._say(telling, piece)
        except SonicError as error:
            self._teller.tell({"type": "error", "message": str(error)})
        except Exception:
            logger.exception("a voice failed")
            self._teller.tell({"type": "error", "message": "The voice failed; see the server's log."})
        finally:
            if text.pieces is not None and hasattr(text.pieces, "aclose"):
                await text.pieces.aclose()
        self._now = None
        if any(sentence.length for sentence in telling.given):
            self._spoken.append(telling)
            self._end()

    async def _say(self, telling: _Telling, sentence: str) -> None:
        said = _Sentence(sentence, telling.text)
        telling.given.append(said)
        asked_s, first = time.monotonic(), True
        voice = telling.text.voice if telling.text.voice is not None else self._voice
        async with aclosing(self._voices.speak(sentence, voice, telling.text.rate)) as sounds:
            async for sound in sounds:
                if first:
                    self._observe("voice_first_sound", time.monotonic() - asked_s)
                    self._session.mark(said)
                    first = False
                self._mark_words(said, sound)
                said.length += len(sound.samples) * TICK_RATE // sound.rate_hz
                await self._push(sound.samples, sound.rate_hz)

    def _mark_words(self, said: _Sentence, sound: Sound) -> None:
        for word in sound.words:
            self._session.mark(_Word(said, word.start, word.end), word.at * TICK_RATE // sound.rate_hz)


def _heard_of(sentence: _Sentence, position: Ticks) -> str:
    """The words of a sentence that were heard when an utterance had played up to `position`."""
    if sentence.begins is None:
        return ""
    share = (position - sentence.begins) / max(1, sentence.length)
    if share >= 0.95:
        return sentence.text
    count = round(max(0.0, share) * len(sentence.text))
    return sentence.text[:count].rpartition(" ")[0]
