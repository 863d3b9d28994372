"""The voices of Microsoft Edge's read-aloud service (the extra `edge`); they need the internet.

The service sends MP3, which is decoded while it arrives, and tells when each word begins.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import av
import numpy as np

from server.tts.base import Sound, Voice, VoiceFailedError, Word
from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.types import F32

DEFAULT_VOICES = ("en-US-AriaNeural", "en-US-GuyNeural", "en-GB-SoniaNeural", "de-DE-KatjaNeural")
_HUNDRED_NS = 10_000_000
_NAME = re.compile(r"^[a-z]{2,3}-[A-Za-z-]+Neural$")

Communicate = Callable[..., Any]
"""`edge_tts.Communicate`, or what stands in for it."""


class EdgeVoice:
    """Implements `VoiceEngine`. Errors: `MissingPieceError` without the package, `BadInputError`."""

    def __init__(
        self, voices: Sequence[str] = DEFAULT_VOICES, communicate: Communicate | None = None
    ) -> None:
        if communicate is None:
            try:
                import edge_tts
            except ImportError:
                raise MissingPieceError(
                    "Edge's voices are not installed; run: pip install 'sonic-stream[edge]'."
                ) from None
            communicate = edge_tts.Communicate
        self._communicate: Communicate = communicate
        for name in voices:
            if not _NAME.match(name):
                raise BadInputError(f"'{name}' is no voice of Edge; they are named like {DEFAULT_VOICES[0]}.")
        self._list = [Voice(f"edge-{name}", f"{name} (Edge)", name[:5]) for name in voices]

    @property
    def voices(self) -> Sequence[Voice]:
        return self._list

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[Sound]:
        pace = f"{round((rate - 1) * 100):+d}%"
        name = voice.removeprefix("edge-")
        speech = self._communicate(text, name, rate=pace, boundary="WordBoundary").stream()
        decoder = av.CodecContext.create("mp3", "r")
        assert isinstance(decoder, av.AudioCodecContext)
        words: list[tuple[float, int, int]] = []
        passed, position = 0, 0
        try:
            async for chunk in speech:
                if chunk["type"] == "WordBoundary":
                    begin = text.find(chunk["text"], passed)
                    if begin >= 0:
                        passed = begin + len(chunk["text"])
                        words.append((chunk["offset"] / _HUNDRED_NS, begin, passed))
                    continue
                for samples, rate_hz in _decoded(decoder, chunk["data"]):
                    end = position + len(samples)
                    ready = [w for w in words if w[0] * rate_hz < end]
                    words = words[len(ready) :]
                    marks = tuple(Word(a, b, max(0, round(at * rate_hz) - position)) for at, a, b in ready)
                    position = end
                    yield Sound(samples, rate_hz, marks)
        except (BadInputError, GeneratorExit):
            raise
        except Exception as error:
            # The package lets errors of its own, of aiohttp and of the system's resolver out.
            reason = re.sub(r" ssl:(<[^>]*>|\S+)", "", str(error)) or type(error).__name__
            raise VoiceFailedError(f"Edge's voice service cannot be used ({reason}).") from None
        finally:
            await speech.aclose()
        if not position:
            raise VoiceFailedError("Edge's voice service sent no sound.")

    async def close(self) -> None:
        return


def _decoded(decoder: av.AudioCodecContext, data: bytes) -> list[tuple[F32, int]]:
    """float32 mono of what the MP3 bytes complete."""
    found = []
    for packet in decoder.parse(data):
        for frame in decoder.decode(packet):
            planes = frame.to_ndarray().reshape(len(frame.layout.channels), -1)
            scale = 32768 if planes.dtype == np.int16 else 1
            found.append((np.asarray(planes.mean(0) / scale, np.float32), frame.sample_rate))
    return found
