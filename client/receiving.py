"""What aiortc's receivers are taught: the media time of every frame, and not to wait.

A frame's place on the server's media clock is in its RTP timestamp and the sender reports, which name one
pair of RTP timestamp and clock time for each stream. aiortc keeps neither, so this file reaches into private
names of it (pinned below 2); it is the only one of the client that does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aioice.ice
from aiortc import RTCRtpReceiver, clock
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

_WRAP = 1 << 32
_SEQUENCE = 1 << 16
_NTP_EPOCH_S = 2_208_988_800


class MediaTimes:
    """RTP timestamps of one stream -> seconds since 1970 on the sender's media clock."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._last: int | None = None
        self._report: tuple[int, float] | None = None

    def map(self, timestamp: int) -> int:
        """The timestamp without its wrap at 2**32; also stands in for aiortc's own mapper."""
        if self._last is None:
            self._last = timestamp
        half = _WRAP // 2
        self._last += (timestamp - self._last + half) % _WRAP - half
        return self._last

    def report(self, timestamp: int, ntp: int) -> None:
        """A sender report: `timestamp` was the instant `ntp` (64-bit NTP format)."""
        if self._last is None:
            return
        half = _WRAP // 2
        near = self._last + (timestamp - self._last + half) % _WRAP - half
        self._report = (near, ntp / _WRAP - _NTP_EPOCH_S)

    def time_s(self, pts: int) -> float | None:
        """When `pts` is, or None before the first report (about a second)."""
        if self._report is None:
            return None
        timestamp, at_s = self._report
        return at_s + (pts - timestamp) / self.rate_hz


class _InOrder:
    """In place of aiortc's audio jitter buffer, which holds back four packets: late ones are dropped."""

    def __init__(self) -> None:
        self._last: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        if (
            self._last is not None
            and not 0 < (packet.sequence_number - self._last) % _SEQUENCE < _SEQUENCE // 2
        ):
            return False, None
        self._last = packet.sequence_number
        data: Any = packet
        return False, JitterFrame(data=data._data, timestamp=packet.timestamp)


class _WholePictures(JitterBuffer):
    """aiortc's video jitter buffer knows that a picture is whole when the next one begins, 40 ms later; the
    marker of its last packet (RFC 3550) says so at once."""

    def __init__(self) -> None:
        super().__init__(capacity=512, is_video=True)

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        frame = super()._remove_frame(sequence_number)
        if frame is not None or self._origin is None:
            return frame
        data = b""
        for count in range(self.capacity):
            packet: Any = self._packets[(self._origin + count) % self.capacity]
            if packet is None:
                return None
            data += packet._data
            if packet.marker:
                self.remove(count + 1)
                return JitterFrame(data=data, timestamp=packet.timestamp)
        return None


def teach(receiver: RTCRtpReceiver, times: MediaTimes, kind: str) -> None:
    """Call it before the receiver runs."""
    patched: Any = receiver
    setattr(patched, "_RTCRtpReceiver__timestamp_mapper", times)  # noqa: B010 - a private name
    buffer = _InOrder() if kind == "audio" else _WholePictures()
    setattr(patched, "_RTCRtpReceiver__jitter_buffer", buffer)  # noqa: B010
    handle: Callable[[AnyRtcpPacket], Any] = patched._handle_rtcp_packet

    async def handle_rtcp_packet(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            times.report(packet.sender_info.rtp_timestamp, packet.sender_info.ntp_timestamp)
        await handle(packet)

    patched._handle_rtcp_packet = handle_rtcp_packet


def allow_loopback_only_hosts() -> None:
    """On a host with no other address, offers 127.0.0.1: aioice leaves it out and would hang silently."""
    found = aioice.ice.get_host_addresses
    if getattr(found, "with_loopback", False):
        return

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        addresses: list[str] = found(use_ipv4, use_ipv6)
        return addresses or (["127.0.0.1"] if use_ipv4 else [])

    get_host_addresses.with_loopback = True  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = get_host_addresses


def wall_s() -> float:
    """Seconds since 1970 on this machine's clock."""
    return clock.current_datetime().timestamp()
