"""When the machine is too slow to paint every picture with all its detail, and when it is quick enough again.

Judged by the median of what pictures cost the engine, full ones and plain ones. How much dearer a full
picture is was seen when the change came, so that a return needs no trial. Pure logic in Ticks, no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sonic_stream.stream.stats import percentile
from sonic_stream.timebase import FRAME_TICKS, Ticks


@dataclass(frozen=True, slots=True)
class EconomySettings:
    """Limits for the engine's work on a full picture."""

    live: Ticks = FRAME_TICKS * 3 // 4
    """Above this, where a live voice waits for its picture, pictures become plain ..."""
    scripted: Ticks = FRAME_TICKS * 19 // 20
    """... and above this where none does: only when 25 pictures a second are at stake."""
    back: Ticks = FRAME_TICKS * 13 // 20
    """Full pictures again when they would cost less than this."""
    pictures: int = 50
    """That are judged by (25 a second) ..."""
    pictures_back: int = 250
    """... and before a return."""


class Economy:
    """One session's."""

    def __init__(self, settings: EconomySettings | None = None) -> None:
        self._settings = settings or EconomySettings()
        self.plain = False
        """Pictures are to be made without the decoder."""
        self._works: deque[Ticks] = deque(maxlen=self._settings.pictures_back)
        self._full_work: Ticks = 0
        self._dearer: float | None = None

    def note(self, work: Ticks, plain: bool, live: bool) -> bool:
        """A picture was made in `work`; `plain` as it was asked for, `live` while a live voice speaks.

        True when pictures are to be made otherwise from here on.
        """
        if plain != self.plain:
            return False  # asked for before the change
        self._works.append(work)
        if len(self._works) < self._settings.pictures:
            return False
        if not self.plain:
            self._judge_full(live)
        else:
            self._judge_plain()
        return plain != self.plain

    def _judge_full(self, live: bool) -> None:
        work = percentile(list(self._works)[-self._settings.pictures :], 0.5)
        if work > (self._settings.live if live else self._settings.scripted):
            self._full_work, self._dearer = work, None
            self._turn(True)

    def _judge_plain(self) -> None:
        work = percentile(list(self._works), 0.5)
        if self._dearer is None:
            self._dearer = max(1.0, self._full_work / max(1, work))
        if len(self._works) == self._settings.pictures_back and work * self._dearer < self._settings.back:
            self._turn(False)

    def _turn(self, plain: bool) -> None:
        self.plain = plain
        self._works.clear()
