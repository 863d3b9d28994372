"""What a program sent and nobody has spoken yet: read off the socket at once, spoken at its own pace.

A socket that is not read answers no ping, and programs hang up after 20 s without an answer; an interruption
would wait behind the sound that it is to stop. So everything is read as it comes, up to a limit in bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

READ_AHEAD_LIMIT = 32 * 1024 * 1024
"""Bytes; eleven minutes of the usual 24 kHz sound. Beyond it the socket is not read until there is room."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Whole samples, or the end of an utterance (None); what is older than an interruption is dropped."""

    data: bytes | None
    epoch: int
    caption: str | None = None
    """What the sound that follows says; there is no `data` with it."""

    @property
    def size(self) -> int:
        """Bytes it takes, about: a program may also send very many messages that are very short."""
        return len(self.data or b"") + 2 * len(self.caption or "") + 100


class ReadAhead:
    """A queue bounded in bytes, with one writer and one reader on the event loop."""

    def __init__(self, limit: int = READ_AHEAD_LIMIT) -> None:
        self._limit = limit
        self._waiting: deque[Sent] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = False

    async def put(self, sent: Sent) -> None:
        """Waits while it is full."""
        while self._bytes >= self._limit:
            await self._change()
        self._waiting.append(sent)
        self._bytes += sent.size
        self._changed.set()

    async def take(self) -> Sent | None:
        """The oldest; None when nothing more will come."""
        while not self._waiting:
            if self._closed:
                return None
            await self._change()
        sent = self._waiting.popleft()
        self._bytes -= sent.size
        self._changed.set()
        return sent

    def clear(self) -> None:
        """Forgets all of it."""
        self._waiting.clear()
        self._bytes = 0
        self._changed.set()

    def close(self) -> None:
        """Nothing more will be put; what is there is still taken."""
        self._closed = True
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
