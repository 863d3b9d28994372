"""One live session as pure logic: sound in, hops for the engine, pictures back, units out.

    push/end -> InputTimeline -> due(now): HopInput -> (engine) -> painted() -> AlignBuffer -> tick(): Unit

The caller owns the clock (`now`, Ticks since the first slot), the engine and everything that sends. Every
hop that is due is handed out by `due`; idle hops keep the face alive when nobody speaks, asked for just in
time, so that real sound never queues behind them. On a machine that is too slow pictures are asked for
without the decoder (`economy`). An engine that is still too slow for 25 a second hears every hop; those it
has no time for are handed out with `paint` off.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from sonic_stream.engine.base import HopInput
from sonic_stream.errors import BadInputError
from sonic_stream.stream.align import AlignBuffer, Piece, Unit
from sonic_stream.stream.catchup import CatchUp
from sonic_stream.stream.delay import DelayEstimator
from sonic_stream.stream.economy import Economy
from sonic_stream.stream.events import Event, State
from sonic_stream.stream.settings import SessionSettings
from sonic_stream.stream.splice import fade_in
from sonic_stream.stream.stats import StreamStats, percentile, to_ms
from sonic_stream.stream.timeline import IDLE_HOP, Hop, InputTimeline
from sonic_stream.timebase import FRAME_TICKS, Ticks
from sonic_stream.types import F32, Controls

PictureT = TypeVar("PictureT")


@dataclass(frozen=True, slots=True)
class _Handed:
    """A hop the engine has in hand."""

    pts: Ticks
    paint: bool
    plain: bool
    late: Ticks


class LiveSession(Generic[PictureT]):
    """The state machine of one face; not thread-safe, owned by the event loop."""

    def __init__(
        self,
        slot: int,
        lookahead: Ticks,
        controls: Controls | None = None,
        settings: SessionSettings | None = None,
    ) -> None:
        self.controls = controls or Controls()
        self.stats = StreamStats()
        self.align: AlignBuffer[PictureT] = AlignBuffer(self.stats)
        self._settings = settings or SessionSettings()
        self._slot = slot
        self._lookahead = lookahead
        self._timeline = InputTimeline()
        self._delay = DelayEstimator(self._settings.delay)
        self._live = False
        self._closed = False
        self._content: Ticks = 0  # content time of the next hop
        self._in_hand: deque[_Handed] = deque()
        self._works: deque[Ticks] = deque(maxlen=25)
        self._economy = Economy(self._settings.economy)
        self._last_push: Ticks = 0
        self._catch_up = CatchUp(self._timeline, self.stats, self._settings.catch_up)
        self._last_was_speech = False
        self._handed_out = 0  # hops of the utterance that is being handed out
        self._speaking = False
        self._spoken: Ticks = 0
        self._quiet = 0
        self._events: list[Event] = []

    def begin(self) -> None:
        """Play-out begins now: how long the first pictures took on a cold engine says nothing."""
        self._delay = DelayEstimator(self._settings.delay)

    # -- what comes in ---------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        return self.align.epoch

    @property
    def is_live(self) -> bool:
        """The sound that came last was live."""
        return self._live

    @property
    def state(self) -> State:
        if self._closed:
            return State.CLOSED
        if self._live:
            return State.SPEAKING if self._speaking else State.IDLE
        if self._timeline.is_open:
            return State.SPEAKING
        return State.DRAINING if self._timeline.queued or self._speaking else State.IDLE

    @property
    def target(self) -> Ticks:
        """The adaptive delay: how long before its slot a picture is asked for."""
        return self._delay.target

    @property
    def queued(self) -> Ticks:
        """Sound that came in and was not handed to the engine yet."""
        return self._timeline.queued

    @property
    def position(self) -> Ticks:
        """How much of the utterance that plays (or played last) was heard."""
        return self._spoken

    @property
    def is_speaking(self) -> bool:
        """Somebody's sound is being heard, not only on its way."""
        return self._speaking

    @property
    def has_room(self) -> bool:
        """A scripted source may push more."""
        return self._timeline.queued < self._settings.queue_limit

    def push(self, samples: F32, rate_hz: int, now: Ticks, live: bool = False) -> None:
        """Sound to speak, float32 [N] mono at `rate_hz`; `live` sound comes as fast as it is spoken.

        Live sound is kept close to the present (silence is left out, speech cut by a few ms where it has
        to be), scripted sound is never touched.
        """
        if self._closed:
            raise BadInputError("This session is closed; start a new one.")
        self._live = live
        self._last_push = now
        self._timeline.push(samples, rate_hz, now)
        if live and self._timeline.queued > self._settings.live_backlog_limit:
            too_much = self._timeline.queued - self.target
            self.stats.discarded += self._timeline.drop_oldest(too_much // FRAME_TICKS)

    def end(self, now: Ticks) -> None:
        """The utterance is complete: what there is of it will be played."""
        self._timeline.end(now)

    def mark(self, what: object, ahead: Ticks = 0) -> None:
        """Tells `what` as an event when the sound that is pushed next (`ahead` of it) plays; not if it is
        interrupted before. For scripted sound: of live sound some is left out, and its marks with it."""
        self._timeline.mark(what, ahead)

    def interrupt(self, now: Ticks) -> int:
        """Silence at once; returns the new epoch. Nothing pushed before it will be heard after it.

        The caller drops what it holds of older epochs; the face closes its mouth over the next pictures.
        """
        self._timeline.flush()
        self.align.flush(self.epoch + 1, self._content - self._lookahead)
        self._last_was_speech = False
        self._handed_out = 0
        self._catch_up.restart()
        if self._speaking:
            self._finish(now, interrupted=True)
        return self.epoch

    def close(self) -> None:
        self._closed = True
        self._timeline.flush()

    # -- what the engine gets ----------------------------------------------------------------------------

    def due(self, now: Ticks) -> list[HopInput]:
        """The hops the engine should get now, in order; call it after every push, picture and tick."""
        hops: list[HopInput] = []
        if self._closed:
            return hops
        self._pad_forgotten_tail(now)
        while True:
            before = self._content
            hop = self._choose(now)
            if hop is None:
                return hops
            hops.append(self._hand_out(hop, now, len(hops)))
            assert self._content > before

    def next_due(self, now: Ticks) -> Ticks:
        """When `due` may have something to say without anything else happening."""
        return now + max(0, self._lead(now) - self.target)

    def _lead(self, now: Ticks) -> Ticks:
        """Time until the slot of the picture that the next hop completes."""
        return self.align.lead(self._content - self._lookahead, now)

    def _choose(self, now: Ticks) -> Hop | None:
        lead, target = self._lead(now), self.target
        if len(self._in_hand) >= self._settings.stall_limit:
            return None
        hop = self._timeline.peek()
        if hop is None:
            return self._choose_idle(lead, target)
        waited = 0
        if self._live:
            # Judged as it was when the sound came: a hop may have to wait for an engine that is busy.
            more = (self._timeline.ready - 1) * FRAME_TICKS + now - self._timeline.completed
            self._catch_up.hold_close(lead + more - target, now)
            hop = self._timeline.peek()
            if hop is None:
                return None
            waited = now - hop.complete
        if self._should_wait(lead) or lead >= target + self._settings.run_ahead:
            return None
        begins = not self._last_was_speech
        may_stretch = (begins or hop.silent) and not self._is_busy
        if lead + waited < target - FRAME_TICKS // 4 and may_stretch:
            if not begins:
                self.stats.stretched += 1
            return IDLE_HOP
        if not self._live and self._handed_out == self._lookahead // FRAME_TICKS:
            self._skip_lookahead(lead, target)
        return self._timeline.take()

    @property
    def _is_busy(self) -> bool:
        limit = self._settings.busy_limit - (self._work > 3 * FRAME_TICKS // 4)
        # Hops that are only heard cost time too: with many of them waiting, hearing comes first.
        return self._painting >= limit or len(self._in_hand) >= 2 * limit

    @property
    def _painting(self) -> int:
        return sum(handed.paint for handed in self._in_hand)

    def _should_wait(self, lead: Ticks) -> bool:
        """The engine is busy, and the picture can still be in time when it is free."""
        return self._is_busy and lead >= self._work * (self._painting + 1)

    def _choose_idle(self, lead: Ticks, target: Ticks) -> Hop | None:
        starved = self.align.stood >= self._settings.hold_slots
        if self._last_was_speech and self._timeline.is_open and not starved:
            return None  # more of this utterance is on its way
        if self._should_wait(lead):
            return None
        if starved and not self.align.level:
            # Show what the engine still owes, then idle.
            self.align.restart(self._content - self._lookahead)
            return IDLE_HOP
        return IDLE_HOP if lead <= target else None

    def _pad_forgotten_tail(self, now: Ticks) -> None:
        """A source that went silent without saying so leaves a tail: it is played, not kept for later."""
        starved = self.align.stood >= self._settings.hold_slots or not self._last_was_speech
        waited = now - self._last_push > self._settings.patience
        if self._timeline.is_open and not self._timeline.ready and starved and waited:
            self._timeline.end(now)

    def _skip_lookahead(self, lead: Ticks, target: Ticks) -> None:
        """Speech that is there ahead of time need not wait behind idle pictures the engine still owes.

        Called when the hop that completes the utterance's first picture is about to be handed out.
        """
        spare = lead - target - self._work * self._painting
        if spare >= FRAME_TICKS:
            self.align.skip_idle(spare // FRAME_TICKS)

    def _hand_out(self, hop: Hop, now: Ticks, before: int) -> HopInput:
        """Puts the hop's sound in line and makes the engine's work of it; `before` it others were handed out
        in the same instant."""
        lead = self._lead(now)
        content, self._content = self._content, self._content + FRAME_TICKS
        joined = hop.heard if self._last_was_speech or not hop.speech else fade_in(hop.heard)
        self.align.put_sound(
            Piece(
                content,
                joined,
                hop.speech,
                hop.silent,
                hop.handed if hop.speech else now,
                hop.is_last,
                hop.marks,
            )
        )
        self._last_was_speech = hop.speech and not hop.is_last
        self._handed_out = self._handed_out + 1 if self._last_was_speech else 0
        self.align.resume_level = min(self.target, 2 * FRAME_TICKS)
        paint = not self._is_busy
        self.stats.unpainted += not paint
        # A hop handed out early may take longer by as much: that is no lateness.
        early = max(0, lead - self.target - FRAME_TICKS, before * FRAME_TICKS)
        plain = self._economy.plain
        controls = replace(self.controls, inference_steps=0) if plain else self.controls
        self._in_hand.append(_Handed(content, paint, plain, hop.late - early))
        return HopInput(self._slot, content, hop.model, controls, self.epoch, paint=paint)

    def plays_at(self, pts: Ticks, now: Ticks) -> Ticks:
        """The media time at which content `pts` will be seen, if nothing stops."""
        return now + self.align.lead(pts, now)

    def painted(self, pts: Ticks, picture: PictureT | None, epoch: int, took: Ticks, work: Ticks) -> bool:
        """The engine is done with a hop: the picture for its own time `pts`, or None if told not to paint.

        `took` Ticks after it was handed out, `work` of these it was being made. Answers come in the hops'
        order. False when nobody will see the picture.
        """
        handed = self._in_hand.popleft()
        assert handed.pts == pts + self._lookahead
        if picture is None:
            return False
        self._works.append(work)
        live = self._live and self._timeline.is_open
        if self._economy.note(work, handed.plain, live):
            self._delay.restart()
        else:
            self._delay.add(max(0, handed.late + took))
        return self.align.put_picture(pts, picture, epoch)

    @property
    def _work(self) -> Ticks:
        """What a picture usually costs the engine."""
        return percentile(list(self._works), 0.5)

    # -- what goes out -----------------------------------------------------------------------------------

    def tick(self) -> Unit[PictureT]:
        """The next slot's unit."""
        stood = self.align.stands
        unit = self.align.tick()
        if self.align.stands and not stood and self._timeline.is_open:
            self.stats.underruns += 1
            self._delay.underrun()
            self._events.append(Event("underrun", unit.slot * FRAME_TICKS, self._spoken))
        if unit.speech:
            at = unit.slot * FRAME_TICKS
            if self._live or not self._speaking:
                # A script's later sound waits its turn: only its beginning tells of latency.
                self.stats.latencies.append(at - unit.handed)
            self._quiet = self._quiet + 1 if unit.silent and self._live else 0
            if not self._speaking and not self._quiet:
                self._speaking, self._spoken = True, 0
                self._events.append(Event("speaking_started", at))
            self._events += [Event("mark", at, self._spoken, mark=mark) for mark in unit.marks]
            self._spoken += FRAME_TICKS
            if self._speaking and (unit.is_last or self._quiet >= self._settings.pause_slots):
                self._finish(at + FRAME_TICKS)
        elif self._speaking and not self._timeline.is_open:
            # The end of the utterance was given up with the rest of a backlog.
            self._quiet += 1
            if self._quiet >= self._settings.pause_slots:
                self._finish(unit.slot * FRAME_TICKS)
        return unit

    def _finish(self, at: Ticks, interrupted: bool = False) -> None:
        self._speaking = False
        self._events.append(Event("speaking_finished", at, self._spoken, interrupted))

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def status(self) -> dict[str, object]:
        """A snapshot for people: state, delay, counts."""
        return {
            "state": self.state.value,
            "epoch": self.epoch,
            "target_ms": to_ms(self.target),
            "stock_ms": to_ms(self.align.level),
            "work_ms": to_ms(self._work),
            "plain": self._economy.plain,
            "queued_ms": to_ms(self._timeline.queued),
            **self.stats.as_dict(),
        }
