"""A chat model and a transcription service, as far as a talking face needs them."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import numpy as np

from server.endpoints import TIMEOUT, Endpoint, ServiceFailedError, asked
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.types import F32

Turns = list[dict[str, str]]
"""Messages as the service takes them: `{"role": ..., "content": ...}`."""


class Chat:
    """`/v1/chat/completions`, streamed. Errors: `ServiceFailedError`."""

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient | None = None) -> None:
        self._endpoint = endpoint
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT)

    async def reply(self, turns: Turns) -> AsyncGenerator[str]:
        """Bits of the answer to a conversation, as they are written."""
        wish = {"model": self._endpoint.model or "default", "messages": turns, "stream": True}
        async with asked(
            self._client, self._endpoint, "chat/completions", "The chat model", json=wish
        ) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line[5:].strip()
                if data == "[DONE]":
                    return
                bit = _bit(data)
                if bit:
                    yield bit

    async def close(self) -> None:
        await self._client.aclose()


def _bit(data: str) -> str:
    """What one event of the stream adds. Errors: `ServiceFailedError`."""
    try:
        told: Any = json.loads(data)
        if "error" in told:
            raise ServiceFailedError(f"The chat model broke off: {str(told['error'])[:200]}.")
        choices = told.get("choices") or [{}]
        content = (choices[0].get("delta") or {}).get("content")
    except (ValueError, AttributeError, IndexError, TypeError):
        raise ServiceFailedError("The chat model sent something that is no streamed answer.") from None
    return content if isinstance(content, str) else ""


class Transcription:
    """`/v1/audio/transcriptions`. Errors: `ServiceFailedError`."""

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient | None = None) -> None:
        self._endpoint = endpoint
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT)

    async def text_of(self, sound: F32) -> str:
        """What was said in float32 [N] mono at 16 kHz."""
        request: dict[str, Any] = {
            "files": {"file": ("speech.wav", as_wav(sound), "audio/wav")},
            "data": {"model": self._endpoint.model or "whisper-1", "response_format": "json"},
        }
        async with asked(
            self._client, self._endpoint, "audio/transcriptions", "The transcription service", **request
        ) as response:
            body = await response.aread()
        try:
            text = json.loads(body)["text"]
        except (ValueError, KeyError, TypeError):
            raise ServiceFailedError("The transcription service sent something that is no text.") from None
        return str(text).strip()

    async def close(self) -> None:
        await self._client.aclose()


def as_wav(sound: F32) -> bytes:
    """A WAV file of 16 bit at 16 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MODEL_RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
