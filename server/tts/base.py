"""What a voice engine is, and the list of those at hand.

A voice engine turns text into chunks of sound as an async iterator; leaving the iterator early (a
cancelled task, `aclose`) stops the work.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from sonic_stream.errors import BadInputError, MissingPieceError, SonicError
from sonic_stream.types import F32


class VoiceFailedError(SonicError):
    """A voice engine that was asked to speak could not; the face stays on the air."""

    http_status = 502


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice a user can choose."""

    id: str
    label: str
    language: str


class Word(NamedTuple):
    """A word within a chunk: characters `start` to `end` of the text, sounding after `at` samples."""

    start: int
    end: int
    at: int


class Sound(NamedTuple):
    """A chunk: float32 [N] mono -1..1 at `rate_hz`, and the words that begin in it, if they are known."""

    samples: F32
    rate_hz: int
    words: tuple[Word, ...] = ()


class VoiceEngine(Protocol):
    """Speaks; belongs to the event loop, does its work elsewhere."""

    @property
    def voices(self) -> Sequence[Voice]: ...

    def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[tuple[F32, int] | Sound]:
        """Chunks of `text`, a sentence or so; `rate` 1 is the voice's own pace.

        Errors: `SonicError` with a sentence for the user.
        """
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

    def fitting(self, voice_id: str | None) -> str | None:
        """`voice_id` where it is of the engine that speaks by default, else None: the default voice."""
        if voice_id not in self._engines or self._engines[voice_id] is not self._engines[self.all[0].id]:
            return None
        return voice_id

    async def speak(self, text: str, voice_id: str | None, rate: float = 1.0) -> AsyncGenerator[Sound]:
        """See `VoiceEngine.speak`."""
        chosen = self.check(voice_id)
        spoken = self._engines[chosen].speak(text, chosen, rate)
        try:
            async for chunk in spoken:
                yield Sound(*chunk)
        finally:
            close = getattr(spoken, "aclose", None)
            if close is not None:
                await close()

    async def close(self) -> None:
        for engine in self._all_engines:
            await engine.close()


class Pcm:
    """s16le bytes cut anywhere -> whole samples; a WAV header in front tells the rate and is taken off."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._rest = b""
        self._begun = False

    def read(self, data: bytes) -> F32:
        """float32 [N] mono; empty while the header is not complete. Errors: `VoiceFailedError`."""
        data = self._rest + data
        if not self._begun:
            if len(data) < 4 or (data[:4] == b"RIFF" and not self._take_header(data)):
                self._rest = data
                return np.zeros(0, np.float32)
            data = data[self._header :]
            self._begun = True
        whole = len(data) - len(data) % 2
        self._rest = data[whole:]
        return np.asarray(np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768, np.float32)

    _header = 0

    def _take_header(self, data: bytes) -> bool:
        at = 12
        while at + 8 <= len(data):
            name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
            if name == b"fmt ":
                if len(data) < at + 24:
                    return False
                kind, channels, rate, bits = (
                    int.from_bytes(data[at + 8 : at + 10], "little"),
                    int.from_bytes(data[at + 10 : at + 12], "little"),
                    int.from_bytes(data[at + 12 : at + 16], "little"),
                    int.from_bytes(data[at + 22 : at + 24], "little"),
                )
                if (channels, bits) != (1, 16) or kind not in (1, 0xFFFE):
                    raise VoiceFailedError(
                        f"The voice sent WAV of {channels} channels, {bits} bits; mono of 16 bits is needed."
                    )
                self.rate_hz = rate
            if name == b"data":
                self._header = at + 8
                return True
            at += 8 + size + size % 2
        if len(data) > 65536:
            raise VoiceFailedError("The voice sent a WAV file without sound in it.")
        return False
