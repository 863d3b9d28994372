"""What happened in a session, counted: for the page, for `/metrics` and for benchmarks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sonic_stream.timebase import TICK_RATE, Ticks


def to_ms(ticks: Ticks) -> float:
    return round(ticks * 1000 / TICK_RATE, 1)


def percentile(values: list[Ticks], share: float) -> Ticks:
    """The smallest value that at least `share` of `values` do not exceed; 0 for none."""
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class StreamStats:
    """Counts since the session began, and the latency of its last ten seconds of sound."""

    slots: int = 0
    played: int = 0
    """Slots that showed a new picture."""
    held: int = 0
    """Slots that kept the last picture because none was there."""
    late: int = 0
    """Pictures shown one or two slots after their sound."""
    dropped: int = 0
    """Pictures that came too late to show, or belonged to sound that was interrupted."""
    underruns: int = 0
    """Times the sound ran out in the middle of an utterance."""
    stretched: int = 0
    """Silent hops put in where the speaker paused, to win time."""
    trimmed: int = 0
    """Silent hops left out, to win back delay."""
    shortened: int = 0
    """Cuts of 5 to 15 ms within speech, to win back delay."""
    discarded: int = 0
    """Hops given up because far too much live sound had piled up."""
    unpainted: int = 0
    """Hops the engine had no time to paint: their sound played under a held picture."""
    skipped_slots: int = 0
    """Slots nobody could be served because this machine stood still."""
    latencies: deque[Ticks] = field(default_factory=lambda: deque(maxlen=256))
    """From the moment sound came in to the slot that played it, per hop."""

    def as_dict(self) -> dict[str, float]:
        """Counts and latency (ms) under plain names."""
        recent = list(self.latencies)
        counts = {
            name: getattr(self, name)
            for name in (
                "slots",
                "played",
                "held",
                "late",
                "dropped",
                "underruns",
                "stretched",
                "trimmed",
                "shortened",
                "discarded",
                "unpainted",
                "skipped_slots",
            )
        }
        return {
            **counts,
            "latency_p50_ms": to_ms(percentile(recent, 0.5)),
            "latency_p95_ms": to_ms(percentile(recent, 0.95)),
        }
