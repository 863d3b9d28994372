"""What aiortc's RTP sender is taught: our encoders, and sender reports that tell the media clock.

aiortc pairs the last RTP timestamp with the moment of *sending*, which hides the sender's own skew from
the receiver: a picture released 400 ms late stayed 343 ms late for ever while the browser believed in 14.
Paired with media time, the browser sees it and lines both up.

This reaches into private names of aiortc (pinned below 2) because it offers no hook; it is the only file
that does so for sending.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import AnyRtcpPacket, RtcpSenderInfo, RtcpSrPacket

from server.clock import MediaClock
from server.encoders import make_encoder
from sonic_stream.timebase import TICK_RATE, Ticks

_PRIVATE = "_RTCRtpSender__"
_NTP_EPOCH_S = 2_208_988_800
_WRAP = 1 << 32

EARLY_REPORTS_S = (0.1, 0.3, 0.7)
"""A receiver aligns sound and picture once it has two reports of both; aiortc sends the first two within one
to three seconds, so these go out before."""


class Watcher:
    """Is told what a sender does; whoever cares overrides what it wants to know."""

    def begins(self, mime_type: str) -> None:
        """Before the first frame: the codec that was negotiated, `video/vp8` in small letters."""

    def sent(self, pts: Ticks, encode_s: float) -> None:
        """A frame of media time `pts` leaves; `encode_s` is 0 where it is not known."""

    def keyframe_wanted(self) -> bool:
        """The receiver lost something. True: what is sent was encoded elsewhere, and that is seen to."""
        return False

    def reported(self) -> None:
        """The receiver has sent a report: it is still there."""


class _Tuning:
    """Wraps four methods of one sender."""

    def __init__(self, sender: RTCRtpSender, clock: MediaClock, rate_hz: int, watcher: Watcher) -> None:
        self._sender: Any = sender
        self._clock = clock
        self._rate_hz = rate_hz
        self._watcher = watcher
        self._next = sender._next_encoded_frame
        self._send = sender._send_rtcp
        self._take = sender._handle_rtcp_packet
        self._last_media: int | None = None
        self._origin: int | None = None
        self._first_media: int | None = None
        self._early = deque(EARLY_REPORTS_S)

    async def next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        if self._last_media is not None and self._origin is None:
            # RTP timestamps count from a random origin; the first frame that was sent tells which.
            sent = int(getattr(self._sender, _PRIVATE + "rtp_timestamp"))
            self._origin = (sent - self._last_media) % _WRAP
        if getattr(self._sender, _PRIVATE + "encoder", None) is None:
            self._watcher.begins(codec.mimeType.lower())
            setattr(self._sender, _PRIVATE + "encoder", make_encoder(codec))
        wanted = _PRIVATE + "force_keyframe"
        if getattr(self._sender, wanted, False) and self._watcher.keyframe_wanted():
            setattr(self._sender, wanted, False)
        frame = await self._next(codec)
        if frame is not None:
            self._last_media = frame.timestamp
            await self._report_early(frame.timestamp)
            encoder = getattr(self._sender, _PRIVATE + "encoder", None)
            encode_s = float(getattr(encoder, "took_s", 0.0))
            self._watcher.sent(frame.timestamp * TICK_RATE // self._rate_hz, encode_s)
        return frame

    async def _report_early(self, media: int) -> None:
        if self._first_media is None:
            self._first_media = media
        since_s = (media - self._first_media) / self._rate_hz
        if self._origin is None or not self._early or since_s < self._early[0]:
            return
        self._early.popleft()

        def counted(name: str) -> int:
            return int(getattr(self._sender, _PRIVATE + name)) % _WRAP

        info = RtcpSenderInfo(
            ntp_timestamp=0,  # `send_rtcp` knows it
            rtp_timestamp=counted("rtp_timestamp"),
            packet_count=counted("packet_count"),
            octet_count=counted("octet_count"),
        )
        setattr(self._sender, _PRIVATE + "lsr_time", time.time())
        await self.send_rtcp([RtcpSrPacket(ssrc=self._sender._ssrc, sender_info=info)])

    async def send_rtcp(self, packets: list[AnyRtcpPacket]) -> None:
        # Before anything was sent there is nothing to report; aiortc would say 1900.
        ready = [p for p in packets if self._origin is not None or not isinstance(p, RtcpSrPacket)]
        if ready:
            await self._send([self._on_media_clock(packet) for packet in ready])

    async def take_rtcp(self, packet: AnyRtcpPacket) -> None:
        self._watcher.reported()
        await self._take(packet)

    def _on_media_clock(self, packet: AnyRtcpPacket) -> AnyRtcpPacket:
        if isinstance(packet, RtcpSrPacket) and self._origin is not None and self._last_media is not None:
            # RTP timestamps wrap, pictures' after 13 hours and sound's after 25; media time does not.
            last = (self._origin + self._last_media) % _WRAP
            behind = (last - packet.sender_info.rtp_timestamp + _WRAP // 2) % _WRAP - _WRAP // 2
            media_s = (self._last_media - behind) / self._rate_hz
            ntp_s = self._clock.unix_origin_s + media_s + _NTP_EPOCH_S
            packet.sender_info.ntp_timestamp = int(ntp_s * _WRAP) % (1 << 64)
            # The receiver quotes the middle of it back; aiortc compares.
            setattr(self._sender, _PRIVATE + "lsr", packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF)
        return packet


def tune_sender(
    sender: RTCRtpSender, clock: MediaClock, rate_hz: int, watcher: Watcher | None = None
) -> None:
    """Call it before the sender runs; `rate_hz` is the RTP clock of its codec."""
    tuning = _Tuning(sender, clock, rate_hz, watcher or Watcher())
    patched: Any = sender
    patched._next_encoded_frame = tuning.next_encoded_frame
    patched._send_rtcp = tuning.send_rtcp
    patched._handle_rtcp_packet = tuning.take_rtcp
