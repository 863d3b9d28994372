"""One WebRTC connection: the browser's offer answered, two tracks out, its microphone in, a data channel.

The data channel `control` carries JSON: the browser's `ping` every two seconds (its sign of life), what it
`want`s to be told, and our `pong`, events and statistics.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import VIDEO_CLOCK_RATE

from server.clock import MediaClock
from server.ice import configuration, limit_gathering
from server.microphone import Microphone, with_short_packets, without_delay
from server.sender import Watcher, tune_sender
from server.skew import SkewMeter
from server.tracks import PictureTrack, VoiceTrack
from sonic_stream.errors import BadInputError
from sonic_stream.timebase import TICK_RATE, Ticks
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

_CHANNEL_BACKLOG = 64 * 1024
"""Bytes that may wait in the data channel; what does not fit is not worth sending late."""


MESSAGES_PER_S = 50
"""What a browser may send on the data channel; one that sends more for long is sent away."""


class _Flood:
    """Counts messages against `MESSAGES_PER_S`, with five seconds' worth of patience."""

    def __init__(self) -> None:
        self._credit, self._at_s = 5.0 * MESSAGES_PER_S, time.monotonic()

    def one_more(self) -> bool:
        """False when it was one too many."""
        now_s = time.monotonic()
        earned = (now_s - self._at_s) * MESSAGES_PER_S
        self._credit, self._at_s = min(5.0 * MESSAGES_PER_S, self._credit + earned) - 1, now_s
        return self._credit > 0


class _Noting(Watcher):
    """Notes when what leaves, for the measured skew."""

    def __init__(self, is_picture: bool, skew: SkewMeter, on_encoded: Callable[[float], None]) -> None:
        self._is_picture, self._skew, self._on_encoded = is_picture, skew, on_encoded

    def sent(self, pts: Ticks, encode_s: float) -> None:
        self._skew.sent(self._is_picture, pts, time.monotonic())
        if encode_s:
            self._on_encoded(encode_s)


class Peer:
    """Owns an `RTCPeerConnection`; `on_gone(reason)` is called once when the other side is lost."""

    def __init__(
        self,
        clock: MediaClock,
        voice: VoiceTrack,
        pictures: PictureTrack,
        ice_servers: tuple[str, ...],
        on_sound: Callable[[F32, int], None],
        on_gone: Callable[[str], None],
        on_wish: Callable[[dict[str, Any]], None] = lambda _: None,
        on_encoded: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.skew = SkewMeter()
        self._on_wish = on_wish
        self._flood = _Flood()
        self._connection = RTCPeerConnection(configuration(ice_servers))
        self._clock = clock
        self._on_gone: Callable[[str], None] | None = on_gone
        self._on_sound = on_sound
        self._microphone: Microphone | None = None
        self._channel: RTCDataChannel | None = None
        self.last_sign_s: float | None = None
        """Monotonic time of the last message on the data channel; None before the first."""
        self._senders = [
            (self._connection.addTrack(voice), TICK_RATE, _Noting(False, self.skew, on_encoded)),
            (self._connection.addTrack(pictures), VIDEO_CLOCK_RATE, _Noting(True, self.skew, on_encoded)),
        ]
        self._connection.on("track", self._take_track)
        self._connection.on("datachannel", self._take_channel)
        self._connection.on("connectionstatechange", self._check_state)

    @property
    def state(self) -> str:
        return str(self._connection.connectionState)

    async def answer(self, sdp: str) -> str:
        """The SDP answer to an SDP offer. Errors: `BadInputError`."""
        if "m=video" not in sdp or "m=audio" not in sdp:
            raise BadInputError("The SDP offer has to ask for one audio and one video stream.")
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            limit_gathering(connection)
            for sender, rate_hz, watcher in self._senders:
                tune_sender(sender, self._clock, rate_hz, watcher)
            for transceiver in connection.getTransceivers():
                if transceiver.kind == "audio":
                    without_delay(transceiver.receiver)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:
            # aiortc parses foreign text here and lets whatever goes wrong out, also AssertionError.
            logger.info("an offer could not be answered: %r", error)
            raise BadInputError(f"The SDP offer could not be understood ({error or 'malformed'}).") from error
        return with_short_packets(str(connection.localDescription.sdp))

    def send(self, message: dict[str, Any]) -> None:
        """JSON to the browser, if it listens."""
        channel = self._channel
        if channel and channel.readyState == "open" and channel.bufferedAmount < _CHANNEL_BACKLOG:
            channel.send(json.dumps(message))

    async def close(self) -> None:
        self._on_gone = None
        if self._microphone is not None:
            self._microphone.task.cancel()
            await asyncio.gather(self._microphone.task, return_exceptions=True)
        await self._connection.close()

    def _take_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._microphone is None:
            self._microphone = Microphone(track, self._on_sound)

    def _take_channel(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        self.last_sign_s = time.monotonic()
        channel.on("message", self._hear)

    def _hear(self, message: str | bytes) -> None:
        self.last_sign_s = time.monotonic()
        if not self._flood.one_more():
            if self._on_gone is not None:
                gone, self._on_gone = self._on_gone, None
                gone("it was sent far too many messages")
            return
        if isinstance(message, bytes) or len(message) > 1000:
            return
        try:
            told = json.loads(message)
        except ValueError:
            return
        if isinstance(told, dict) and told.get("type") == "ping":
            self.send({"type": "pong", "t": told.get("t")})
        elif isinstance(told, dict) and told.get("type") == "want":
            self._on_wish(told)

    def _check_state(self) -> None:
        if self.state in ("failed", "closed") and self._on_gone is not None:
            gone, self._on_gone = self._on_gone, None
            gone(f"the connection {'failed' if self.state == 'failed' else 'was closed'}")
