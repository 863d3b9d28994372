"""What happens is told to whoever listens: the browser's data channel and any number of sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

EVENT_LIMIT = 128
"""Events that may wait for a listener; the oldest goes when there are more."""

Message = dict[str, Any]


@dataclass(eq=False, slots=True)
class Listener:
    """A bounded queue of what it asked for."""

    mouth: bool = False
    """Wants mouth shapes too: many a second."""
    stats: bool = False
    queue: asyncio.Queue[Message] = field(default_factory=lambda: asyncio.Queue(EVENT_LIMIT))

    def put(self, message: Message) -> None:
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(message)


class Teller:
    """`to_peer` sends to the browser and must not block."""

    def __init__(self, to_peer: Callable[[Message], None]) -> None:
        self._to_peer = to_peer
        self._listeners: set[Listener] = set()
        self.peer_wants_mouth = False

    @property
    def wants_mouth(self) -> bool:
        """Somebody wants to know mouth shapes."""
        return self.peer_wants_mouth or any(listener.mouth for listener in self._listeners)

    def listen(self, mouth: bool = False, stats: bool = False) -> Listener:
        """Gets every event from now on, until `unlisten`."""
        listener = Listener(mouth, stats)
        self._listeners.add(listener)
        return listener

    def unlisten(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def tell(self, message: Message) -> None:
        """An event, to everybody."""
        self._to_peer(message)
        for listener in self._listeners:
            listener.put(message)

    def tell_mouth(self, message: Message) -> None:
        if self.peer_wants_mouth:
            self._to_peer(message)
        for listener in self._listeners:
            if listener.mouth:
                listener.put(message)

    def tell_stats(self, message: Message) -> None:
        self._to_peer(message)
        for listener in self._listeners:
            if listener.stats:
                listener.put(message)
