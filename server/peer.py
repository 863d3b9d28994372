"""One WebRTC connection: the browser's offer answered, two tracks out, its microphone in, a data channel.

The data channel `control` carries JSON: the browser's `ping` every two seconds (its sign of life) and our
`pong`, events and statistics.
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
from server.ice import configuration
from server.microphone import Microphone, without_delay
from server.sender import tune_sender
from server.tracks import PictureTrack, VoiceTrack
from sonic_stream.errors import BadInputError
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

_CHANNEL_BACKLOG = 64 * 1024
"""Bytes that may wait in the data channel; what does not fit is not worth sending late."""


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
    ) -> None:
        self._connection = RTCPeerConnection(configuration(ice_servers))
        self._clock = clock
        self._on_gone: Callable[[str], None] | None = on_gone
        self._on_sound = on_sound
        self._microphone: Microphone | None = None
        self._channel: RTCDataChannel | None = None
        self.last_sign_s: float | None = None
        """Monotonic time of the last message on the data channel; None before the first."""
        self._senders = [
            (self._connection.addTrack(voice), TICK_RATE),
            (self._connection.addTrack(pictures), VIDEO_CLOCK_RATE),
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
            for sender, rate_hz in self._senders:
                tune_sender(sender, self._clock, rate_hz)
            for transceiver in connection.getTransceivers():
                if transceiver.kind == "audio":
                    without_delay(transceiver.receiver)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:
            # aiortc parses foreign text here and lets whatever goes wrong out, also AssertionError.
            logger.info("an offer could not be answered: %r", error)
            raise BadInputError(f"The SDP offer could not be understood ({error or 'malformed'}).") from error
        return str(connection.localDescription.sdp)

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
        if isinstance(message, bytes) or len(message) > 1000:
            return
        try:
            told = json.loads(message)
        except ValueError:
            return
        if isinstance(told, dict) and told.get("type") == "ping":
            self.send({"type": "pong", "t": told.get("t")})

    def _check_state(self) -> None:
        if self.state in ("failed", "closed") and self._on_gone is not None:
            gone, self._on_gone = self._on_gone, None
            gone(f"the connection {'failed' if self.state == 'failed' else 'was closed'}")
