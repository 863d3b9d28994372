"""Many visitors at once: each opens a session, speaks in real time, and measures what comes back.

They speak the real protocol over real WebRTC; only decoding of pictures is left out, so that the visitors
cost little beside the server they measure. Each sends half a second of tone every second through the audio
socket: when a tone that was sent comes back tells the latency, the media times of pictures and packets tell
the skew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiortc.rtcrtpreceiver
import av
import numpy as np
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.frame import Frame

from client.peer import Picture, Sound
from client.server import Server
from client.session import own_session
from client.sources import PACKET_S, as_s16
from client.speak import push
from sonic_stream.errors import SonicError
from sonic_stream.timebase import FPS, PACKET_TICKS, TICK_RATE
from sonic_stream.types import F32

RAMP_S = 0.25
"""Between two arrivals."""
LOUD = 0.02
TONE_EVERY_S = 1.0
SETTLE_S = 3.0
"""Skew and pictures are counted from then on."""


class _Unseen(Decoder):
    """Pictures that are complete but not decoded."""

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts = encoded_frame.timestamp
        return [frame]


def _decoder(codec: RTCRtpCodecParameters) -> Decoder:
    return _Unseen() if codec.mimeType.startswith("video/") else get_decoder(codec)


@contextlib.contextmanager
def undecoded() -> Iterator[None]:
    """Connections made inside count pictures without decoding them."""
    receivers: Any = aiortc.rtcrtpreceiver
    receivers.get_decoder = _decoder
    try:
        yield
    finally:
        receivers.get_decoder = get_decoder


@dataclass
class Visit:
    """What one visitor saw; times in ms."""

    number: int
    answer_ms: float | None = None
    connected_ms: float | None = None
    first_picture_ms: float | None = None
    refused: str = ""
    pictures: list[tuple[int, float, float | None]] = field(default_factory=list)
    """RTP timestamp, arrival (s), instant on the server's clock (s)."""
    sounds: list[tuple[float, float | None, float]] = field(default_factory=list)
    """Arrival, instant, peak."""
    tones_sent: list[float] = field(default_factory=list)
    server: dict[str, Any] = field(default_factory=dict)
    began_s: float = 0.0

    def see(self, picture: Picture) -> None:
        if self.first_picture_ms is None:
            self.first_picture_ms = (picture.arrived_s - self.began_s) * 1000
        self.pictures.append((picture.pts, picture.arrived_s, picture.at_s))

    def hear(self, sound: Sound) -> None:
        self.sounds.append((sound.arrived_s, sound.at_s, float(np.abs(sound.samples).max(initial=0.0))))

    # -- what follows from it ----------------------------------------------------------------------------

    def latencies_ms(self) -> list[float]:
        """From a tone's first packet to its first sound back."""
        onsets, quiet_since = [], -1.0
        for arrived_s, _, peak in self.sounds:
            if peak < LOUD:
                quiet_since = arrived_s if quiet_since < 0 else quiet_since
            else:
                if quiet_since >= 0 and arrived_s - quiet_since > 0.2:
                    onsets.append(arrived_s)
                quiet_since = -1.0
        found = []
        for sent_s in self.tones_sent:
            later = [onset - sent_s for onset in onsets if 0 <= onset - sent_s < 0.95 * TONE_EVERY_S]
            if later:
                found.append(min(later) * 1000)
        return found

    def skews_ms(self) -> list[float]:
        """For each settled second: how much later pictures arrive after their instant than sound does."""
        begin = self.began_s + SETTLE_S
        seconds: dict[int, tuple[list[float], list[float]]] = {}
        for _, arrived_s, at_s in self.pictures:
            if at_s is not None and arrived_s > begin:
                seconds.setdefault(int(arrived_s), ([], []))[0].append(arrived_s - at_s)
        for arrived_s, at_s, _ in self.sounds:
            if at_s is not None and arrived_s > begin:
                seconds.setdefault(int(arrived_s), ([], []))[1].append(arrived_s - at_s)
        return [
            (float(np.median(seen)) - float(np.median(heard))) * 1000
            for seen, heard in seconds.values()
            if len(seen) > FPS // 3 and len(heard) > FPS // 3
        ]

    def fps(self) -> float:
        """Pictures a second, once settled."""
        settled = [arrived for _, arrived, _ in self.pictures if arrived > self.began_s + SETTLE_S]
        return (len(settled) - 1) / (settled[-1] - settled[0]) if len(settled) > FPS else 0.0

    def longest_gap_ms(self) -> float:
        """Between two pictures on the media clock: a freeze, whatever the network did."""
        pts = [pts for pts, arrived, _ in self.pictures if arrived > self.began_s + SETTLE_S]
        return max((b - a for a, b in pairwise(pts)), default=0) / 90.0

    def figures(self) -> dict[str, Any]:
        latencies, skews = self.latencies_ms(), self.skews_ms()
        return {
            "visitor": self.number,
            "refused": self.refused,
            "answer_ms": _round(self.answer_ms),
            "connected_ms": _round(self.connected_ms),
            "first_picture_ms": _round(self.first_picture_ms),
            "fps": _round(self.fps()),
            "longest_gap_ms": _round(self.longest_gap_ms()),
            "latency_p50_ms": _percentile(latencies, 50),
            "latency_p95_ms": _percentile(latencies, 95),
            "skew_p50_ms": _percentile(skews, 50),
            "skew_worst_ms": _round(max(skews, key=abs, default=None)),
            "tones": f"{len(latencies)}/{len(self.tones_sent)}",
            "underruns": self.server.get("underruns"),
            "held": self.server.get("held"),
            "late": self.server.get("late"),
            "server_latency_p95_ms": self.server.get("latency_p95_ms"),
        }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _percentile(values: list[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 1) if values else None


def tone_packet(number: int) -> F32:
    """Packet `number` of the voice: half a second of tone, half a second of silence."""
    at = (np.arange(PACKET_TICKS) + number * PACKET_TICKS) / TICK_RATE
    wave = 0.3 * np.sin(2 * np.pi * 440 * at) * (at % TONE_EVERY_S >= TONE_EVERY_S / 2)
    return wave.astype(np.float32)


async def _voice(visit: Visit, seconds_: float) -> AsyncIterator[bytes]:
    first = round(TONE_EVERY_S / 2 / PACKET_S)
    begin = time.monotonic()
    for number in range(round(seconds_ / PACKET_S)):
        # A packet can be sent when its last sample has been spoken.
        await asyncio.sleep(max(0.0, begin + (number + 1) * PACKET_S - time.monotonic()))
        if number % round(TONE_EVERY_S / PACKET_S) == first:
            visit.tones_sent.append(time.time())
        yield as_s16(tone_packet(number))


async def _visit(server: Server, visit: Visit, options: Namespace) -> None:
    await asyncio.sleep(visit.number * RAMP_S)
    visit.began_s = time.time()
    try:
        async with own_session(server, visit.see, visit.hear, options.portrait) as session:
            visit.connected_ms = (time.time() - visit.began_s) * 1000
            visit.answer_ms = session.answered_s and (session.answered_s - visit.began_s) * 1000
            with contextlib.suppress(SonicError):  # a last word that did not come is seen in the figures
                voice = _voice(visit, options.seconds)
                await push(server, session.id, voice, lambda _: None, live=True)
            await asyncio.sleep(0.6)
            visit.server = await server.status(session.id)
    except SonicError as error:
        visit.refused = str(error)


async def load(options: Namespace) -> None:
    """Runs the visits, prints a table and, last, one JSON line."""
    visits = [Visit(number) for number in range(options.sessions)]
    with undecoded():
        async with Server(options.server, options.insecure) as server:
            await server.health()  # says at once when nobody is there
            await asyncio.gather(*(_visit(server, visit, options) for visit in visits))
    rows = [visit.figures() for visit in visits]
    print_rows(rows)
    print(json.dumps({"visits": rows, **summary(rows), "seconds": options.seconds}))
    if all(row["refused"] for row in rows):
        raise SonicError(rows[0]["refused"])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all visitors that were let in: medians of medians, and the worst."""
    seen = [row for row in rows if not row["refused"]]

    def middle(name: str) -> float | None:
        return _percentile([row[name] for row in seen if row[name] is not None], 50)

    def worst(name: str) -> float | None:
        return max((row[name] for row in seen if row[name] is not None), key=abs, default=None)

    return {
        "sessions": len(seen),
        "refused": len(rows) - len(seen),
        "connected_p50_ms": middle("connected_ms"),
        "first_picture_p50_ms": middle("first_picture_ms"),
        "fps_p50": middle("fps"),
        "latency_p50_ms": middle("latency_p50_ms"),
        "latency_worst_p95_ms": worst("latency_p95_ms"),
        "skew_worst_ms": worst("skew_worst_ms"),
        "underruns": sum(row["underruns"] or 0 for row in seen),
    }


_COLUMNS = {
    "visitor": "visitor",
    "connected_ms": "connected",
    "first_picture_ms": "picture",
    "fps": "fps",
    "longest_gap_ms": "gap",
    "latency_p50_ms": "latency",
    "latency_p95_ms": "p95",
    "skew_p50_ms": "skew",
    "skew_worst_ms": "worst",
    "underruns": "underruns",
    "held": "held",
    "late": "late",
}


def print_rows(rows: list[dict[str, Any]]) -> None:
    """One line a visitor; times in ms."""
    print("".join(f"{title:>11}" for title in _COLUMNS.values()))
    for row in rows:
        if row["refused"]:
            print(f"{row['visitor']:11}  refused: {row['refused']}")
        else:
            print("".join(f"{'-' if row[name] is None else row[name]!s:>11}" for name in _COLUMNS))
