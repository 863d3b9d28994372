"""Where the time goes between a microphone and the picture: moments inside the server, as wall-clock times.

`bench.stage --trace FILE` writes a line of JSON for each beginning of a loud sound: when its first packet
was decoded (`heard`), when the engine was given the hop whose picture is the first to bear the mark
(`asked`), when that picture was painted (`painted`) and when it was handed to the sender (`left`). The
browser on the same machine knows the same clock, so `bench.live` can take the whole way apart.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from server.bridge import Painted
from server.live import LiveFace
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32, U8

LOUD = 0.05
"""As the page's detector has it (`bench.chromium`)."""
BRIGHT = 128
QUIET_S = 0.2
MARK_AT = 8
"""A pixel inside the mark of every size."""


class _Edge:
    """Says when something begins that lasts, with at least `QUIET_S` between two."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def begins(self, there: bool, now_s: float) -> bool:
        if not there:
            return False
        first = now_s - self._last_s > QUIET_S
        self._last_s = now_s
        return first


def traced(path: Path) -> type[LiveFace]:
    """A face that writes its moments to `path`."""
    path.write_text("")

    def note(what: str, at_s: float) -> None:
        with path.open("a") as out:
            out.write(json.dumps({what: round(at_s, 4)}) + "\n")

    class TracedFace(LiveFace):
        def __init__(self, *how: Any) -> None:
            self._edges = {what: _Edge() for what in ("heard", "painted", "left")}
            super().__init__(*how)
            self.player.pictures.taps.append(self._leaves)

        def _hear_microphone(self, samples: F32, rate_hz: int) -> None:
            now_s = time.time()
            loud = np.flatnonzero(np.abs(samples) > LOUD)
            if self._edges["heard"].begins(bool(len(loud)), now_s):
                note("heard", now_s)
            super()._hear_microphone(samples, rate_hz)

        def _watch_engine(self, painted: Painted) -> None:
            now_s = time.time()
            marked = painted.picture is not None and _marked(painted.picture)
            if self._edges["painted"].begins(marked, now_s):
                note("asked", now_s - painted.took / TICK_RATE)
                note("painted", now_s)
            super()._watch_engine(painted)

        def _leaves(self, pts: int, picture: U8) -> None:
            now_s = time.time()
            if self._edges["left"].begins(_marked(picture), now_s):
                note("left", now_s)

    return TracedFace


def _marked(picture: U8) -> bool:
    return bool(picture[MARK_AT, MARK_AT] > BRIGHT)


def read(path: Path) -> dict[str, list[float]]:
    """The moments of each kind, seconds since 1970, in order."""
    moments: dict[str, list[float]] = {}
    for line in path.read_text().splitlines():
        for what, at_s in json.loads(line).items():
            moments.setdefault(what, []).append(float(at_s))
    return moments


WAY = {
    "mic": "",
    "heard": "microphone -> its packet is decoded in the server",
    "asked": "-> the hop is complete that its picture has to hear (40 ms, 80 ms of look-ahead)",
    "painted": "-> painted",
    "left": "-> its slot comes (adaptive delay)",
    "flash": "-> encoded, sent, waited for in the browser, decoded, shown",
}
"""The moments of one sound on its way, in order, and what happens before each."""
EARLIEST_S, LATEST_S = -0.1, 1.2


def stages_ms(moments: dict[str, list[float]]) -> dict[str, float]:
    """The median of each part of the way, by the moment that ends it; seconds since 1970 in, of each kind."""
    names = list(WAY)
    found: dict[str, list[float]] = {name: [] for name in names[1:]}
    for begin in moments.get("mic", [])[4:]:
        at = begin
        for name in names[1:]:
            nexts = [m for m in moments.get(name, []) if at + EARLIEST_S < m < begin + LATEST_S]
            if not nexts:
                break
            found[name].append(min(nexts) - at)
            at = min(nexts)
    return {name: round(float(np.median(each)) * 1000, 1) for name, each in found.items() if each}
