"""What a voice engine is, and the list of those at hand.

A voice engine turns text into chunks of sound as an async iterator; leaving the iterator early (a
cancelled task, `aclose`) stops the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.types import F32


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice a user can choose."""

    id: str
    label: str
    language: str


class VoiceEngine(Protocol):
    """Speaks; belongs to the event loop, does its work elsewhere."""

    @property
    def voices(self) -> Sequence[Voice]: ...

    def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[tuple[F32, int]]:
        """Chunks (float32 [N] mono -1..1, rate in Hz) of `text`; `rate` 1 is the voice's own pace."""
        ...

    async def close(self) -> None: ...


class Voices:
    """All engines' voices as one list; the first one is the default."""

    def __init__(self, engines: Sequence[VoiceEngine], missing: str = "") -> None:
        self._engines = {voice.id: engine for engine in engines for voice in engine.voices}
        self.all = [voice for engine in engines for voice in engine.voices]
        self._all_engines = list(engines)
        self.missing = missing
        """Why there is no voice, if there is none."""

    def check(self, voice_id: str | None) -> str:
        """The id of the voice meant. Errors: `MissingPieceError` without any, `BadInputError`."""
        if not self.all:
            raise MissingPieceError(self.missing or "No voice is installed, so text cannot be spoken.")
        chosen = voice_id if voice_id is not None else self.all[0].id
        if chosen not in self._engines:
            names = ", ".join(voice.id for voice in self.all)
            raise BadInputError(f"There is no voice '{chosen[:40]}'; there are {names}.")
        return chosen

    def speak(self, text: str, voice_id: str | None, rate: float = 1.0) -> AsyncIterator[tuple[F32, int]]:
        """See `VoiceEngine.speak`."""
        chosen = self.check(voice_id)
        return self._engines[chosen].speak(text, chosen, rate)

    async def close(self) -> None:
        for engine in self._all_engines:
            await engine.close()
