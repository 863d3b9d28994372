"""Several faces at once, each in its own Chromium: `python -m bench.crowd [--sessions 2] [--seconds 20]`.

Every page begins a session on one server (`bench.stage`) and has a text spoken; all of it, browsers too,
shares this machine. Then what each browser showed and what the server says of each session: pictures a
second, the longest still, what a batch costs, whether the decoder was left out (`plain`), underruns.
`--docs` writes the table into docs/latency.md. Last line: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from bench import report
from bench.chromium import page_of, served, start, watch

TEXT = "One two three four five six seven eight nine ten, and so on and on without an end. " * 12
SETTLE_S = 4.0
SAY = """([session, text]) => fetch(`/api/sessions/${session}/say`, {method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify({text})}).then(answer => answer.status)"""
COLUMNS = {
    "session": "session",
    "fps": "pictures/s in Chromium",
    "still_ms": "longest still, ms",
    "target_ms": "adaptive delay, ms",
    "work_ms": "a batch in the engine, ms",
    "plain": "without decoder",
    "unpainted": "unpainted",
    "underruns": "underruns",
    "skew_p99_ms": "skew at the sender, p99, ms",
}
TOLD = ("target_ms", "work_ms", "plain", "unpainted", "underruns", "skew_p99_ms")


def seen_of(frames: list[float]) -> dict[str, float]:
    """Pictures a second and the longest time without a new one."""
    at = np.array(frames)
    return {
        "fps": round((len(at) - 1) * 1000 / float(np.ptp(at)), 1),
        "still_ms": round(float(np.diff(at).max())),
    }


async def measure(sessions: int, seconds: float, size: int, fake: bool) -> list[dict[str, Any]]:
    """A row for each session."""
    stage = ["bench.stage", "--size", str(size), "--capacity", str(sessions), *(["--fake"] if fake else [])]
    async with served(*stage) as url, AsyncExitStack() as pages:
        await asyncio.sleep(4)  # until the first portrait is ready
        opened = []
        for _ in range(sessions):
            page = await pages.enter_async_context(page_of(url))
            opened.append((page, await start(page)))
        for page, session in opened:
            await watch(page)
            await page.evaluate(SAY, [session, TEXT])
        await asyncio.sleep(SETTLE_S)
        for page, _ in opened:
            await page.evaluate("seen.frames.length = 0")
        await asyncio.sleep(seconds)
        rows = []
        for number, (page, session) in enumerate(opened, 1):
            frames = await page.evaluate("seen.frames")
            told = await page.evaluate(f"fetch('/api/sessions/{session}').then(answer => answer.json())")
            rows.append({"session": number, **seen_of(frames), **{name: told[name] for name in TOLD}})
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--engine", choices=("fake", "local"), default="local")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    rows = asyncio.run(measure(options.sessions, options.seconds, options.size, options.engine == "fake"))
    text = report.table(rows, COLUMNS)
    print(text)
    if options.docs:
        report.write("crowd", text)
    settings = {"engine": options.engine, "size": options.size, "load": report.load()}
    print(json.dumps({"crowd": rows, "settings": settings}))


if __name__ == "__main__":
    main()
