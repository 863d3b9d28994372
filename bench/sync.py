"""Sound against picture in a real browser: `python -m bench.sync [--seconds 20]`.

A tone of 0.2 s every second goes through the audio socket of the stand-in server, whose pictures brighten
with the sound of their own instant. The page sees the flash (`requestVideoFrameCallback`) and hears the
beep (an AudioWorklet); their distance, picture minus sound, is printed for every second. The detector's
own way through WebAudio takes about 35 ms (`DETECTOR_MS`), which is allowed for. Last line: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import websockets

from bench.live import CHROMIUM, FLAGS, free_port
from sonic_stream.timebase import TICK_RATE

DETECTOR_MS = 35.0
"""From WebRTC's output to the worklet, by an earlier calibration; good to about ten milliseconds."""

WATCH = """async () => {
  const seen = window.seen = {flash: [], beep: []};
  const video = document.getElementById("video");
  const paper = new OffscreenCanvas(8, 8).getContext("2d", {willReadFrequently: true});
  let bright = false;
  const look = (now, frame) => {
    paper.drawImage(video, video.videoWidth / 3, video.videoHeight / 2, 8, 8, 0, 0, 8, 8);
    const is = paper.getImageData(4, 4, 1, 1).data[1] > 50;
    if (is && !bright) seen.flash.push(frame.expectedDisplayTime);
    bright = is;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const code = `registerProcessor("onset", class extends AudioWorkletProcessor {
    last = -1;
    process(inputs) {
      const heard = inputs[0][0] || [];
      for (let k = 0; k < heard.length; k++) if (Math.abs(heard[k]) > 0.05) {
        const at = currentTime + k / sampleRate;
        if (at - this.last > 0.3) this.port.postMessage(at);
        this.last = at;
      }
      return true;
    }
  })`;
  const context = new AudioContext({sampleRate: 48000, latencyHint: "interactive"});
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
  const node = new AudioWorkletNode(context, "onset");
  context.createMediaStreamSource(video.srcObject).connect(node);
  const nowhere = new GainNode(context, {gain: 0});
  node.connect(nowhere).connect(context.destination);
  node.port.onmessage = (event) => {
    const clock = context.getOutputTimestamp();
    seen.beep.push(clock.performanceTime + (event.data - clock.contextTime) * 1000);
  };
}"""


async def measure(seconds: int) -> list[float]:
    """Picture minus sound in ms, one for each second."""
    from playwright.async_api import async_playwright

    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "server.standin", "--port", str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        await _until_up(url)
        async with async_playwright() as engine:
            browser = await engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = await browser.new_page(viewport={"width": 800, "height": 700})
            await page.goto(url)
            await page.wait_for_selector(".portrait img")
            await page.click("#start")
            await page.wait_for_function("document.body.dataset.state === 'idle'")
            await page.evaluate(WATCH)
            session = await page.evaluate("sonicStream.live.session")
            await _beep(f"ws://127.0.0.1:{port}/api/sessions/{session}/audio", seconds)
            seen = await page.evaluate("seen")
            await browser.close()
    finally:
        server.terminate()
        server.wait(15)
    beeps = np.array(seen["beep"])
    nearest = [beeps[np.abs(beeps - flash).argmin()] for flash in seen["flash"]]
    return [round(f - b + DETECTOR_MS, 1) for f, b in zip(seen["flash"], nearest, strict=True)]


async def _until_up(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except OSError:
            await asyncio.sleep(0.1)
    sys.exit("The server did not come up.")


async def _beep(url: str, seconds: int) -> None:
    at = np.arange(seconds * TICK_RATE) / TICK_RATE
    sound = (np.sin(2 * np.pi * 1000 * at) * 20_000 * (at % 1 < 0.2)).astype("<i2").tobytes()
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"rate": TICK_RATE}))
        for start in range(0, len(sound), 9600):
            await socket.send(sound[start : start + 9600])
        await socket.send('{"end": true}')
        async for message in socket:
            if json.loads(message)["type"] == "speaking_finished":
                break
    await asyncio.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    if not Path(CHROMIUM).exists():
        sys.exit(f"No Chromium at {CHROMIUM}; name one in the environment variable CHROMIUM.")
    apart = asyncio.run(measure(options.seconds))
    for second, value in enumerate(apart):
        print(f"second {second:3}  picture minus sound {value:7.1f} ms")
    settled = apart[5:]
    print(
        json.dumps(
            {
                "flash_beep_median_ms": float(np.median(settled)) if settled else None,
                "flash_beep_worst_ms": max(settled, key=abs) if settled else None,
                "settings": {"seconds": options.seconds, "load": round(os.getloadavg()[0], 1)},
            }
        )
    )


if __name__ == "__main__":
    main()
