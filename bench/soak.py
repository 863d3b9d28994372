"""Half an hour of a session: `python -m bench.soak [--minutes 5] [--virtual-minutes 30]`.

Two parts. On a clock that jumps, a session hears 30 minutes of speech whose source runs 0.2 % fast beside an
engine with spikes and a hiccup every five minutes. In real time, a server of its own (`bench.stage`) is
spoken through for some minutes by a client over WebRTC, with an interruption twice a minute; the server's
memory, threads, file handles, queues and the skew that the client sees are noted every few seconds. Each is
reported with its slope a minute, fitted over the later two thirds: a leak shows there, warming up does not.
`--docs` writes the table into docs/latency.md. Last line: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench import report
from bench.chromium import served
from bench.simulate import Scenario, World, usual
from client.load import SETTLE_S, TONE_EVERY_S, Visit, tone_packet, undecoded
from client.server import Server
from client.session import own_session
from client.sources import PACKET_S, as_s16
from client.speak import push
from sonic_stream.errors import SonicError
from sonic_stream.timebase import FRAME_TICKS, TICK_RATE

SAMPLE_S = 5.0
INTERRUPT_EVERY_S = 30.0

COLUMNS = {
    "what": "",
    "begin": "begin",
    "end": "end",
    "highest": "highest",
    "slope": "slope a minute",
}


def row(what: str, minutes: list[float], values: list[float]) -> dict[str, Any]:
    """First, last and highest value, and the slope over the later two thirds."""
    kept = [(m, v) for m, v in zip(minutes, values, strict=True) if v == v]
    if not kept:
        return {"what": what, "begin": None, "end": None, "highest": None, "slope": None}
    at, value = np.array(kept).T
    late = at >= at[0] + (at[-1] - at[0]) / 3
    slope = float(np.polyfit(at[late], value[late], 1)[0]) if late.sum() > 2 else float("nan")
    return {
        "what": what,
        "begin": round(float(value[0]), 2),
        "end": round(float(value[-1]), 2),
        "highest": round(float(value.max()), 2),
        "slope": round(slope, 3),
    }


# -- on a clock that jumps --------------------------------------------------------------------------------


def troubled(rng: np.random.Generator) -> Callable[[float], float]:
    """Spikes, and 1.5 s of standing still every five minutes."""
    plain, next_s = usual(spike_share=0.0075)(rng), [300.0]

    def work(now_s: float) -> float:
        if now_s >= next_s[0]:
            next_s[0] += 300.0
            return 1.5
        return plain(now_s)

    return work


def virtual(minutes: float) -> list[dict[str, Any]]:
    """Rows of the accelerated part."""
    at, stock, queued, memory, skew, latency = [], [], [], [], [], []

    def note(world: World) -> None:
        slot = world.units[-1][0]
        if slot % 250:
            return
        status = world.session.status()
        speech = [unit for unit in world.units[-250:] if unit[2] and unit[3] is not None]
        behind = [(unit[1] or 0) - (unit[3] or 0) for unit in speech]
        at.append(slot * FRAME_TICKS / TICK_RATE / 60)
        stock.append(float(str(status["stock_ms"])))
        queued.append(float(str(status["queued_ms"])))
        skew.append(float(np.mean(behind)) * 1000 / TICK_RATE if behind else float("nan"))
        waits = [unit[0] * FRAME_TICKS - unit[4] for unit in world.units[-250:] if unit[2]]
        latency.append(float(np.median(waits)) * 1000 / TICK_RATE if waits else float("nan"))
        del world.units[:-250]
        gc.collect()
        memory.append(_rss_mb(os.getpid()))

    scenario = Scenario("soak", troubled, pace=0.998)
    World(scenario, minutes * 60, on_slot=note).run()
    return [
        row("sound in stock, ms (virtual)", at, stock),
        row("sound waiting for the engine, ms (virtual)", at, queued),
        row("picture behind its sound, ms (virtual)", at, skew),
        row("latency, ms (virtual)", at, latency),
        row("memory, MB (virtual)", at, memory),
    ]


# -- in real time -----------------------------------------------------------------------------------------


def _rss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * resource.getpagesize() / 2**20


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []


def _handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _voice(visit: Visit, seconds: float) -> Any:
    """Tones in real time, on one schedule for all of it."""
    begin = time.monotonic()
    for number in range(round(seconds / PACKET_S)):
        await asyncio.sleep(max(0.0, begin + (number + 1) * PACKET_S - time.monotonic()))
        if number % round(TONE_EVERY_S / PACKET_S) == round(TONE_EVERY_S / 2 / PACKET_S):
            visit.tones_sent.append(time.time())
        yield as_s16(tone_packet(number))


async def real(minutes: float, fake: bool, size: int) -> list[dict[str, Any]]:
    """Rows of the part that takes its time."""
    stage = ["bench.stage", "--size", str(size), *(["--fake"] if fake else [])]
    at: list[float] = []
    seen: dict[str, list[float]] = {}
    async with served(*stage) as url, Server(url) as server:
        pid = max(_children(os.getpid()), key=_rss_mb)
        visit = Visit(0, began_s=time.time() - 10)
        async with own_session(server, visit.see, visit.hear) as session:
            talking = asyncio.create_task(_talk(server, session.id, visit, minutes * 60))
            begin_s, last_cpu_s = time.monotonic(), _cpu_s(pid)
            while not talking.done():
                await asyncio.wait({talking}, timeout=SAMPLE_S)
                if talking.done():
                    break  # less than a sample's time has passed
                status = await server.status(session.id)
                at.append((time.monotonic() - begin_s) / 60)
                cpu_s = _cpu_s(pid)
                now = {
                    "server memory, MB": _rss_mb(pid),
                    "threads": float(_threads(pid)),
                    "file handles": float(_handles(pid)),
                    "server CPU, % of a core": (cpu_s - last_cpu_s) / SAMPLE_S * 100,
                    "sound in stock, ms": float(status["stock_ms"]),
                    "sound waiting for the engine, ms": float(status["queued_ms"]),
                    "latency at the server, p50, ms": float(status["latency_p50_ms"]),
                    "latency at the client, p50, ms": _median(visit.latencies_ms()),
                    "skew at the client, ms": _median(visit.skews_ms()[1:-1]),
                    "pictures a second at the client": visit.fps(),
                }
                last_cpu_s = cpu_s
                for name, value in now.items():
                    seen.setdefault(name, []).append(value)
                _forget(visit)
            await talking
    return [row(name, at, values) for name, values in seen.items()]


async def _talk(server: Server, session_id: str, visit: Visit, seconds: float) -> None:
    """One push after the other: an interruption ends each."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 1:
        part_s = min(left_s, INTERRUPT_EVERY_S)
        await push(server, session_id, _voice(visit, part_s), lambda _: None, live=True)
        await server.interrupt(session_id)


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def _forget(visit: Visit) -> None:
    """Figures are of the last seconds, and this process is not to grow either."""
    visit.began_s = time.time() - SETTLE_S
    visit.pictures[:] = visit.pictures[-2:]
    visit.sounds[:] = visit.sounds[-50:]
    visit.tones_sent[:] = visit.tones_sent[-1:]


async def _both(options: Namespace) -> list[dict[str, Any]]:
    rows = await asyncio.to_thread(virtual, options.virtual_minutes) if options.virtual_minutes else []
    if options.minutes:
        with undecoded():
            rows += await real(options.minutes, options.engine == "fake", options.size)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="in real time; 0: none")
    parser.add_argument("--virtual-minutes", type=float, default=30.0, help="accelerated; 0: none")
    parser.add_argument("--engine", choices=("fake", "local"), default="local")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    try:
        rows = asyncio.run(_both(options))
    except SonicError as error:
        raise SystemExit(str(error)) from None
    text = report.table(rows, COLUMNS)
    print(text)
    if options.docs:
        report.write("soak", text)
    settings = {
        "minutes": options.minutes,
        "virtual_minutes": options.virtual_minutes,
        "engine": options.engine,
        "size": options.size,
        "load": report.load(),
    }
    print(json.dumps({"soak": rows, "settings": settings}))


if __name__ == "__main__":
    main()
