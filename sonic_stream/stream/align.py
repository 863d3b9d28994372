"""Where sound and picture meet again: one unit a slot, a picture and its 40 ms of sound.

Audio is master. Sound is put in when its hop is handed to the engine, its picture when the engine is
done. Once play-out runs, sound never waits for a picture: a missing picture is held, one that comes up to
two slots late is still shown (a face 80 ms behind beats a frozen one), a later one is dropped. When the
sound itself runs out, play-out stops, holds, and resumes only with sound and picture both there.

A slot here is 40 ms of media time, counted from the start (an engine's slot is a place for a face).
Slots are never rewound and never repeated; content (`pts`) is mapped to slots and its mapping moves
only where play-out stopped, where idle pieces are skipped and where a session restarts it. Pictures are
opaque here. No clock: `tick` is called once for every slot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sonic_stream.stream.splice import bridge_to_silence, fade_in
from sonic_stream.stream.stats import StreamStats
from sonic_stream.timebase import FRAME_TICKS, Ticks
from sonic_stream.types import F32

PictureT = TypeVar("PictureT")

LATEST_SHOWN: Ticks = 2 * FRAME_TICKS
"""A picture this much behind its sound is still shown."""

PATIENCE_SLOTS = 12
"""Play-out that has sound but waits for its first picture goes on without it after this many slots."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The sound of one hop: `heard` float32 [FRAME_TICKS] at 48 kHz."""

    pts: Ticks
    heard: F32
    speech: bool = False
    silent: bool = True
    handed: Ticks = 0
    is_last: bool = False
    """The utterance ends with it."""
    marks: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit(Generic[PictureT]):
    """What one slot plays. `picture` None: keep showing the last one."""

    slot: int
    sound: F32
    picture: PictureT | None
    pts: Ticks | None
    """Content time; None while play-out stands."""
    speech: bool
    silent: bool
    is_last: bool
    handed: Ticks
    behind: Ticks = 0
    """How far the picture's content lags the sound's."""
    marks: tuple[object, ...] = ()
    """What its sound was marked with."""


class AlignBuffer(Generic[PictureT]):
    """Units in order. `resume_level` (Ticks of sound) may be set at any time by the owner."""

    def __init__(self, stats: StreamStats | None = None) -> None:
        self.stats = stats or StreamStats()
        self.slot = 0
        """The slot the next `tick` plays."""
        self.epoch = 0
        self.resume_level: Ticks = FRAME_TICKS
        self._sounds: deque[Piece] = deque()
        self._pictures: deque[tuple[Ticks, PictureT]] = deque()
        self._shown: Ticks | None = None  # content time of the last picture given out
        self._stands = True
        self._stood = 0
        self._waited = 0
        self._bridge_due = False
        self._last_heard: F32 = np.zeros(FRAME_TICKS, np.float32)
        self._silence: F32 = np.zeros(FRAME_TICKS, np.float32)

    @property
    def stands(self) -> bool:
        """Play-out has stopped (or not begun) and waits for sound and picture."""
        return self._stands

    @property
    def stood(self) -> int:
        """Slots that found no sound, since sound last played."""
        return self._stood

    @property
    def level(self) -> Ticks:
        """Sound in stock."""
        return len(self._sounds) * FRAME_TICKS

    @property
    def pictures(self) -> int:
        """Pictures in stock."""
        return len(self._pictures)

    def lead(self, pts: Ticks, now: Ticks) -> Ticks:
        """Time from `now` until content `pts` plays, if nothing stops; `pts` may lie past the stock."""
        if self._sounds:
            behind = sum(1 for piece in self._sounds if piece.pts >= pts)
            ahead_of_stock = max(0, pts - self._sounds[-1].pts - FRAME_TICKS)
            position = (len(self._sounds) - behind) * FRAME_TICKS + ahead_of_stock
            if not behind or self._sounds[0].pts <= pts:
                return self.slot * FRAME_TICKS - now + position
            return self.slot * FRAME_TICKS - now - (self._sounds[0].pts - pts)
        return self.slot * FRAME_TICKS - now + (pts - self._next_pts)

    @property
    def _next_pts(self) -> Ticks:
        return self._sounds[0].pts if self._sounds else self._after

    _after: Ticks = 0
    """Content time that follows the last piece put in."""

    def put_sound(self, piece: Piece) -> None:
        """The next piece; content time only grows."""
        assert piece.pts >= self._after
        self._sounds.append(piece)
        self._after = piece.pts + FRAME_TICKS

    def put_picture(self, pts: Ticks, picture: PictureT, epoch: int) -> bool:
        """A picture for content `pts`; False when it is too late or from before an interruption."""
        too_late = self._shown is not None and pts <= self._shown
        oldest_wanted = self._next_pts - (0 if self._stands else LATEST_SHOWN)
        if epoch < self.epoch or pts < 0 or too_late or pts < oldest_wanted:
            self.stats.dropped += pts >= 0
            return False
        self._pictures.append((pts, picture))
        return True

    def tick(self) -> Unit[PictureT]:
        """What the next slot plays. Never blocks, never raises."""
        self.stats.slots += 1
        if self._stands and self._may_resume():
            self._stands = False
        unit = self._stand() if self._stands or not self._sounds else self._play()
        self.slot += 1
        self._last_heard = unit.sound
        return unit

    def _may_resume(self) -> bool:
        if not self._sounds:
            self._waited = 0
            return False
        self._waited += 1
        if self._waited > PATIENCE_SLOTS:
            return True
        enough = self.level >= self.resume_level or self._sounds[-1].is_last
        return enough and any(pts >= self._sounds[0].pts for pts, _ in self._pictures)

    def _play(self) -> Unit[PictureT]:
        piece = self._sounds.popleft()
        heard = self._joined(piece)
        self._stood = self._waited = 0
        shown: tuple[Ticks, PictureT] | None = None
        while self._pictures and self._pictures[0][0] <= piece.pts:
            if shown is not None:
                self.stats.dropped += 1
            shown = self._pictures.popleft()
        behind = 0
        if shown is None:
            self.stats.held += 1
        else:
            behind = piece.pts - shown[0]
            self._shown = shown[0]
            self.stats.played += 1
            self.stats.late += behind > 0
        return Unit(
            self.slot,
            heard,
            shown[1] if shown else None,
            piece.pts,
            piece.speech,
            piece.silent,
            piece.is_last,
            piece.handed,
            behind,
            piece.marks,
        )

    def _joined(self, piece: Piece) -> F32:
        """The piece's sound without a click at its front."""
        if self._bridge_due:
            self._bridge_due = False
            bridge = bridge_to_silence(self._last_heard, FRAME_TICKS)
            return bridge if piece.silent else (bridge + fade_in(piece.heard)).astype(np.float32)
        return fade_in(piece.heard) if self._stood else piece.heard

    def _stand(self) -> Unit[PictureT]:
        if not self._stands:
            self._stands = True
            self._waited = 0
            self._bridge_due = True
        self._stood += 1
        self.stats.held += 1
        sound = bridge_to_silence(self._last_heard, FRAME_TICKS) if self._bridge_due else self._silence
        self._bridge_due = False
        return Unit(self.slot, sound, None, None, False, True, False, 0)

    def skip_idle(self, pieces: int) -> int:
        """Takes up to `pieces` idle pieces out, just before the first speech in stock; returns how many."""
        first = next((i for i, piece in enumerate(self._sounds) if piece.speech), 0)
        count = min(pieces, first)
        kept = list(self._sounds)
        self._sounds = deque(kept[: first - count] + kept[first:])
        return count

    def restart(self, pts: Ticks) -> None:
        """Content goes on at `pts`, in silence up to what was put in; what has played stays played.

        Used where play-out stands: the pictures the engine still owes for sound that is gone or over
        are shown without it, so that the mouth closes instead of freezing.
        """
        after = self._after
        self._sounds.clear()
        first = max(pts, 0 if self._shown is None else self._shown + FRAME_TICKS)
        self._after = min(first, after)
        for at in range(first, after, FRAME_TICKS):
            self.put_sound(Piece(at, self._silence))
        self._after = max(after, first)

    def flush(self, epoch: int, pts: Ticks) -> None:
        """An interruption: everything older than `epoch` is gone; content goes on at `pts`."""
        assert epoch > self.epoch
        self.epoch = epoch
        self.stats.dropped += len(self._pictures)
        self._pictures.clear()
        self.restart(pts)
        self._bridge_due = True
        self._stands = True
        self._stood = self._waited = 0

    def skip_slots(self, count: int) -> None:
        """`count` slots passed unserved; their content is still to come."""
        self.slot += count
        self.stats.skipped_slots += count
