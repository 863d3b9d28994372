"""Services with OpenAI's HTTP interface: where they are, how they are asked, what is said when they fail.

Chat, speech and transcription of many programs and providers speak it. A key comes from the environment
alone and is never shown.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from sonic_stream.errors import BadInputError, SonicError

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
"""A model may think for half a minute before its first word; a server that is there answers at once."""


class ServiceFailedError(SonicError):
    """A service that was asked did not answer as it should."""

    http_status = 502


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service: `url` with or without `/v1`, or with the whole path."""

    url: str
    model: str = ""
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInputError(
                f"'{self.url}' is no address of a service; write it like http://127.0.0.1:8080/v1."
            )

    def path(self, tail: str) -> str:
        """The address to ask, `tail` such as `chat/completions`."""
        base = self.url.rstrip("/")
        if base.endswith("/" + tail):
            return base
        return f"{base}/{tail}" if base.endswith("/v1") else f"{base}/v1/{tail}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@asynccontextmanager
async def asked(
    client: httpx.AsyncClient, endpoint: Endpoint, tail: str, what: str, **request: Any
) -> AsyncIterator[httpx.Response]:
    """The streamed answer to a POST. Errors: `ServiceFailedError` naming `what` and the reason.

    Leaving it early closes the connection, which is what stops a model that is still writing.
    """
    address = endpoint.path(tail)
    try:
        async with client.stream("POST", address, headers=endpoint.headers, **request) as response:
            if response.status_code >= 300:
                reason = _reason(await response.aread())
                raise ServiceFailedError(f"{what} at {address} refused ({response.status_code}{reason}).")
            yield response
    except httpx.TimeoutException:
        raise ServiceFailedError(f"{what} at {address} does not answer; is it running?") from None
    except httpx.ConnectError:
        raise ServiceFailedError(f"{what} at {address} cannot be reached; is it running?") from None
    except httpx.HTTPError as error:
        raise ServiceFailedError(f"{what} at {address} broke off ({type(error).__name__}).") from None


def _reason(body: bytes) -> str:
    """What the service says about it, shortened."""
    try:
        told = json.loads(body)
        error = told.get("error", told) if isinstance(told, dict) else told
        text = error.get("message", "") if isinstance(error, dict) else error
    except ValueError:
        text = body[:200].decode("utf-8", "replace")
    words = " ".join(str(text).split())[:200]
    return f": {words}" if words else ""
