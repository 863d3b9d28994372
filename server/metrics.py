"""Numbers for operators in Prometheus' format: how long stages take, and every session's counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from server.live import LiveFace
    from server.registry import Registry

STAGES = (
    "engine",
    "engine_wait",
    "encode_picture",
    "voice_first_sound",
    "chat_first_sentence",
    "transcribe",
)
"""engine: from sound to picture; engine_wait: before that, in its queue; encode_picture: VP8 or H.264;
voice_first_sound: a sentence given to a voice until it sounds; chat_first_sentence; transcribe."""

COUNTERS = {
    "slots": "Slots of 40 ms played",
    "played": "Slots that showed a new picture",
    "held": "Slots that kept the last picture because none was there",
    "late": "Pictures shown one or two slots after their sound",
    "dropped": "Pictures that came too late or were interrupted",
    "underruns": "Times the sound ran out in the middle of an utterance",
    "unpainted": "Hops the engine had no time to paint",
    "skipped_slots": "Slots nobody could be served because the machine stood still",
    "pictures_sent": "Pictures handed to the encoder",
    "pictures_skipped": "Pictures the sender had no time for",
    "packets_dropped": "Packets of sound the sender had no time for",
    "interruptions": "Times something was interrupted",
}
GAUGES = {
    "queued_ms": "Sound that waits for the engine, ms",
    "stock_ms": "Sound that waits to be played, ms",
    "target_ms": "Adaptive delay, ms",
    "work_ms": "The engine's usual time for a picture, ms",
    "latency_p50_ms": "Sound in to the slot that plays it, median, ms",
    "latency_p95_ms": "Sound in to the slot that plays it, 95th percentile, ms",
    "skew_ms": "Picture behind sound at the sender, median, ms",
    "skew_p99_ms": "Picture against sound at the sender, 99th percentile, ms",
    "texts_waiting": "Texts that wait to be spoken",
    "viewers": "Viewers beside the first",
    "fps": "Pictures a second",
    "age_s": "Media time, s",
}
_BOUNDS_S = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics(Collector):
    """One application's; nothing global."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._numbers = CollectorRegistry()
        self._stages = Histogram(
            "sonic_stream_stage_seconds",
            "Time that stages take",
            ["stage"],
            registry=self._numbers,
            buckets=_BOUNDS_S,
        )
        self._by_stage = {stage: self._stages.labels(stage) for stage in STAGES}
        self._numbers.register(self)

    def observe(self, stage: str, seconds: float) -> None:
        self._by_stage[stage].observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._numbers)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read when somebody asks."""
        told = {"sessions": len(self._registry), "capacity": self._registry.capacity}
        for name, value in told.items():
            yield GaugeMetricFamily(f"sonic_stream_{name}", f"Number of {name}", value)
        yield CounterMetricFamily(
            "sonic_stream_sessions_started", "Sessions since the start", self._registry.admitted
        )
        faces: list[tuple[str, LiveFace]] = [(str(i), face) for i, face in enumerate(self._registry.faces)]
        statuses = [(place, face.status()) for place, face in faces]
        for name, text in GAUGES.items():
            gauge = GaugeMetricFamily(f"sonic_stream_session_{name}", text, labels=["place"])
            for place, status in statuses:
                gauge.add_metric([place], float(status[name]))
            yield gauge
        for name, text in COUNTERS.items():
            counter = CounterMetricFamily(f"sonic_stream_session_{name}", text, labels=["place"])
            for place, status in statuses:
                counter.add_metric([place], float(status[name]))
            yield counter
