"""The two tracks a browser gets: sound in packets of 20 ms and the newest picture, on the media clock.

`pts` is media time. Nothing is queued beyond what is due: a sender that falls behind skips pictures and
old packets, it never replays them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamError
from av import AudioFrame, VideoFrame

from server.clock import MediaClock
from sonic_stream.stream.splice import bridge_to_silence
from sonic_stream.timebase import PACKET_TICKS, TICK_RATE, Ticks
from sonic_stream.types import F32, U8

AUDIO_TIME_BASE = Fraction(1, TICK_RATE)
MAX_PACKETS = 6
"""Packets that may wait to be sent; the oldest goes when there are more."""


def audio_frame(pts: Ticks, samples: F32) -> AudioFrame:
    """float32 [PACKET_TICKS] as the encoder takes it."""
    whole = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    frame = AudioFrame.from_ndarray(whole.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = TICK_RATE
    frame.pts, frame.time_base = pts, AUDIO_TIME_BASE
    return frame


def video_frame(pts: Ticks, picture: U8) -> VideoFrame:
    """I420, uint8 [H * 3 / 2, W], as the encoder takes it."""
    frame = VideoFrame.from_ndarray(picture, format="yuv420p")
    # 90 kHz from 48 kHz: exact, since slots are multiples of 1920.
    frame.pts, frame.time_base = pts * 15 // 8, VIDEO_TIME_BASE
    return frame


class VoiceTrack(MediaStreamTrack):
    """Sound, mono 48 kHz, each packet released at its own media time."""

    kind = "audio"

    def __init__(self, clock: MediaClock) -> None:
        super().__init__()
        self._clock = clock
        self._packets: deque[tuple[Ticks, F32]] = deque()
        self._arrived = asyncio.Event()
        self._last: F32 = np.zeros(PACKET_TICKS, np.float32)
        self.dropped = 0
        self.taps: list[Callable[[Ticks, F32], None]] = []
        """Get each packet at the moment it is handed to the sender."""

    def put(self, pts: Ticks, samples: F32) -> None:
        """float32 [PACKET_TICKS] that plays at `pts`."""
        self._packets.append((pts, samples))
        while len(self._packets) > MAX_PACKETS:
            self._packets.popleft()
            self.dropped += 1
        self._arrived.set()

    def hush(self) -> None:
        """What waits is replaced by silence, reached without a click."""
        before = self._last
        for i, (pts, samples) in enumerate(self._packets):
            quiet = bridge_to_silence(before, len(samples)) if i == 0 else np.zeros_like(samples)
            self._packets[i] = (pts, quiet)

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._clock.start()
        while not self._packets:
            self._arrived.clear()
            await self._arrived.wait()
            if self.readyState != "live":
                raise MediaStreamError
        await self._clock.sleep_until(self._packets[0][0])
        pts, samples = self._packets.popleft()
        self._last = samples
        for tap in self.taps:
            tap(pts, samples)
        return audio_frame(pts, samples)

    def stop(self) -> None:
        super().stop()
        self._arrived.set()


class PictureTrack(MediaStreamTrack):
    """Pictures; one that was not fetched before the next one came is skipped."""

    kind = "video"

    def __init__(self, clock: MediaClock) -> None:
        super().__init__()
        self._clock = clock
        self._newest: tuple[Ticks, U8] | None = None
        self._arrived = asyncio.Event()
        self.skipped = 0
        self.sent = 0
        self.taps: list[Callable[[Ticks, U8], None]] = []
        """Get each picture at the moment it is handed to the sender."""

    def put(self, pts: Ticks, picture: U8) -> None:
        """I420, uint8 [H * 3 / 2, W], that shows the sound at `pts`."""
        self.skipped += self._newest is not None
        self._newest = (pts, picture)
        self._arrived.set()

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._clock.start()
        while self._newest is None:
            self._arrived.clear()
            await self._arrived.wait()
            if self.readyState != "live":
                raise MediaStreamError
        pts, picture = self._newest
        self._newest = None
        self.sent += 1
        for tap in self.taps:
            tap(pts, picture)
        return video_frame(pts, picture)

    def stop(self) -> None:
        super().stop()
        self._arrived.set()
