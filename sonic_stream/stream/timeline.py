"""What comes in: sound of any rate in any chunks -> hops of 40 ms, in two forms.

The 48 kHz form is what listeners hear, the 16 kHz form is what the model hears; both cover the same
40 ms to the sample. No clock and no events: callers pass `now` and ask for hops. Owned by a session.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil

import numpy as np

from sonic_stream.media.resample import StreamResampler
from sonic_stream.stream.delay import ArrivalClock
from sonic_stream.stream.splice import HEARD_PER_MODEL, LONGEST_CUT, SHORTEST_CUT, shorten
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ, TICK_RATE, Ticks
from sonic_stream.types import F32

SILENT_RMS = 2e-3
"""-54 dB: quieter than any room that is being spoken in, louder than a muted microphone."""


@dataclass(frozen=True, slots=True)
class Hop:
    """40 ms of sound: `heard` float32 [FRAME_TICKS] 48 kHz, `model` float32 [HOP_SAMPLES] 16 kHz."""

    heard: F32
    model: F32
    speech: bool
    """Somebody sent it (an idle hop is made up)."""
    silent: bool
    late: Ticks = 0
    """Behind the fastest recent arrivals of its source."""
    handed: Ticks = 0
    """When its first sample came in ..."""
    complete: Ticks = 0
    """... and when its last one did."""
    is_last: bool = False
    marks: tuple[object, ...] = ()
    """What was set by `InputTimeline.mark` within it."""


_NO_SOUND: F32 = np.zeros(FRAME_TICKS, np.float32)
_NO_MODEL_SOUND: F32 = np.zeros(HOP_SAMPLES, np.float32)
IDLE_HOP = Hop(_NO_SOUND, _NO_MODEL_SOUND, speech=False, silent=True)


class InputTimeline:
    """Sound on its way to the model, in order, without a gap and without a made-up sample.

    A hop waits only for its own sound: the 2 ms the resampler looks ahead are paid once, as silence in
    front of an utterance, so that two 20 ms packets complete a hop and not three.
    """

    def __init__(self) -> None:
        self._arrivals = ArrivalClock()
        self._rate_hz = 0
        self._to_heard: StreamResampler | None = None
        self._to_model: StreamResampler | None = None
        self._clear()

    def _clear(self) -> None:
        self._heard: F32 = np.zeros(0, np.float32)
        self._model: F32 = np.zeros(0, np.float32)
        self._hops: deque[Hop] = deque()
        self._handed: deque[tuple[int, Ticks]] = deque()  # (48 kHz samples before it, when it came)
        self._position = 0  # 48 kHz samples of this utterance already cut into hops
        self._pushed = 0  # 48 kHz samples of this utterance, waiting or cut
        self._packet: Ticks = 0
        self._open = False
        self._marks: deque[tuple[int, object]] = deque()  # (48 kHz samples before it, what it says)

    @property
    def ready(self) -> int:
        """Hops that can be taken now."""
        return len(self._hops)

    @property
    def queued(self) -> Ticks:
        """All sound that waits, complete hops or not."""
        return len(self._hops) * FRAME_TICKS + len(self._heard)

    @property
    def is_open(self) -> bool:
        """An utterance has begun and not ended."""
        return self._open

    @property
    def rest(self) -> Ticks:
        """Sound that does not fill a hop yet, as far as both of its forms are there."""
        return min(len(self._heard), len(self._model) * HEARD_PER_MODEL)

    @property
    def completed(self) -> Ticks:
        """When the last hop that can be taken was complete."""
        return self._hops[-1].complete if self._hops else 0

    @property
    def packet(self) -> Ticks:
        """The length of the piece that was pushed last."""
        return self._packet

    def push(self, samples: F32, rate_hz: int, now: Ticks) -> None:
        """More sound: float32 [N] mono -1..1 at `rate_hz`. Errors: `BadInputError` for the rate."""
        if rate_hz != self._rate_hz:
            to_heard, to_model = StreamResampler(rate_hz, TICK_RATE), StreamResampler(rate_hz, MODEL_RATE_HZ)
            self.end(now)
            self._rate_hz, self._to_heard, self._to_model = rate_hz, to_heard, to_model
        if not self._open:
            self._begin(now)
        self._packet = len(samples) * TICK_RATE // rate_hz
        self._feed(samples, now, last=False)

    def mark(self, what: object, ahead: Ticks = 0) -> None:
        """Has the hop say `what` that plays the sound `ahead` of what was pushed so far."""
        self._marks.append(((self._pushed if self._open else 0) + ahead, what))

    def _begin(self, now: Ticks) -> None:
        assert self._to_heard and self._to_model
        self._open = True
        self._arrivals.restart()
        self._position = self._pushed = 0
        self._handed.clear()
        lead = ceil(max(self._to_heard.delay_s, self._to_model.delay_s) * MODEL_RATE_HZ)
        self._heard = np.zeros(lead * HEARD_PER_MODEL, np.float32)
        self._model = np.zeros(lead, np.float32)
        self._pushed = len(self._heard)
        self._handed.append((0, now))

    def _feed(self, samples: F32, now: Ticks, last: bool) -> None:
        assert self._to_heard and self._to_model
        heard = self._to_heard.push(samples, last)
        if len(heard):
            self._handed.append((self._pushed, now))
        self._pushed += len(heard)
        self._heard = np.concatenate([self._heard, heard])
        self._model = np.concatenate([self._model, self._to_model.push(samples, last)])
        self._cut_hops(now)

    def _cut_hops(self, now: Ticks) -> None:
        count = min(len(self._heard) // FRAME_TICKS, len(self._model) // HOP_SAMPLES)
        if count:
            self._arrivals.window(now, self._position)
        for _ in range(count):
            self._cut_hop(now)

    def _cut_hop(self, now: Ticks, is_last: bool = False, before: Hop | None = None) -> None:
        """`before`: what stood in its place."""
        heard, self._heard = self._heard[:FRAME_TICKS].copy(), self._heard[FRAME_TICKS:]
        model, self._model = self._model[:HOP_SAMPLES].copy(), self._model[HOP_SAMPLES:]
        while len(self._handed) > 1 and self._handed[1][0] <= self._position:
            self._handed.popleft()
        handed = self._handed[0][1] if self._handed else now
        late = before.late if before else self._arrivals.lateness(now, self._position)
        complete = before.complete if before else now
        self._position += FRAME_TICKS
        silent = float(np.sqrt(np.mean(np.square(model)))) < SILENT_RMS
        marks = self._marks_before(self._position, is_last)
        self._hops.append(Hop(heard, model, True, silent, late, handed, complete, is_last, marks))

    def _marks_before(self, position: int, all_of_them: bool) -> tuple[object, ...]:
        said: list[object] = []
        while self._marks and (all_of_them or self._marks[0][0] < position):
            said.append(self._marks.popleft()[1])
        return tuple(said)

    def end(self, now: Ticks) -> None:
        """The utterance is complete: its tail is padded with silence to a whole hop."""
        if not self._open:
            return
        self._feed(np.zeros(0, np.float32), now, last=True)
        # At least one hop, so that there is always one that says the utterance is over.
        missing = max(1, ceil(max(len(self._heard) / FRAME_TICKS, len(self._model) / HOP_SAMPLES)))
        self._heard = _padded(self._heard, missing * FRAME_TICKS)
        self._model = _padded(self._model, missing * HOP_SAMPLES)
        for i in range(missing):
            self._cut_hop(now, is_last=i == missing - 1)
        self._open = False

    def take(self) -> Hop | None:
        """The next hop, or None while it is not complete."""
        return self._hops.popleft() if self._hops else None

    def peek(self) -> Hop | None:
        return self._hops[0] if self._hops else None

    def shorten_next(self, now: Ticks, longest: Ticks = LONGEST_CUT) -> Ticks:
        """Takes 5 ms to `longest` out of the next hop, where it is least heard; what follows moves up.

        Out of a silent hop all of `longest` is taken. Returns how much; 0 when no hop is complete or the
        utterance has ended.
        """
        if not self._hops or not self._open or longest < SHORTEST_CUT:
            return 0
        hops = list(self._hops)
        self._hops.clear()
        shortest = longest if hops[0].silent else SHORTEST_CUT
        heard, model = shorten(hops[0].heard, hops[0].model, longest, shortest)
        removed = FRAME_TICKS - len(heard)
        self._heard = np.concatenate([heard, *(hop.heard for hop in hops[1:]), self._heard])
        self._model = np.concatenate([model, *(hop.model for hop in hops[1:]), self._model])
        begin = self._position - len(hops) * FRAME_TICKS
        handed = [(begin, hops[0].handed)]
        handed += [(begin + i * FRAME_TICKS - removed, hop.handed) for i, hop in enumerate(hops) if i]
        handed += [(max(at, self._position) - removed, when) for at, when in self._handed]
        self._handed = deque(handed)
        self._position, self._pushed = begin, self._pushed - removed
        self._arrivals.moved_up(removed)
        count = min(len(self._heard) // FRAME_TICKS, len(self._model) // HOP_SAMPLES)
        for i in range(count):
            self._cut_hop(now, before=hops[min(i, len(hops) - 1)])
        return removed

    def drop_oldest(self, hops: int) -> int:
        """Gives up to `hops` complete hops away unheard; returns how many."""
        count = min(hops, len(self._hops))
        for _ in range(count):
            self._hops.popleft()
        return count

    def flush(self) -> None:
        """Forgets everything that waits, as if no utterance had begun."""
        self._clear()
        self._arrivals.restart()
        for resampler in (self._to_heard, self._to_model):
            if resampler is not None:
                resampler.reset()


def _padded(samples: F32, length: int) -> F32:
    return np.concatenate([samples, np.zeros(length - len(samples), np.float32)])
