"""Who is on the air: sessions by id, and no more of them than the server carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.live import LiveFace
from sonic_stream.errors import BusyError, UnknownSessionError

CURRENT = "current"
"""Stands for the id of the session that began last."""


class Registry:
    """Owns every session; places are taken before anything slow happens, so two never share one."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._faces: dict[str, LiveFace] = {}
        self._arriving = 0
        self.admitted = 0
        """Since the start."""

    def __len__(self) -> int:
        return len(self._faces) + self._arriving

    @property
    def faces(self) -> list[LiveFace]:
        return list(self._faces.values())

    async def admit(
        self, make: Callable[[Callable[[LiveFace], None]], Awaitable[tuple[LiveFace, str]]]
    ) -> tuple[LiveFace, str]:
        """A new face and its SDP answer, made by `make(on_closed)`. Errors: `BusyError` when full."""
        if len(self) >= self.capacity:
            raise BusyError(
                "The server is taken: somebody is talking to it right now. Try again when they have finished."
                if self.capacity == 1
                else f"All {self.capacity} places are taken; try again when one is free."
            )
        self._arriving += 1
        try:
            face, answer = await make(self._forget)
            self._faces[face.id] = face
            self.admitted += 1
        finally:
            self._arriving -= 1
        return face, answer

    def _forget(self, face: LiveFace) -> None:
        self._faces.pop(face.id, None)

    def find(self, session_id: str) -> LiveFace:
        """The one named; `current` is the one that began last. Errors: `UnknownSessionError`."""
        face = self._faces.get(session_id)
        if session_id == CURRENT and self._faces:
            face = next(reversed(self._faces.values()))
        if face is None:
            raise UnknownSessionError("There is no such session (any more); start a new one.")
        return face

    async def close(self) -> None:
        await asyncio.gather(*(face.close() for face in self.faces))
