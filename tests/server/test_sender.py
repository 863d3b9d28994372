"""Sender reports tell the media clock, soon after the start and a day later."""

from __future__ import annotations

from typing import Any

import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import RtcpSdesPacket, RtcpSenderInfo, RtcpSrPacket

from server.clock import MediaClock
from server.sender import EARLY_REPORTS_S, Watcher, tune_sender

ORIGIN = (1 << 32) - 10_000
CODEC = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96)
NTP_EPOCH_S = 2_208_988_800


class Sender:
    """As much of aiortc's sender as is touched: it sends a frame each time one is asked for."""

    def __init__(self, step: int, begin: int = 0) -> None:
        self._ssrc = 7
        self.reports: list[RtcpSrPacket] = []
        self.others: list[Any] = []
        self.taken: list[Any] = []
        self._media, self._step = begin - step, step
        self._private("encoder", None)
        for name in ("rtp_timestamp", "ntp_timestamp", "packet_count", "octet_count", "lsr", "lsr_time"):
            self._private(name, 0)

    def _private(self, name: str, value: Any) -> None:
        setattr(self, "_RTCRtpSender__" + name, value)

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame:
        self._media += self._step
        return RTCEncodedFrame([b""], self._media, 0)

    async def _send_rtcp(self, packets: list[Any]) -> None:
        for packet in packets:
            (self.reports if isinstance(packet, RtcpSrPacket) else self.others).append(packet)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        self.taken.append(packet)

    async def send(self, count: int) -> None:
        for _ in range(count):
            frame = await self._next_encoded_frame(CODEC)
            self._private("rtp_timestamp", (ORIGIN + frame.timestamp) % (1 << 32))

    async def report(self) -> RtcpSrPacket:
        """As aiortc does every second."""
        timestamp = getattr(self, "_RTCRtpSender__rtp_timestamp")  # noqa: B009 - a private name
        info = RtcpSenderInfo(ntp_timestamp=1, rtp_timestamp=timestamp, packet_count=1, octet_count=1)
        await self._send_rtcp([RtcpSrPacket(ssrc=7, sender_info=info), RtcpSdesPacket(chunks=[])])
        return self.reports[-1]


def clock() -> MediaClock:
    made = MediaClock()
    made.start()
    made.unix_origin_s = 1_700_000_000.0
    return made


def tuned(step: int, begin: int = 0) -> Sender:
    sender = Sender(step, begin)
    tune_sender(sender, clock(), 90_000)  # type: ignore[arg-type]
    return sender


def media_s(report: RtcpSrPacket) -> float:
    return report.sender_info.ntp_timestamp / (1 << 32) - NTP_EPOCH_S - 1_700_000_000.0


async def test_reports_tell_the_media_time_of_what_was_sent():
    sender = tuned(3600)
    await sender.send(50)
    assert media_s(await sender.report()) == pytest.approx(49 * 0.04, abs=1e-6)


async def test_they_are_right_after_timestamps_have_wrapped():
    hours_14 = 14 * 3600 * 90_000
    sender = tuned(3600, hours_14)
    await sender.send(10)
    assert media_s(await sender.report()) == pytest.approx(14 * 3600 + 9 * 0.04, abs=1e-6)


async def test_the_first_ones_come_early():
    sender = tuned(3600)
    await sender.send(30)
    assert len(sender.reports) == len(EARLY_REPORTS_S)
    told = [media_s(report) for report in sender.reports]
    for at_s, wanted_s in zip(told, EARLY_REPORTS_S, strict=True):
        assert wanted_s - 0.05 < at_s < wanted_s + 0.05


async def test_nothing_is_reported_before_anything_was_sent():
    sender = tuned(3600)
    with pytest.raises(IndexError):
        await sender.report()
    assert len(sender.others) == 1


async def test_the_receivers_reports_are_told_and_passed_on():
    class Heard(Watcher):
        count = 0

        def reported(self) -> None:
            self.count += 1

    heard, sender = Heard(), Sender(3600)
    tune_sender(sender, clock(), 90_000, heard)  # type: ignore[arg-type]
    packet = RtcpSdesPacket(chunks=[])
    await sender._handle_rtcp_packet(packet)
    assert heard.count == 1 and sender.taken == [packet]
