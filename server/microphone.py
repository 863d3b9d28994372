"""The user's voice as it comes from the browser: decoded, mono, with lost packets bridged.

aiortc holds back four packets and, after a loss, sixteen for ever; here a packet goes to the decoder
when it arrives, one that comes late is dropped, and the hole it left is filled with the sound around it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import AudioFrame

from sonic_stream.timebase import TICK_RATE, Ticks
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

LONGEST_HOLE: Ticks = TICK_RATE // 10
"""A longer hole is a pause, not a loss."""

PACKET_MS = 10
"""What the browser is asked to put into a packet: half of what it would, hence 10 ms less to wait."""

_SEQUENCE = 1 << 16


class InOrderBuffer:
    """Takes the place of aiortc's jitter buffer: nothing waits, nothing goes backwards."""

    def __init__(self) -> None:
        self._last: int | None = None
        self.late = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        if self._last is not None:
            ahead = (packet.sequence_number - self._last) % _SEQUENCE
            if not 0 < ahead < _SEQUENCE // 2:
                self.late += 1
                return False, None
        self._last = packet.sequence_number
        data: Any = packet
        return False, JitterFrame(data=data._data, timestamp=packet.timestamp)


def without_delay(receiver: RTCRtpReceiver) -> None:
    """Makes an audio receiver hand packets on as they come; call it before it runs."""
    setattr(receiver, "_RTCRtpReceiver__jitter_buffer", InOrderBuffer())  # noqa: B010 - a private name


def with_short_packets(sdp: str) -> str:
    """An SDP answer that asks for packets of `PACKET_MS` of sound."""
    return re.sub(r"(?ms)^m=audio .*?(?=^m=|\Z)", rf"\g<0>a=ptime:{PACKET_MS}\r\n", sdp)


def to_mono(frame: AudioFrame) -> F32:
    """float32 [N] -1..1 of an s16 frame, all channels averaged."""
    packed = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    mono: F32 = (packed.astype(np.float32).mean(axis=1) / 32768).astype(np.float32)
    return mono


def fill(before: F32, length: int) -> F32:
    """`length` samples for a hole after `before`: its end back and forth, fading to a third."""
    if not len(before):
        return np.zeros(length, np.float32)
    period = np.concatenate([before[::-1], before])
    repeated = np.resize(period, length)
    return (repeated * np.linspace(1.0, 0.3, length)).astype(np.float32)


class Microphone:
    """Reads a track until it ends and hands its sound to `take(samples, rate_hz)`."""

    def __init__(self, track: MediaStreamTrack, take: Callable[[F32, int], None]) -> None:
        self._track = track
        self._take = take
        self._next_pts: int | None = None
        self._before: F32 = np.zeros(0, np.float32)
        self.filled: Ticks = 0
        self.task = asyncio.create_task(self._run(), name="microphone")

    async def _run(self) -> None:
        while True:
            try:
                frame = await self._track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                self._hear(frame)

    def _hear(self, frame: AudioFrame) -> None:
        samples, rate_hz = to_mono(frame), frame.sample_rate
        if frame.pts is not None and rate_hz == TICK_RATE:
            hole = frame.pts - self._next_pts if self._next_pts is not None else 0
            if 0 < hole <= LONGEST_HOLE:
                self.filled += hole
                self._take(fill(self._before, hole), rate_hz)
            self._next_pts = frame.pts + len(samples)
        self._before = samples
        self._take(samples, rate_hz)
