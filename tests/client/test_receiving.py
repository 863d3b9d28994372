"""Media times from sender reports, and buffers that do not wait."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket

from client.receiving import MediaTimes, _InOrder, _WholePictures

NTP_EPOCH_S = 2_208_988_800


def ntp(unix_s: float) -> int:
    return int((unix_s + NTP_EPOCH_S) * (1 << 32))


def packet(number: int, timestamp: int, marker: bool = False) -> RtpPacket:
    made = RtpPacket(sequence_number=number % (1 << 16), timestamp=timestamp, marker=marker)
    made._data = bytes([number % 256])
    return made


def test_time_is_unknown_before_a_report_and_exact_after_it():
    times = MediaTimes(48_000)
    pts = times.map(96_000)
    assert times.time_s(pts) is None
    times.report(48_000, ntp(1_700_000_000.25))
    assert times.time_s(pts) == pytest.approx(1_700_000_001.25, abs=1e-6)


def test_times_go_on_where_timestamps_wrap():
    times = MediaTimes(90_000)
    before, after = times.map((1 << 32) - 3600), times.map(0)
    assert after - before == 3600
    times.report((1 << 32) - 3600, ntp(1000.0))
    assert times.time_s(after) == pytest.approx(1000.04, abs=1e-6)


def test_a_packet_out_of_order_does_not_move_the_others():
    times = MediaTimes(48_000)
    assert [times.map(t) - 5000 for t in (5000, 6920, 5960, 7880)] == [0, 1920, 960, 2880]


def test_a_picture_is_whole_at_its_marker_and_does_not_wait_for_the_next():
    buffer = _WholePictures()
    assert buffer.add(packet(7, 3600))[1] is None
    _, frame = buffer.add(packet(8, 3600, marker=True))
    assert frame is not None and (frame.data, frame.timestamp) == (bytes([7, 8]), 3600)
    _, frame = buffer.add(packet(9, 7200, marker=True))
    assert frame is not None and frame.data == bytes([9])


def test_a_picture_with_a_hole_waits_for_the_missing_packet():
    buffer = _WholePictures()
    assert buffer.add(packet(1, 0))[1] is None
    assert buffer.add(packet(3, 0, marker=True))[1] is None
    _, frame = buffer.add(packet(2, 0))
    assert frame is not None and frame.data == bytes([1, 2, 3])


def test_sound_is_handed_on_at_once_and_late_packets_are_dropped():
    buffer = _InOrder()
    got = [buffer.add(packet(n, n * 960))[1] for n in (65_534, 65_535, 65_537, 65_536, 65_538)]
    assert [frame and frame.timestamp // 960 for frame in got] == [65_534, 65_535, 65_537, None, 65_538]
