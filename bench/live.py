"""Live figures: `python -m bench.live [--fake] [--seconds 20] [--size 512]`.

Three measurements, each through the real server code:
  engine   PCM handed in at real time -> the encoded picture that shows it, without a network
  browser  Start -> first picture, microphone-like sound -> sound in headless Chromium's statistics
  stop     an interruption -> the last old sound that leaves the sender
Prints a table and, last, one JSON line with its settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from av import VideoFrame

from server.bridge import EngineBridge
from server.encoders import LiveVp8Encoder
from server.player import Player
from server.standin import fake_identity
from sonic_stream.engine.base import Engine
from sonic_stream.engine.fake import FakeEngine
from sonic_stream.stream.session import LiveSession
from sonic_stream.timebase import PACKET_TICKS, TICK_RATE, Ticks
from sonic_stream.types import F32, U8, Controls, Identity, PortraitSettings

PORTRAITS = Path(__file__).resolve().parent.parent / "sonic_stream" / "assets" / "portraits"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def portrait() -> bytes:
    """The first bundled portrait."""
    kinds = {".png", ".jpg", ".jpeg", ".webp"}
    return next(p for p in sorted(PORTRAITS.iterdir()) if p.suffix in kinds).read_bytes()


def parts(fake: bool, size: int) -> tuple[Callable[[], Engine], Identity]:
    """An engine factory and an identity."""
    settings = PortraitSettings(min_resolution=size)
    if fake:
        return lambda: FakeEngine(size), fake_identity(portrait(), settings)
    from sonic_stream.face import identify

    def engine() -> Engine:
        import cv2
        import torch

        from sonic_stream.engine.local import LocalEngine

        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return LocalEngine.load(device="cpu", capacity=1)

    return engine, identify(portrait(), settings)


def voice(seconds: float) -> F32:
    """Syllables of a buzz, a pause every three seconds."""
    at = np.arange(round(seconds * TICK_RATE)) / TICK_RATE
    buzz = np.sign(np.sin(2 * np.pi * 130 * at)) * np.abs(np.sin(2 * np.pi * 2.2 * at)) ** 2
    return (0.2 * buzz * (at % 3 < 2.5)).astype(np.float32)


@dataclass
class Sink:
    """Encodes every picture as the sender does and notes when it was done."""

    player: Player
    session: LiveSession[U8]
    latency_ms: list[float] = field(default_factory=list)
    skew_ms: list[float] = field(default_factory=list)
    encode_ms: list[float] = field(default_factory=list)
    sound_at: dict[Ticks, float] = field(default_factory=dict)
    loud: list[tuple[float, float]] = field(default_factory=list)
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
            self.loud.append((time.monotonic(), float(np.abs(frame.to_ndarray()).max())))


async def measure_engine(fake: bool, size: int, seconds: float) -> dict[str, float]:
    """PCM pushed in 20 ms pieces as a live program does, read back behind the encoder."""
    factory, identity = parts(fake, size)
    bridge = EngineBridge(factory)
    await bridge.loaded()
    await bridge.prepare(identity)
    slot = await bridge.open(identity, Controls())
    session: LiveSession[U8] = LiveSession(slot, bridge.lookahead)
    player = Player(session, bridge, lambda: None)
    sink = Sink(player, session)
    # The unit of each slot tells when its sound came in; noted as it is played.
    tick = session.tick

    def noted() -> Any:
        unit = tick()
        if unit.speech:
            sink.handed[unit.slot * 1920] = unit.handed
        return unit

    session.tick = noted  # type: ignore[method-assign]
    player.start()
    tasks = [asyncio.create_task(sink.pictures()), asyncio.create_task(sink.sound())]
    await asyncio.sleep(3)
    sound = voice(seconds)
    cpu = time.process_time()
    begin = time.monotonic()
    tails_ms: list[float] = []
    for i, at in enumerate(range(0, len(sound), PACKET_TICKS)):
        await asyncio.sleep(max(0.0, begin + (i + 1) * 0.02 - time.monotonic()))
        session.push(sound[at : at + PACKET_TICKS], TICK_RATE, player.clock.now(), live=True)
        player.feed()
    core_ms = (time.process_time() - cpu) * 1000 / (seconds * 25)
    session.end(player.clock.now())
    await asyncio.sleep(1)
    live_ms = list(sink.latency_ms)
    for _ in range(8):
        session.push(voice(1.4), TICK_RATE, player.clock.now())
        session.end(player.clock.now())
        player.feed()
        await asyncio.sleep(0.8)
        flushed = time.monotonic()
        session.interrupt(player.clock.now())
        player.hush()
        await asyncio.sleep(0.5)
        late = [at - flushed for at, peak in sink.loud if at > flushed and peak > 60]
        tails_ms.append(max(late, default=0.0) * 1000)
    status = session.status()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    session.close()
    await player.stop()
    await bridge.close(slot)
    await bridge.stop()

    def at(values: list[float], share: float) -> float:
        return round(float(np.percentile(values, share)), 1) if values else float("nan")

    return {
        "pcm_to_encoded_p50_ms": at(live_ms, 50),
        "pcm_to_encoded_p95_ms": at(live_ms, 95),
        "encode_p50_ms": at(sink.encode_ms, 50),
        "engine_work_ms": float(str(status["work_ms"])),
        "interrupt_tail_p95_ms": at(tails_ms, 95),
        "sender_skew_p99_ms": at(sink.skew_ms, 99),
        "core_ms_per_picture": round(core_ms, 1),
        "held_share": round(float(str(status["held"])) / max(1.0, float(str(status["slots"]))), 4),
        "underruns": float(str(status["underruns"])),
        "skipped_slots": float(str(status["skipped_slots"])),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


async def measure_browser(fake: bool, starts: int) -> dict[str, float]:
    """Start -> first picture, and what the browser says of rate, delay and skew with a microphone."""
    from playwright.async_api import async_playwright

    port = free_port()
    command = ["server.standin"] if fake else ["sonic_stream", "serve"]
    server = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        async with async_playwright() as engine:
            browser = await engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 1200, "height": 800})
            for _ in range(600):
                try:
                    answer = await page.request.get(f"http://127.0.0.1:{port}/health")
                    if answer.ok:
                        break
                except Exception:  # not up yet, whatever the reason
                    await asyncio.sleep(0.1)
            await asyncio.sleep(4)
            await page.goto(f"http://127.0.0.1:{port}/")
            await page.wait_for_selector(".portrait img")
            await page.wait_for_timeout(1500)
            first: list[float] = []
            for i in range(starts):
                await page.click("#start")
                await page.wait_for_function("document.body.dataset.state === 'idle'", timeout=30_000)
                times = await page.evaluate("sonicStream.live.times")
                first.append(times["picture"] - times["start"])
                if i < starts - 1:
                    await page.wait_for_timeout(700)
                    await page.click("#stop")
                    await page.wait_for_timeout(700)
            await page.evaluate(
                "window.got = []; sonicStream.live.addEventListener('stats', e => got.push(e.detail))"
            )
            await page.click("#mic")
            await page.wait_for_timeout(12_000)
            got = (await page.evaluate("got"))[5:]
            await browser.close()
    finally:
        server.terminate()
        server.wait(15)

    def middle(name: str) -> float:
        values = [g[name] for g in got if g.get(name) is not None]
        return round(float(np.median(values)), 1) if values else float("nan")

    return {
        "first_picture_ms": round(float(np.median(first)), 0),
        "browser_fps": middle("fps"),
        "mic_to_screen_p50_ms": middle("latency_ms"),
        "browser_skew_ms": middle("skew_ms"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fake", action="store_true", help="a stand-in engine: what the plumbing costs")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    figures = asyncio.run(measure_engine(options.fake, options.size, options.seconds))
    if not options.no_browser and Path(CHROMIUM).exists():
        figures |= asyncio.run(measure_browser(options.fake, options.starts))
    for name, value in figures.items():
        print(f"{name:28} {value:10.1f}")
    settings = {
        "engine": "fake" if options.fake else "local",
        "size": options.size,
        "seconds": options.seconds,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps({**figures, "settings": settings}))


if __name__ == "__main__":
    main()
