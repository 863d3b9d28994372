"""Real, headless Chromium on the real page, with detectors for flash and beep, and a server beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import urllib.request
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.relay import Network, Relay
from bench.stage import MARK_SHARE
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
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
DETECTOR_MS = 35.0
"""From WebRTC's output to the worklet, by an earlier calibration; good to about ten milliseconds."""

REMEMBER = """
  window.peers = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...how) { super(...how); window.peers.push(this); }
  };
"""
"""Runs before the page: keeps its connections where detectors find them."""

WATCH = """async (share) => {
  const seen = window.seen = {flash: [], beep: [], end: [], frames: [], mic: [], skew: [],
    audio_wait: [], video_wait: []};
  const video = document.querySelector("video");
  const dot = new Uint8Array(64);
  let bright = false;
  const look = async (now, frame) => {
    video.requestVideoFrameCallback(look);
    seen.frames.push(frame.expectedDisplayTime);
    // Four pixels are copied as they were decoded: drawing the picture would cost more than showing it.
    const at = 2 * Math.round(video.videoWidth / share / 4);
    const picture = new VideoFrame(video, {timestamp: 0});
    await picture.copyTo(dot, {rect: {x: at, y: at, width: 2, height: 2}});
    picture.close();
    if (dot[0] > 128 && !bright) seen.flash.push(frame.expectedDisplayTime);
    bright = dot[0] > 128;
  };
  video.requestVideoFrameCallback(look);
  const code = `registerProcessor("edges", class extends AudioWorkletProcessor {
    last = -1; loud = false;
    process(inputs) {
      const heard = inputs[0][0] || [];
      for (let k = 0; k < heard.length; k++) if (Math.abs(heard[k]) > 0.05) {
        const at = currentTime + k / sampleRate;
        if (at - this.last > 0.2) this.port.postMessage({edge: "beep", at});
        this.last = at; this.loud = true;
      }
      if (this.loud && currentTime - this.last > 0.1) {
        this.loud = false;
        this.port.postMessage({edge: "end", at: this.last});
      }
      return true;
    }
  })`;
  const context = window.ears = new AudioContext({sampleRate: 48000, latencyHint: "interactive"});
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
  const nowhere = new GainNode(context, {gain: 0});
  nowhere.connect(context.destination);
  window.listen = (stream, take) => {
    const node = new AudioWorkletNode(context, "edges");
    context.createMediaStreamSource(stream).connect(node);
    node.connect(nowhere);
    node.port.onmessage = (event) => {
      const clock = context.getOutputTimestamp();
      take(event.data.edge, clock.performanceTime + (event.data.at - clock.contextTime) * 1000);
    };
  };
  window.listen(video.srcObject, (edge, at) => seen[edge].push(at));
  const before = {};
  setInterval(async () => {
    const now = {};
    (await window.peers.at(-1).getStats()).forEach((entry) => {
      if (entry.type !== "inbound-rtp") return;
      now[entry.kind] = entry.estimatedPlayoutTimestamp;
      const last = before[entry.kind] || {jitterBufferDelay: 0, jitterBufferEmittedCount: 0};
      const count = entry.jitterBufferEmittedCount - last.jitterBufferEmittedCount;
      const wait = (entry.jitterBufferDelay - last.jitterBufferDelay) * 1000 / count;
      if (count) seen[entry.kind + "_wait"].push(Math.round(wait));
      before[entry.kind] = entry;
    });
    if (now.video && now.audio) seen.skew.push(now.audio - now.video);
  }, 1000);
}"""

MICROPHONE = """async () => {
  const stream = await navigator.mediaDevices.getUserMedia(
    {audio: {echoCancellation: true, noiseSuppression: true, autoGainControl: true}});
  window.listen(stream, (edge, at) => { if (edge === "beep") seen.mic.push(at); });
  const sessions = (await (await fetch("/api/sessions")).json()).sessions;
  await fetch(`/api/sessions/${sessions.at(-1).id}/mode`, {method: "POST",
    headers: {"Content-Type": "application/json"}, body: '{"mode": "streamer"}'});
  const sender = window.peers.at(-1).getTransceivers()
    .find((each) => each.receiver.track.kind === "audio").sender;
  await sender.replaceTrack(stream.getAudioTracks()[0]);
}"""
"""The microphone drives the face, whatever buttons the page has for it."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.asynccontextmanager
async def served(*words: str) -> AsyncIterator[str]:
    """A server of `python -m WORDS --port P` that is ready; its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", *words, "--port", str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(lambda: urllib.request.urlopen(f"{url}/health", timeout=2).close())
                break
            if process.poll() is not None:
                sys.exit("The server ended by itself.")
            await asyncio.sleep(0.1)
        else:
            sys.exit("The server did not come up.")
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextlib.asynccontextmanager
async def page_of(url: str, network: Network | None = None, sound: Path | None = None) -> AsyncIterator[Any]:
    """The server's page in Chromium, its connections behind `network`, its microphone hearing `sound`."""
    from playwright.async_api import async_playwright

    relays: list[Relay] = []
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={sound}"] if sound else FLAGS
    async with async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = await browser.new_page(viewport={"width": 1000, "height": 800})
        await page.add_init_script(REMEMBER)

        async def through_relay(route: Any) -> None:
            if route.request.method != "POST" or network is None:
                await route.continue_()
                return
            answer = await route.fetch()
            told = await answer.json()
            if "sdp" in told:
                relays.append(Relay(network))
                told["sdp"] = await relays[-1].rewrite(told["sdp"])
            await route.fulfill(response=answer, json=told)

        if network is not None:
            await page.route("**/api/sessions", through_relay)
        await page.goto(url)
        await page.wait_for_selector("#start:not([disabled])")
        await page.wait_for_timeout(500)
        try:
            yield page
        finally:
            await browser.close()
            for relay in relays:
                relay.close()


async def start(page: Any) -> str:
    """Presses Start and returns the session's id when its first picture is there."""
    await page.click("#start")
    await page.wait_for_function("document.body.dataset.state === 'idle'", timeout=60_000)
    found = await page.evaluate("fetch('/api/sessions').then(a => a.json())")
    return str(found["sessions"][-1]["id"])


async def watch(page: Any) -> None:
    """From here on `seen` fills with flashes, beeps and pictures (performance time, ms)."""
    await page.evaluate(WATCH, MARK_SHARE)


def beeps(seconds: float, every_s: float = 1.0, loud_s: float = 0.2) -> F32:
    """A voice-like buzz of `loud_s` at the end of every `every_s`."""
    at = np.arange(round(seconds * TICK_RATE)) / TICK_RATE
    buzz = sum(np.sin(2 * np.pi * 180 * k * at + k) / k for k in range(1, 12))
    return (0.35 * np.asarray(buzz) * (at % every_s >= every_s - loud_s)).astype(np.float32)


def write_wav(path: Path, samples: F32) -> Path:
    """A mono file at 48 kHz, 16 bits."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(TICK_RATE)
        out.writeframes(np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes())
    return path


def nearest_ms(times: list[float], others: list[float]) -> list[tuple[float, float]]:
    """(time, time minus the nearest of `others`) where one lies within half a second."""
    if not others:
        return []
    there = np.array(others)
    pairs = [(at, float(at - there[np.abs(there - at).argmin()])) for at in times]
    return [(at, apart) for at, apart in pairs if abs(apart) < 500]
