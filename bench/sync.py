"""Sound against picture in a real browser, also in trouble: `python -m bench.sync [clean loss stall delay]`.

A buzz of 0.2 s every second goes through the audio socket; the server marks the pictures that belong to it
(`bench.stage`). The page sees the mark appear (`requestVideoFrameCallback`) and hears the buzz begin (an
AudioWorklet); picture minus sound is taken for every second. The detector's own way through WebAudio takes
about 35 ms (`DETECTOR_MS`), which is allowed for.

  clean   nothing is wrong
  loss    3 % of all datagrams lost, the others 20 to 50 ms late, both ways
  stall   the engine stands still for 1.5 s at the 12th second
  delay   every picture leaves 400 ms after its sound

`--docs` writes the table into docs/latency.md. Last line: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from bench import report
from bench.chromium import CHROMIUM, DETECTOR_MS, beeps, nearest_ms, page_of, served, start, watch
from bench.relay import Network
from sonic_stream.timebase import TICK_RATE

TOLERANCE_MS = 45.0
"""ITU-R BT.1359: sound that is early by more is noticed."""
SETTLED_S = 5


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and how long it is looked at."""

    words: str
    stage: tuple[str, ...] = ()
    network: Network | None = None
    seconds: int = 25


TROUBLES = {
    "clean": Trouble("nothing wrong"),
    "loss": Trouble("3 % loss, 30 ms jitter", network=Network(0.03, 0.02, 0.03)),
    "stall": Trouble("engine stalls 1.5 s", stage=("--stall-s", "1.5", "--stall-at", "12")),
    "delay": Trouble("pictures leave 400 ms late", stage=("--video-delay-ms", "400"), seconds=45),
}

COLUMNS = {
    "trouble": "trouble",
    "median_ms": "median, ms",
    "worst_ms": "worst from second 5, ms",
    "within": "within 45 ms",
    "converged_s": "within from second",
    "fps": "pictures/s",
    "longest_gap_ms": "longest still, ms",
    "browser_ms": "browser's own estimate, ms",
    "sender_p99_ms": "at the sender, p99, ms",
}


DETAILS = {
    "each_ms": "picture minus sound",
    "audio_wait": "sound waits in the browser",
    "video_wait": "pictures wait in the browser",
}


async def measure(name: str, engine: str, size: int) -> dict[str, Any]:
    """One row of the table."""
    trouble = TROUBLES[name]
    stage = ["bench.stage", "--size", str(size), *(["--fake"] if engine == "fake" else []), *trouble.stage]
    sound = np.rint(beeps(trouble.seconds) * 32767).astype("<i2").tobytes()
    async with served(*stage) as url, page_of(url, trouble.network) as page:
        session = await start(page)
        await watch(page)
        status = asyncio.create_task(_status(url, session, trouble.seconds))
        await _speak(f"ws{url.removeprefix('http')}/api/sessions/{session}/audio", sound)
        seen = await page.evaluate("seen")
        stats = await status
    return {"trouble": trouble.words, **figures(seen), "sender_p99_ms": stats.get("skew_p99_ms")}


def figures(seen: dict[str, list[float]]) -> dict[str, Any]:
    """What the detectors saw, as numbers; a flash and its beep are at most half a second apart."""
    pairs = nearest_ms(seen["flash"], seen["beep"])
    begin = min(seen["beep"][:1] + seen["flash"][:1], default=0.0)
    apart = [((at - begin) / 1000, value + DETECTOR_MS) for at, value in pairs]
    settled = [value for at_s, value in apart if at_s >= SETTLED_S]
    outside = [at_s for at_s, value in apart if abs(value) > TOLERANCE_MS]
    frames = np.array([at for at in seen["frames"] if at >= begin])
    return {
        "each_ms": [round(value) for _, value in apart],
        "audio_wait": seen["audio_wait"],
        "video_wait": seen["video_wait"],
        "median_ms": _rounded(np.median(settled)) if settled else None,
        "worst_ms": _rounded(max(settled, key=abs)) if settled else None,
        "within": f"{sum(abs(v) <= TOLERANCE_MS for v in settled)}/{len(settled)}",
        "converged_s": round(max(outside, default=-1.0)) + 1,
        "fps": _rounded((len(frames) - 1) * 1000 / np.ptp(frames)) if len(frames) > 1 else None,
        "longest_gap_ms": _rounded(np.diff(frames).max()) if len(frames) > 1 else None,
        "browser_ms": _rounded(np.median(seen["skew"][SETTLED_S:])) if seen["skew"][SETTLED_S:] else None,
    }


def _rounded(value: Any) -> float:
    return round(float(value), 1)


async def _status(url: str, session: str, seconds: int) -> dict[str, Any]:
    """What the server says of the session near the end of it."""
    await asyncio.sleep(seconds - 1)
    path = f"{url}/api/sessions/{session}"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(path, timeout=5).read())
    told: dict[str, Any] = json.loads(answer)
    return told


async def _speak(url: str, sound: bytes) -> None:
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"rate": TICK_RATE}))
        for begin in range(0, len(sound), 9600):
            await socket.send(sound[begin : begin + 9600])
        await socket.send('{"end": true}')
        async for message in socket:
            if json.loads(message)["type"] == "speaking_finished":
                break
    await asyncio.sleep(0.7)


async def measure_all(names: list[str], engine: str, size: int) -> dict[str, dict[str, Any]]:
    rows = {}
    for name in names:
        rows[name] = await measure(name, engine, size)
        for key, words in DETAILS.items():
            print(f"{name}: {words}, ms, each second: {rows[name].pop(key)}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trouble", nargs="*", help=f"of {', '.join(TROUBLES)} (all)")
    parser.add_argument("--engine", choices=("fake", "local"), default="local")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    names = options.trouble or list(TROUBLES)
    if unknown := set(names) - set(TROUBLES):
        parser.error(f"no trouble '{unknown.pop()}'; there are {', '.join(TROUBLES)}")
    if not Path(CHROMIUM).exists():
        sys.exit(f"No Chromium at {CHROMIUM}; name one in the environment variable CHROMIUM.")
    rows = asyncio.run(measure_all(names, options.engine, options.size))
    text = report.table(list(rows.values()), COLUMNS)
    print(text)
    if options.docs:
        report.write("sync", text)
    settings = {"engine": options.engine, "size": options.size, "load": report.load()}
    first = rows.get("clean", next(iter(rows.values())))
    print(
        json.dumps(
            {
                "browser_skew_ms": first["median_ms"],
                "browser_skew_worst_ms": {name: row["worst_ms"] for name, row in rows.items()},
                "converged_s": {name: row["converged_s"] for name, row in rows.items()},
                "fps": {name: row["fps"] for name, row in rows.items()},
                "settings": settings,
            }
        )
    )


if __name__ == "__main__":
    main()
