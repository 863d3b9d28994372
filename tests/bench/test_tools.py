"""The instruments measure what they say: networks, marks, comparisons, tables."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.chromium import beeps, nearest_ms
from bench.inside import compare, continuous
from bench.relay import Network, Relay
from bench.soak import row
from bench.stage import MARK_SHARE, MarkedEngine
from bench.sync import figures
from sonic_stream.engine.base import HopInput
from sonic_stream.engine.fake import FakeEngine
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import Controls


class Ears(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.sender: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)
        self.sender = addr


async def ears() -> tuple[asyncio.DatagramTransport, Ears]:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Ears, local_addr=("127.0.0.1", 0))


def answer_of(port: int) -> str:
    media = f"m=audio 9 X\r\na=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\na=mid:0\r\n"
    return f"v=0\r\n{media}{media.replace('audio', 'video').replace('mid:0', 'mid:1')}"


async def through(network: Network, count: int) -> tuple[list[bytes], list[bytes], Relay]:
    """What a server and a browser hear of `count` datagrams each through a relay."""
    server_transport, server = await ears()
    browser_transport, browser = await ears()
    relay = Relay(network)
    rewritten = await relay.rewrite(answer_of(server_transport.get_extra_info("sockname")[1]))
    lines = [line for line in rewritten.splitlines() if line.startswith("a=candidate")]
    assert len(lines) == 2 and len(set(lines)) == 1
    assert "a=mid:0" in rewritten and "a=mid:1" in rewritten
    outer = ("127.0.0.1", int(lines[0].split()[5]))
    for number in range(count):
        browser_transport.sendto(number.to_bytes(2, "big"), outer)
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while relay.passed + relay.lost < count or len(server.heard) < relay.passed:
            await asyncio.sleep(0.005)
    for number in range(count):
        server_transport.sendto(number.to_bytes(2, "big"), server.sender)
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while len(browser.heard) < relay.passed - len(server.heard) or relay.passed + relay.lost < 2 * count:
            await asyncio.sleep(0.005)
    relay.close()
    server_transport.close()
    browser_transport.close()
    return server.heard, browser.heard, relay


async def test_a_good_network_changes_nothing():
    heard, back, _ = await through(Network(), 50)
    assert heard == back == [number.to_bytes(2, "big") for number in range(50)]


async def test_a_bad_network_loses_and_reorders_both_ways():
    heard, back, relay = await through(Network(loss=0.2, delay_s=0.002, jitter_s=0.02), 200)
    assert 40 < relay.lost < 130
    for side in (heard, back):
        assert 130 < len(side) < 190 and side != sorted(side)


def test_pictures_whose_own_sound_is_loud_bear_the_mark():
    engine = MarkedEngine(FakeEngine(96))
    slot = engine.open(None, Controls())  # type: ignore[arg-type]  # the stand-in never looks at it
    loud = np.full(HOP_SAMPLES, 0.3, np.float32)
    marks = {}
    for number in range(12):
        samples = loud if 4 <= number < 7 else np.zeros(HOP_SAMPLES, np.float32)
        result = engine.step([HopInput(slot, number * FRAME_TICKS, samples, Controls())])[0]
        side = 96 // MARK_SHARE
        marks[result.video.pts // FRAME_TICKS] = int(result.video.image[side // 2, side // 2, 0])
    assert [number for number, mark in marks.items() if mark == 255] == [4, 5, 6]


def test_sound_that_arrives_as_sent_is_recognised_and_what_was_done_to_it_counted():
    sent = continuous(2.0)
    assert not (sent == 0).any()
    silence = np.zeros(5000, np.int16)
    faded = sent.copy()
    faded[:240] //= 2
    assert compare(sent, np.concatenate([silence, faded, silence])) == {
        "inserted_zeros": 0.0,
        "altered_samples": 0.0,
    }
    torn = np.concatenate([silence, sent[:40_000], np.zeros(100, np.int16), sent[40_000:], silence])
    found = compare(sent, torn)
    assert found["inserted_zeros"] == 100 and found["altered_samples"] > 50_000
    short = compare(sent, np.concatenate([silence, sent[:-500], silence]))
    assert short == {"inserted_zeros": 0.0, "altered_samples": 500.0}


def test_the_figures_of_a_run_are_of_its_settled_part():
    seen = {
        "beep": [1000.0 * k for k in range(1, 21)],
        "flash": [1000.0 * k + (300 if k < 4 else 10) for k in range(1, 21)],
        "frames": [1000.0 + 40 * k for k in range(475)],
        "skew": [100.0] * 5 + [12.0] * 10,
        "audio_wait": [],
        "video_wait": [],
    }
    found = figures(seen)
    assert found["median_ms"] == found["worst_ms"] == 45.0  # 10 ms and the detector's 35
    assert found["within"] == "15/15" and found["fps"] == 25.0 and found["longest_gap_ms"] == 40.0
    assert found["browser_ms"] == 12.0 and found["converged_s"] == 3


def test_a_flash_without_its_beep_is_left_out():
    assert nearest_ms([100.0, 2000.0], [90.0, 900.0]) == [(100.0, 10.0)]


def test_beeps_are_at_the_end_of_each_second():
    loud = np.abs(beeps(2.0)) > 0.02
    assert not loud[:38_000].any() and loud[38_400:48_000].mean() > 0.6 and not loud[48_100:86_000].any()


def test_a_slope_is_seen_and_warming_up_is_not():
    minutes = [k / 2 for k in range(60)]
    leak = row("leak", minutes, [100 + 3 * m for m in minutes])
    assert leak["slope"] == pytest.approx(3.0)
    warm = row("warm", minutes, [min(100 + 30 * m, 200) for m in minutes])
    assert warm["slope"] == pytest.approx(0.0) and warm["highest"] == 200.0


def test_a_table_takes_its_own_place_in_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- end x -->\nb\n<!-- y -->\nkept\n<!-- end y -->\n")
    report.write("x", report.table([{"k": 1, "v": None}], {"k": "key", "v": "value"}), page)
    text = page.read_text()
    assert "| 1 | - |" in text and "old" not in text and "kept" in text and text.startswith("a\n")
    with pytest.raises(SystemExit):
        report.write("z", "", page)
