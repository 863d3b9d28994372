"""What a session tells of itself: the state it is in, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sonic_stream.timebase import Ticks, seconds


class State(Enum):
    IDLE = "idle"
    SPEAKING = "speaking"
    DRAINING = "draining"
    """The utterance is complete and the rest of it plays."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a listener may want to know: `kind` in `speaking_started`, `speaking_finished`, `underrun`,
    `mark`.

    `at` is the media time of the slot, `position` how much of the utterance had played.
    """

    kind: str
    at: Ticks
    position: Ticks = 0
    interrupted: bool = False
    mark: object = None
    """What `LiveSession.mark` was given."""

    def as_dict(self) -> dict[str, object]:
        told: dict[str, object] = {
            "type": self.kind,
            "at_s": round(seconds(self.at), 3),
            "position_s": round(seconds(self.position), 3),
        }
        if self.kind == "speaking_finished":
            told["interrupted"] = self.interrupted
        return told
