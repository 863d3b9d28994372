"""Those who watch a session beside its own browser: any number of peers, one encode for all of them.

They get exactly what the session's own tracks hand out, at the same moment, with media time as timestamps.
A peer that cannot keep up loses pictures until the next keyframe, and disturbs nobody.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Coroutine
from fractions import Fraction
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VIDEO_CLOCK_RATE, VIDEO_TIME_BASE, MediaStreamError
from aiortc.sdp import candidate_from_sdp
from av.packet import Packet

from server.encoders import LiveH264Encoder, LiveOpusEncoder, LiveVp8Encoder
from server.ice import configuration, limit_gathering
from server.player import Player
from server.sender import Watcher, tune_sender
from server.tracks import audio_frame, video_frame
from sonic_stream.errors import BadInputError, BusyError, SonicError
from sonic_stream.timebase import TICK_RATE, Ticks
from sonic_stream.types import F32, U8

logger = logging.getLogger(__name__)

WAITING_LIMIT = 25
"""Encoded packets that may wait for a peer's sender."""
KEYFRAME_EVERY_S = 0.5
"""Viewers that lose much together get one keyframe, not one each."""
CONNECT_TIMEOUT_S = 15.0
SILENT_S = 12.0
"""A viewer that has sent no report for so long has vanished (players send one every 1 to 5 seconds); its
connection alone would notice after 30."""
CHECK_EVERY_S = 2.0


class UnknownViewerError(SonicError):
    """The viewer named does not watch (any more)."""

    http_status = 404


class PacketTrack(MediaStreamTrack):
    """Encoded packets for one peer; `kind` decides what happens when it is too slow."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._packets: deque[Packet[Any]] = deque()
        self._arrived = asyncio.Event()
        self.starts_with_keyframe = kind == "video"
        """A picture that refers to one this peer never got is of no use to it."""

    def put(self, packet: Packet[Any], is_keyframe: bool) -> None:
        if self.starts_with_keyframe and not is_keyframe:
            return
        self.starts_with_keyframe = False
        self._packets.append(packet)
        if len(self._packets) > WAITING_LIMIT:
            self._packets.clear()
            self.starts_with_keyframe = self.kind == "video"
        self._arrived.set()

    async def recv(self) -> Packet[Any]:
        while self.readyState == "live" and not self._packets:
            self._arrived.clear()
            await self._arrived.wait()
        if self.readyState != "live":
            raise MediaStreamError
        return self._packets.popleft()

    def stop(self) -> None:
        super().stop()
        self._arrived.set()


class _Pictures:
    """One encoder and the tracks it serves."""

    def __init__(self, mime_type: str) -> None:
        self._encoder = LiveH264Encoder() if mime_type == "video/h264" else LiveVp8Encoder()
        self.tracks: set[PacketTrack] = set()
        self._newest: tuple[Ticks, U8] | None = None
        self._arrived = asyncio.Event()
        self._keyframe_s = 0.0
        self._task = asyncio.create_task(self._run(), name="viewers")

    def put(self, pts: Ticks, picture: U8) -> None:
        self._newest = (pts, picture)
        self._arrived.set()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            assert self._newest is not None
            pts, picture = self._newest
            wanted = any(track.starts_with_keyframe for track in self.tracks)
            key = wanted and time.monotonic() - self._keyframe_s >= KEYFRAME_EVERY_S
            if key:
                self._keyframe_s = time.monotonic()
            frame = video_frame(pts, picture)
            packet = av.Packet(await loop.run_in_executor(None, self._encoder.whole, frame, key))
            packet.pts, packet.time_base = pts * 15 // 8, VIDEO_TIME_BASE
            for track in self.tracks:
                track.put(packet, key)


class _Watching(Watcher):
    """Puts a peer's picture track to the encoder of the codec that was negotiated."""

    def __init__(self, viewers: Viewers, name: str, track: PacketTrack) -> None:
        self._viewers, self._name, self._track = viewers, name, track

    def begins(self, mime_type: str) -> None:
        self._viewers.show(self._track, mime_type)

    def keyframe_wanted(self) -> bool:
        self._track.starts_with_keyframe = True
        return True

    def reported(self) -> None:
        self._viewers.seen_s[self._name] = time.monotonic()


class Viewers:
    """All of one session. Its owner closes it."""

    def __init__(self, player: Player, ice_servers: tuple[str, ...], limit: int) -> None:
        self._player, self._ice_servers, self._limit = player, ice_servers, limit
        self._peers: dict[str, RTCPeerConnection] = {}
        self.seen_s: dict[str, float] = {}
        """When each viewer last gave a sign of life."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._voice: set[PacketTrack] = set()
        self._pictures: dict[str, _Pictures] = {}
        self._opus: LiveOpusEncoder | None = None

    def __len__(self) -> int:
        return len(self._peers)

    async def join(self, sdp: str) -> tuple[str, str]:
        """A viewer's id and the SDP answer to its offer. Errors: `BadInputError`, `BusyError`."""
        if "m=video" not in sdp:
            raise BadInputError("The SDP offer has to ask for a video stream (and may ask for audio).")
        if len(self._peers) >= self._limit:
            raise BusyError(f"{self._limit} viewers watch this session already; try again later.")
        name = secrets.token_urlsafe(9)
        connection = RTCPeerConnection(configuration(self._ice_servers))
        self._peers[name] = connection
        try:
            return name, await self._answer(name, connection, sdp)
        except Exception as error:
            # aiortc parses foreign text here and lets whatever goes wrong out, also AssertionError.
            await self.leave(name)
            raise BadInputError(f"The SDP offer could not be understood ({error or 'malformed'}).") from error

    async def _answer(self, name: str, connection: RTCPeerConnection, sdp: str) -> str:
        clock = self._player.clock
        pictures, voice = PacketTrack("video"), PacketTrack("audio")
        tune_sender(connection.addTrack(pictures), clock, VIDEO_CLOCK_RATE, _Watching(self, name, pictures))
        if "m=audio" in sdp:
            tune_sender(connection.addTrack(voice), clock, TICK_RATE)
            self._listen(voice)

        @connection.on("connectionstatechange")
        def changed() -> None:
            if connection.connectionState in ("failed", "closed"):
                self._drop(name)
            elif connection.connectionState == "connected":
                self.seen_s[name] = time.monotonic()
                self._check(name)

        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        limit_gathering(connection)
        await connection.setLocalDescription(await connection.createAnswer())
        asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, self._drop_unconnected, name)
        return str(connection.localDescription.sdp)

    async def trickle(self, name: str, fragment: str) -> None:
        """Candidates of a viewer, as `application/trickle-ice-sdpfrag`. Errors: `SonicError`."""
        connection = self._find(name)
        mid: str | None = None
        for line in fragment.splitlines():
            if line.startswith("a=mid:"):
                mid = line[6:].strip()
            elif line.startswith("a=candidate:"):
                try:
                    candidate = candidate_from_sdp(line[12:].strip())
                    candidate.sdpMid = mid or "0"
                    await connection.addIceCandidate(candidate)
                except Exception as error:
                    # The same foreign text, the same parser.
                    raise BadInputError(f"A candidate could not be understood: {line[:80]!r}.") from error

    def credentials(self, name: str) -> str:
        """The `ice-ufrag` of the viewer's offer. Errors: `UnknownViewerError`."""
        remote = str(self._find(name).remoteDescription.sdp)
        return next(
            (line[12:].strip() for line in remote.splitlines() if line.startswith("a=ice-ufrag:")), ""
        )

    async def leave(self, name: str) -> None:
        """Errors: `UnknownViewerError`."""
        connection = self._find(name)
        del self._peers[name]
        self.seen_s.pop(name, None)
        for sender in connection.getSenders():
            if isinstance(sender.track, PacketTrack):
                self._forget(sender.track)
        await connection.close()

    async def close(self) -> None:
        for name in list(self._peers):
            await self.leave(name)
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for feed in self._pictures.values():
            await feed.stop()
        self._pictures.clear()

    def show(self, track: PacketTrack, mime_type: str) -> None:
        """The track's peer agreed on a codec and can be sent pictures."""
        if track.readyState != "live":
            return
        if not self._pictures:
            self._player.pictures.taps.append(self._take_picture)
        feed = self._pictures.get(mime_type)
        if feed is None:
            feed = self._pictures[mime_type] = _Pictures(mime_type)
        feed.tracks.add(track)

    def _listen(self, track: PacketTrack) -> None:
        if not self._voice:
            self._opus = LiveOpusEncoder()
            self._player.voice.taps.append(self._take_voice)
        self._voice.add(track)

    def _forget(self, track: PacketTrack) -> None:
        """Stops a track, and the encoding that nobody else needs."""
        track.stop()
        if track in self._voice:
            self._voice.discard(track)
            if not self._voice:
                self._player.voice.taps.remove(self._take_voice)
        for mime_type, feed in list(self._pictures.items()):
            feed.tracks.discard(track)
            if not feed.tracks:
                del self._pictures[mime_type]
                self._later(feed.stop())
                if not self._pictures:
                    self._player.pictures.taps.remove(self._take_picture)

    def _take_picture(self, pts: Ticks, picture: U8) -> None:
        for feed in self._pictures.values():
            feed.put(pts, picture)

    def _take_voice(self, pts: Ticks, samples: F32) -> None:
        assert self._opus is not None
        payloads, _ = self._opus.encode(audio_frame(pts, samples))
        for payload in payloads:
            packet = av.Packet(payload)
            packet.pts, packet.time_base = pts, Fraction(1, TICK_RATE)
            for track in self._voice:
                track.put(packet, True)

    def _find(self, name: str) -> RTCPeerConnection:
        connection = self._peers.get(name)
        if connection is None:
            raise UnknownViewerError("There is no such viewer (any more).")
        return connection

    def _drop(self, name: str) -> None:
        if name in self._peers:
            self._later(self.leave(name))

    def _check(self, name: str) -> None:
        """Now and then, while the viewer is there: is it?"""
        if name not in self._peers:
            return
        if time.monotonic() - self.seen_s.get(name, 0.0) > SILENT_S:
            self._drop(name)
        else:
            asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._check, name)

    def _drop_unconnected(self, name: str) -> None:
        connection = self._peers.get(name)
        if connection is not None and connection.connectionState != "connected":
            self._drop(name)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="viewer-leaves")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
