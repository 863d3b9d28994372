"""Voices of any service with OpenAI's `/v1/audio/speech`, streamed as 16-bit PCM.

OpenAI itself and most local servers (Kokoro, Piper, Orpheus, vLLM ...) speak it. PCM has 24 kHz there; a
service that sends a WAV header instead tells its own rate.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx

from server.endpoints import TIMEOUT, Endpoint, asked
from server.tts.base import Pcm, Sound, Voice, VoiceFailedError

RATE_HZ = 24_000


class OpenAiVoice:
    """Implements `VoiceEngine`."""

    def __init__(
        self,
        endpoint: Endpoint,
        voices: Sequence[str],
        rate_hz: int = RATE_HZ,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._rate_hz = rate_hz
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT)
        self._list = [Voice(f"api-{name}", f"{name} ({endpoint.model or 'service'})", "") for name in voices]

    @property
    def voices(self) -> Sequence[Voice]:
        return self._list

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[Sound]:
        wish = {
            "model": self._endpoint.model or "tts-1",
            "voice": voice.removeprefix("api-"),
            "input": text,
            "response_format": "pcm",
            "speed": rate,
        }
        pcm, heard = Pcm(self._rate_hz), False
        async with asked(self._client, self._endpoint, "audio/speech", "The voice", json=wish) as response:
            kind = response.headers.get("content-type", "")
            if kind.startswith(("text/", "application/json", "audio/mpeg", "audio/mp3")):
                raise VoiceFailedError(
                    f"The voice at {self._endpoint.url} sent {kind.partition(';')[0]}; it has to support"
                    " response_format 'pcm'."
                )
            async for data in response.aiter_bytes():
                samples = pcm.read(data)
                if len(samples):
                    heard = True
                    yield Sound(samples, pcm.rate_hz)
        if not heard:
            raise VoiceFailedError(f"The voice at {self._endpoint.url} sent no sound.")

    async def close(self) -> None:
        await self._client.aclose()
