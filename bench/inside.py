"""What the server's own path costs, without a network: session, player and encoder in this process.

Everything is the real thing and runs in real time; only the peer connection is left out, so that each sample
and each picture can be looked at where it goes to the encoder.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from bench import cast
from bench.stage import engine_of
from server.bridge import EngineBridge
from server.encoders import LiveVp8Encoder
from server.player import Player
from server.standin import fake_identity
from sonic_stream.engine.base import Engine
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import FRAME_TICKS, PACKET_TICKS, TICK_RATE, Ticks
from sonic_stream.types import F32, U8, Controls, Identity, PortraitSettings

INTERRUPTIONS = 20
LOUD = 60
"""Of 32768: what is left of old sound after an interruption is counted from there."""


def portrait() -> bytes:
    """The bundled portrait that is measured."""
    return cast.paths()[0].read_bytes()


def parts(fake: bool, size: int) -> tuple[Callable[[], Engine], Identity]:
    """An engine factory and an identity."""
    settings = PortraitSettings(min_resolution=size)
    if fake:
        return engine_of(True, size, 1), fake_identity(portrait(), settings)
    from sonic_stream.face import identify

    return engine_of(False, size, 1), identify(portrait(), settings)


def voice(seconds: float) -> F32:
    """Syllables of a buzz, a pause every three seconds."""
    at = np.arange(round(seconds * TICK_RATE)) / TICK_RATE
    buzz = np.sign(np.sin(2 * np.pi * 130 * at)) * np.abs(np.sin(2 * np.pi * 2.2 * at)) ** 2
    return (0.2 * buzz * (at % 3 < 2.5)).astype(np.float32)


def continuous(seconds: float) -> NDArray[np.int16]:
    """16-bit sound without a pause and without a single zero, different everywhere."""
    rng = np.random.default_rng(11)
    count = round(seconds * TICK_RATE)
    swing = 0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * np.arange(count) / TICK_RATE)
    samples = np.rint(rng.standard_normal(count) * swing * 3000).clip(-32767, 32767).astype(np.int16)
    samples[samples == 0] = 1
    return samples


@dataclass
class Sink:
    """Encodes every picture as the sender does and notes when it was done; keeps the sound."""

    player: Player
    latency_ms: list[float] = field(default_factory=list)
    skew_ms: list[float] = field(default_factory=list)
    encode_ms: list[float] = field(default_factory=list)
    sound_at: dict[Ticks, float] = field(default_factory=dict)
    packets: list[tuple[float, NDArray[np.int16]]] = field(default_factory=list)
    handed: dict[Ticks, Ticks] = field(default_factory=dict)

    async def pictures(self) -> None:
        encoder, loop = LiveVp8Encoder(), asyncio.get_running_loop()
        while True:
            frame: VideoFrame = await self.player.pictures.recv()
            pts = int(frame.pts or 0) * 8 // 15
            begin = time.monotonic()
            await loop.run_in_executor(None, encoder.encode, frame, False)
            self.encode_ms.append((time.monotonic() - begin) * 1000)
            now = self.player.clock.now()
            if pts in self.handed:
                self.latency_ms.append((now - self.handed.pop(pts)) * 1000 / TICK_RATE)
            if pts in self.sound_at:
                self.skew_ms.append(abs(begin - self.sound_at[pts]) * 1000)

    async def sound(self) -> None:
        while True:
            frame = await self.player.voice.recv()
            self.sound_at[int(frame.pts or 0)] = time.monotonic()
            self.packets.append((time.monotonic(), frame.to_ndarray()[0].copy()))


@dataclass
class Running:
    """A running session and what comes out of it."""

    session: LiveSession[U8]
    player: Player
    sink: Sink

    def push(self, samples: F32, live: bool = False) -> None:
        self.session.push(samples, TICK_RATE, self.player.clock.now(), live)
        self.player.feed()

    def end(self) -> None:
        self.session.end(self.player.clock.now())
        self.player.feed()


@contextlib.asynccontextmanager
async def running(fake: bool, size: int) -> AsyncIterator[Running]:
    """The path, warm."""
    factory, identity = parts(fake, size)
    bridge = EngineBridge(factory)
    await bridge.loaded()
    await bridge.prepare(identity)
    slot = await bridge.open(identity, Controls())
    session: LiveSession[U8] = LiveSession(slot, bridge.lookahead)
    player = Player(session, bridge, lambda: None)
    sink = Sink(player)
    # The unit of each slot tells when its sound came in; noted as it is played.
    tick = session.tick

    def noted() -> Any:
        unit = tick()
        if unit.speech:
            sink.handed[unit.slot * FRAME_TICKS] = unit.handed
        return unit

    session.tick = noted  # type: ignore[method-assign]
    player.start()
    tasks = [asyncio.create_task(sink.pictures()), asyncio.create_task(sink.sound())]
    await asyncio.sleep(3)
    try:
        yield Running(session, player, sink)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        session.close()
        await player.stop()
        await bridge.close(slot)
        await bridge.stop()


async def latency(path: Running, seconds: float) -> dict[str, float]:
    """PCM pushed in 20 ms pieces as a microphone does, timed until its picture left the encoder."""
    sound = voice(seconds)
    cpu_s, begin = time.process_time(), time.monotonic()
    for i, at in enumerate(range(0, len(sound), PACKET_TICKS)):
        await asyncio.sleep(max(0.0, begin + (i + 1) * 0.02 - time.monotonic()))
        path.push(sound[at : at + PACKET_TICKS], live=True)
    core_ms = (time.process_time() - cpu_s) * 1000 / (seconds * 25)
    path.end()
    await asyncio.sleep(1)
    status = path.session.status()
    return {
        "pcm_to_encoded_p50_ms": at_share(path.sink.latency_ms, 50),
        "pcm_to_encoded_p95_ms": at_share(path.sink.latency_ms, 95),
        "encode_p50_ms": at_share(path.sink.encode_ms, 50),
        "engine_work_ms": float(str(status["work_ms"])),
        "sender_skew_p99_ms": at_share(path.sink.skew_ms, 99),
        "core_ms_per_picture": round(core_ms, 1),
        "held_share": round(float(str(status["held"])) / max(1.0, float(str(status["slots"]))), 4),
        "underruns": float(str(status["underruns"])),
        "skipped_slots": float(str(status["skipped_slots"])),
    }


async def ahead(path: Running, times: int = 8) -> dict[str, float]:
    """Sound that a TTS hands over at once: until its first picture left the encoder."""
    path.sink.latency_ms.clear()
    first: list[float] = []
    for _ in range(times):
        before = len(path.sink.latency_ms)
        path.push(voice(1.0))
        path.end()
        await asyncio.sleep(1.7)
        first += path.sink.latency_ms[before : before + 1]
    return {"tts_first_picture_p50_ms": at_share(first, 50)}


async def interruptions(path: Running) -> dict[str, float]:
    """The last old sound that leaves for the encoder after an interruption."""
    tails_ms: list[float] = []
    rng = random.Random(4)
    for _ in range(INTERRUPTIONS):
        path.push(voice(1.4))
        path.end()
        await asyncio.sleep(0.5 + rng.random() * 0.4)
        flushed = time.monotonic()
        path.session.interrupt(path.player.clock.now())
        path.player.hush()
        await asyncio.sleep(0.4)
        late = [at - flushed for at, packet in path.sink.packets if at > flushed and _peak(packet) > LOUD]
        tails_ms.append(max(late, default=0.0) * 1000)
    return {"interrupt_tail_p95_ms": at_share(tails_ms, 95), "interrupt_tail_max_ms": round(max(tails_ms), 1)}


def _peak(packet: NDArray[np.int16]) -> int:
    return int(np.abs(packet.astype(np.int32)).max())


async def intact(path: Running, seconds: float, live: bool) -> dict[str, float]:
    """Continuous sound in 20 ms pieces, each up to 60 ms late by chance: what arrives at the encoder?

    `inserted_zeros` counts samples that are zero between the first and the last of the sound, which holds
    none; `altered_samples` those that are not what was sent (5 ms of fade-in at its very beginning apart).
    """
    sent = continuous(seconds)
    rng = random.Random(7)
    from_packet = len(path.sink.packets)
    begin = latest = time.monotonic()
    for i, at in enumerate(range(0, len(sent), PACKET_TICKS)):
        latest = max(latest, begin + (i + 1) * 0.02 + rng.random() * 0.06)
        await asyncio.sleep(max(0.0, latest - time.monotonic()))
        path.push(sent[at : at + PACKET_TICKS].astype(np.float32) / 32768, live)
    path.end()
    await asyncio.sleep(1.5)
    got = np.concatenate([packet for _, packet in path.sink.packets[from_packet:]])
    name = "live_" if live else ""
    return {f"{name}{key}": value for key, value in compare(sent, got).items()}


def compare(sent: NDArray[np.int16], got: NDArray[np.int16]) -> dict[str, float]:
    """What became of `sent` in `got`."""
    skip, probe = TICK_RATE // 100, 64  # past the fade-in
    first = np.flatnonzero(got[: len(got) - probe] == sent[skip])
    starts = [at for at in first if np.array_equal(got[at : at + probe], sent[skip : skip + probe])]
    heard = np.flatnonzero(got)
    if not starts or not len(heard):
        return {"inserted_zeros": float("nan"), "altered_samples": float(len(sent))}
    begin = int(starts[0])
    span = got[begin : heard[-1] + 1]
    same = min(len(span), len(sent) - skip)
    altered = int((span[:same] != sent[skip : skip + same]).sum()) + len(sent) - skip - same
    return {"inserted_zeros": float((span == 0).sum()), "altered_samples": float(altered)}


def at_share(values: list[float], share: float) -> float:
    """A percentile; NaN of nothing."""
    return round(float(np.percentile(values, share)), 1) if values else float("nan")


async def measure(fake: bool, size: int, seconds: float, intact_seconds: float) -> dict[str, float]:
    """All of it, one after the other, in one session."""
    async with running(fake, size) as path:
        figures = await latency(path, seconds)
        figures |= await ahead(path)
        figures |= await interruptions(path)
        if intact_seconds:
            figures |= await intact(path, intact_seconds, live=False)
            before = path.session.stats.shortened
            figures |= await intact(path, intact_seconds, live=True)
            figures["live_cuts"] = float(path.session.stats.shortened - before)
    return figures
