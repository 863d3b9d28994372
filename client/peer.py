"""One WebRTC connection to a server: pictures and sound with their media times, events, a microphone out.

The same peer opens a session of its own, or watches one through WHEP: only the way the offer travels differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import VIDEO_CLOCK_RATE, MediaStreamError

from client.receiving import MediaTimes, allow_loopback_only_hosts, teach
from sonic_stream.errors import MissingPieceError, SonicError
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

PING_S = 2.0
CONNECT_S = 15.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and when it came (`time.time()`)."""

    frame: av.VideoFrame
    pts: int
    arrived_s: float
    times: MediaTimes

    @property
    def at_s(self) -> float | None:
        """Its instant on the server's media clock; None before the first sender report."""
        return self.times.time_s(self.pts)


@dataclass(frozen=True, slots=True)
class Sound:
    """float32 [N] mono at 48 kHz, and when it came."""

    samples: F32
    pts: int
    arrived_s: float
    times: MediaTimes

    @property
    def at_s(self) -> float | None:
        """The instant of its first sample on the server's media clock; None before the first report."""
        return self.times.time_s(self.pts)


def _ignore(_: Any) -> None:
    return


class Peer:
    """Owns an `RTCPeerConnection`; callbacks run on the event loop. Make it inside a running loop."""

    def __init__(
        self,
        on_picture: Callable[[Picture], None] = _ignore,
        on_sound: Callable[[Sound], None] = _ignore,
        on_told: Callable[[dict[str, Any]], None] = _ignore,
        ice_servers: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`ice_servers` as browsers take them: `urls`, and `username` and `credential` for TURN."""
        allow_loopback_only_hosts()
        # An empty list stays empty: the library's default asks a public server.
        servers = [
            RTCIceServer(each["urls"], each.get("username"), each.get("credential")) for each in ice_servers
        ]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._on_picture, self._on_sound, self._on_told = on_picture, on_sound, on_told
        self._times = {"audio": MediaTimes(TICK_RATE), "video": MediaTimes(VIDEO_CLOCK_RATE)}
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = asyncio.Event()
        self.gone = asyncio.Event()
        """The connection was lost or closed."""
        self._connection.on("track", self._take_track)
        self._connection.on("connectionstatechange", self._check_state)

    async def offer(self, microphone: MediaStreamTrack | None = None, channel: bool = True) -> str:
        """An SDP offer for one picture and one sound, with `microphone` going the other way."""
        if microphone is not None:
            self._connection.addTrack(microphone)
        else:
            self._connection.addTransceiver("audio", direction="recvonly")
        self._connection.addTransceiver("video", direction="recvonly")
        if channel:
            control = self._connection.createDataChannel("control")
            control.on("message", self._hear)
            self._tasks.append(asyncio.create_task(self._beat(control), name="heartbeat"))
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return str(self._connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """The server's SDP answer. Errors: `SonicError` when it cannot be used."""
        for transceiver in self._connection.getTransceivers():
            teach(transceiver.receiver, self._times[transceiver.kind], transceiver.kind)
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:
            # aiortc parses foreign text here and lets whatever goes wrong out.
            raise SonicError(
                f"The server's answer could not be understood ({error or 'malformed'})."
            ) from error

    async def until_connected(self) -> None:
        """Errors: `MissingPieceError` when no way to the server is found."""
        gone = asyncio.create_task(self.gone.wait())
        up = asyncio.create_task(self.connected.wait())
        done, waiting = await asyncio.wait({gone, up}, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if up not in done:
            raise MissingPieceError(
                "The server answers, but its picture does not get through; a firewall may block UDP between"
                " here and the server."
            )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.close()

    def _check_state(self) -> None:
        state = self._connection.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("failed", "closed"):
            self.gone.set()

    def _hear(self, message: str | bytes) -> None:
        with contextlib.suppress(ValueError):
            told = json.loads(message)
            if isinstance(told, dict):
                self._on_told(told)

    async def _beat(self, channel: Any) -> None:
        while True:
            if channel.readyState == "open":
                channel.send(json.dumps({"type": "ping", "t": round(time.monotonic() * 1000)}))
            await asyncio.sleep(PING_S if channel.readyState == "open" else 0.1)

    def _take_track(self, track: MediaStreamTrack) -> None:
        read = self._read_pictures if track.kind == "video" else self._read_sound
        task = asyncio.create_task(read(track), name=f"read {track.kind}")
        task.add_done_callback(_complain)
        self._tasks.append(task)

    async def _read_pictures(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame) and frame.pts is not None
                self._on_picture(Picture(frame, frame.pts, time.time(), self._times["video"]))

    async def _read_sound(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame) and frame.pts is not None
                sound = Sound(_mono(frame), frame.pts, time.time(), self._times["audio"])
                self._on_sound(sound)


def _mono(frame: av.AudioFrame) -> F32:
    packed = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    return np.asarray(packed.astype(np.float32).mean(axis=1) / 32768, np.float32)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s failed", task.get_name(), exc_info=task.exception())
