"""Live figures: `python -m bench.live [--engine fake] [--seconds 20] [--size 512] [--no-browser]`.

Two measurements, each through the real server code (`bench.sync` has a third: sync in trouble):
  inside   PCM handed in -> the encoded picture that shows it; what an interruption leaves; whether continuous
           sound that comes irregularly arrives at the encoder as it was sent
  browser  real Chromium: Start -> first picture; its microphone -> the picture and the sound that come back;
           an interruption -> the last old sound
The browser's microphone plays a file of buzzes; a worklet notes when each begins in the microphone's own
track and when it comes back, `requestVideoFrameCallback` when its mark is seen (`bench.stage`).
`--docs` writes the table into docs/latency.md. Last line: JSON with its settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from bench import inside, report, trace
from bench.chromium import (
    CHROMIUM,
    DETECTOR_MS,
    MICROPHONE,
    beeps,
    nearest_ms,
    page_of,
    served,
    start,
    watch,
    write_wav,
)
from sonic_stream.timebase import TICK_RATE

BEEP_EVERY_S, BEEP_S = 1.5, 0.4
LONGEST_TRIP_MS = 1200.0

FIRST_PICTURE = """() => new Promise((done) => {
  const begin = performance.now();
  document.querySelector("video").requestVideoFrameCallback(() => done(performance.now() - begin));
  document.querySelector("#start").click();
})"""

INTERRUPT = """async (session) => {
  const begin = performance.now();
  await fetch(`/api/sessions/${session}/interrupt`, {method: "POST"});
  return begin;
}"""

WORDS = {
    "pcm_to_encoded_p50_ms": "sound handed in -> its picture leaves the encoder, look-ahead included, p50",
    "pcm_to_encoded_p95_ms": "... p95",
    "tts_first_picture_p50_ms": "sound that is there at once -> its first picture leaves the encoder, p50",
    "first_picture_ms": "Start -> first picture in Chromium, known portrait",
    "mic_to_screen_p50_ms": "microphone -> picture in Chromium, p50",
    **{f"way_{name}_ms": f"... {words}" for name, words in trace.WAY.items() if words},
    "mic_to_ear_p50_ms": "microphone -> sound in Chromium, p50",
    "browser_skew_ms": "picture minus sound in Chromium, median",
    "browser_fps": "pictures a second in Chromium",
    "browser_engine_work_ms": "a picture's time in the engine beside Chromium, median",
    "browser_plain": "painted without the decoder there (1: yes)",
    "interrupt_tail_p95_ms": "interruption -> last old sound at the sender, p95",
    "browser_interrupt_tail_p95_ms": "interruption -> last old sound in Chromium, p95",
    "sender_skew_p99_ms": "sound against picture at the sender, p99",
    "inserted_zeros": "zeros put into continuous sound that comes 0-60 ms late",
    "altered_samples": "... samples that are not what was sent",
    "live_inserted_zeros": "... zeros, from a microphone",
    "core_ms_per_picture": "CPU for a picture, sound to packets, core-ms",
}


async def measure_browser(fake: bool, size: int, starts: int, seconds: float) -> dict[str, Any]:
    """Start, microphone and interruption in headless Chromium."""
    tone = inside.voice(6.0)
    with tempfile.TemporaryDirectory() as folder:
        moments = Path(folder) / "moments"
        stage = ["bench.stage", "--size", str(size), "--trace", str(moments), *(["--fake"] if fake else [])]
        sound = write_wav(Path(folder) / "beeps.wav", beeps(BEEP_EVERY_S * 8, BEEP_EVERY_S, BEEP_S))
        async with served(*stage) as url, page_of(url, sound=sound) as page:
            await asyncio.sleep(4)  # until the first portrait is ready
            first = []
            for _ in range(starts):
                first.append(await page.evaluate(FIRST_PICTURE))
                await page.wait_for_timeout(700)
                await page.click("#stop")
                await page.wait_for_timeout(900)
            session = await start(page)
            await watch(page)
            await page.evaluate(MICROPHONE)
            await page.wait_for_timeout((seconds + 4) * 1000)
            seen = await page.evaluate("seen")
            figures = trips(seen) | await _state(page, session)
            origin_ms = await page.evaluate("performance.timeOrigin")
            shown = {name: [(origin_ms + at) / 1000 for at in seen[name]] for name in ("mic", "flash")}
            ways = trace.stages_ms(trace.read(moments) | shown)
            tails = await _interruptions(page, f"ws{url.removeprefix('http')}", session, tone)
    return {
        "first_picture_ms": round(float(np.median(first)), 0),
        **figures,
        # The worklet hears the microphone late.
        **{f"way_{name}_ms": round(ms + DETECTOR_MS * (name == "heard"), 1) for name, ms in ways.items()},
        "browser_interrupt_tail_p95_ms": inside.at_share(tails, 95),
    }


def trips(seen: dict[str, list[float]]) -> dict[str, Any]:
    """From each beginning of a buzz in the microphone to its sound and its picture; the first four are left
    out, in which the browser still aligns both."""
    begun = seen["mic"][4:]

    def trip(others: list[float]) -> list[float]:
        later = [min((o - at for o in others if o > at), default=1e9) for at in begun]
        return [value for value in later if value < LONGEST_TRIP_MS]

    # Both ends of the sound's way are seen by the same detector; the picture's end is not.
    ear, screen = trip(seen["beep"]), [value + DETECTOR_MS for value in trip(seen["flash"])]
    apart = [value + DETECTOR_MS for _, value in nearest_ms(seen["flash"], seen["beep"])][4:]
    frames = np.array(seen["frames"])
    return {
        "mic_to_screen_p50_ms": inside.at_share(screen, 50),
        "mic_to_screen_p95_ms": inside.at_share(screen, 95),
        **{f"way_{name}_ms": f"... {words}" for name, words in trace.WAY.items() if words},
        "mic_to_ear_p50_ms": inside.at_share(ear, 50),
        "mic_trips": len(screen),
        "browser_skew_ms": inside.at_share(apart, 50),
        "browser_fps": round((len(frames) - 1) * 1000 / float(np.ptp(frames)), 1),
    }


async def _state(page: Any, session: str) -> dict[str, float]:
    """What the server says of the session then."""
    told = await page.evaluate(f"fetch('/api/sessions/{session}').then(answer => answer.json())")
    return {
        "browser_engine_work_ms": float(told["work_ms"]),
        "browser_target_ms": float(told["target_ms"]),
        "browser_plain": float(told["plain"]),
    }


async def _interruptions(page: Any, url: str, session: str, tone: np.ndarray, times: int = 10) -> list[float]:
    """How long after asking for silence the browser still hears a program's sound."""
    data = np.rint(tone * 32767).astype("<i2").tobytes()
    tails = []
    async with websockets.connect(f"{url}/api/sessions/{session}/audio") as socket:
        await socket.send(json.dumps({"rate": TICK_RATE}))
        for _ in range(times):
            await socket.send(data[: len(data) // 2])
            async for message in socket:
                if json.loads(message)["type"] == "speaking_started":
                    break
            await asyncio.sleep(0.8)
            begin = await page.evaluate(INTERRUPT, session)
            await asyncio.sleep(0.7)
            ends = [at for at in await page.evaluate("seen.end") if at > begin - 300]
            # The detector hears late by its own way through WebAudio.
            tails += [max(0.0, max(ends) - begin - DETECTOR_MS)] if ends else []
    return tails


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("fake", "local"), default="local")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--intact-seconds", type=float, default=60.0, help="of continuous sound; 0: none")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--no-inside", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    fake = options.engine == "fake"
    figures: dict[str, Any] = {}
    if not options.no_inside:
        figures |= asyncio.run(inside.measure(fake, options.size, options.seconds, options.intact_seconds))
    if not options.no_browser and Path(CHROMIUM).exists():
        figures |= asyncio.run(measure_browser(fake, options.size, options.starts, options.seconds))
    for name, value in figures.items():
        print(f"{name:32} {value:10.1f}")
    rows = [{"what": words, "value": figures[name]} for name, words in WORDS.items() if name in figures]
    if options.docs:
        report.write("live", report.table(rows, {"what": "", "value": "ms"}))
    settings = {
        "engine": options.engine,
        "size": options.size,
        "seconds": options.seconds,
        "cpus": os.cpu_count(),
        "load": report.load(),
    }
    print(json.dumps({**figures, "settings": settings}))


if __name__ == "__main__":
    main()
