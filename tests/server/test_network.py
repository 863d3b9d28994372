"""ICE servers, what the page is told of them, options, metrics."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.ice import for_browsers, for_links
from server.options import ice_servers, services
from server.settings import ServerSettings
from server.skew import SkewMeter
from sonic_stream.errors import BadInputError
from sonic_stream.timebase import FRAME_TICKS
from sonic_stream.types import Controls


class TestDeadStun:
    """A STUN server that takes packets and never answers."""

    @pytest.fixture
    def settings(self, settings: ServerSettings):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            address = f"stun:127.0.0.1:{silent.getsockname()[1]}"
            yield replace(settings, ice_servers=(address, "turn:me:secret@127.0.0.1:9"))

    async def test_it_does_not_hold_up_the_answer(self, running, viewer):
        begin_s = time.monotonic()
        seen = await viewer()
        assert time.monotonic() - begin_s < 4.0  # five seconds where nobody limits it
        await seen.until(lambda v: len(v.pictures) > 5)

    async def test_the_page_is_told_of_both(self, running, viewer):
        stun, turn = (await running.http.get("/api/config")).json()["ice_servers"]
        assert stun["urls"].startswith("stun:127.0.0.1:") and "username" not in stun
        assert (turn["urls"], turn["username"], turn["credential"]) == ("turn:127.0.0.1:9", "me", "secret")


def test_links_tell_a_whep_player_of_ice_servers():
    assert for_links(("stun:a.example:3478", "turn:u:p@b.example:3478")) == [
        '<stun:a.example:3478>; rel="ice-server"',
        '<turn:b.example:3478>; rel="ice-server"; username="u"; credential="p"; credential-type="password"',
    ]
    assert for_browsers(()) == []


class TestOptions:
    def test_a_flag_wins_over_its_variable_and_keys_come_from_the_environment(self):
        environment = {
            "SONIC_STREAM_TTS_URL": "http://tts.example",
            "SONIC_STREAM_TTS_VOICE": "ada, bob",
            "SONIC_STREAM_CHAT_URL": "http://from-variable.example",
            "SONIC_STREAM_CHAT_KEY": "k1",
            "OPENAI_API_KEY": "k2",
        }
        told = services({"chat_url": "http://from-flag.example", "chat_model": "m"}, environment)
        assert told.chat is not None and told.tts is not None and told.asr is None
        assert (told.chat.url, told.chat.model, told.chat.key) == ("http://from-flag.example", "m", "k1")
        assert (told.tts.key, told.tts_voices) == ("k2", ("ada", "bob"))

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            ({"chat_model": "m"}, "--chat-url"),
            ({"chat_url": "here"}, "no address"),
            ({"tts_rate": "fast"}, "sample rate"),
            ({"tts_rate": "3"}, "not usable"),
        ],
    )
    def test_what_cannot_be_used(self, flags, words):
        with pytest.raises(BadInputError, match=words):
            services(flags, {})

    def test_ice_servers_from_both(self):
        assert ice_servers({}, {}) == ()
        assert ice_servers({}, {"SONIC_STREAM_ICE_SERVER": "stun:a:1,stun:b:2"}) == ("stun:a:1", "stun:b:2")
        with pytest.raises(BadInputError, match="no ICE server"):
            ice_servers({"ice_server": ["http://x"]}, {})


async def test_metrics_are_what_prometheus_reads(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "one"})
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    answer = await running.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["sonic_stream_sessions", ()] == 1
    place = (("place", "0"),)
    assert found["sonic_stream_session_played_total", place] > 20
    assert found["sonic_stream_session_underruns_total", place] >= 0
    assert found["sonic_stream_session_skew_p99_ms", place] >= 0
    for stage in ("engine", "engine_wait", "encode_picture", "voice_first_sound"):
        assert found["sonic_stream_stage_seconds_count", (("stage", stage),)] > 0, stage


async def test_the_server_tells_what_it_offers(running):
    told = (await running.http.get("/api/config")).json()
    assert told["ice_servers"] == [] and told["assistant"] is False and told["hears"] is False
    assert told["controls"]["dynamic_scale"] == {
        "kind": "float",
        "default": 1.0,
        "low": 0,
        "high": 2,
        "choices": [],
    }
    assert "happy" in told["controls"]["mood"]["choices"]


class TestChosenByTheOperator:
    @pytest.fixture
    def settings(self, settings: ServerSettings):
        return replace(settings, controls=Controls(dynamic_scale=1.25, mood="happy"))

    async def test_a_page_begins_with_it(self, running):
        told = (await running.http.get("/api/config")).json()["controls"]
        began = {name: told[name]["default"] for name in ("dynamic_scale", "motion_scale", "mood")}
        assert began == {"dynamic_scale": 1.25, "motion_scale": 1.0, "mood": "happy"}


async def test_the_interface_describes_itself_completely(running):
    told = (await running.http.get("/openapi.json")).json()
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} says nothing"
    watch = told["paths"]["/api/sessions/{session_id}/whep"]["post"]
    assert "application/sdp" in watch["requestBody"]["content"]
    assert "application/sdp" in watch["responses"]["201"]["content"]
    reference = await running.http.get("/api/docs")
    assert reference.status_code == 200 and "https://" not in reference.text  # it works without the internet


class TestSkew:
    def test_it_is_the_distance_of_two_moments(self):
        meter = SkewMeter()
        for slot in range(100):
            pts, at_s = slot * FRAME_TICKS, slot * 0.04
            order = [(False, at_s), (True, at_s + 0.012)]
            for is_picture, now_s in order if slot % 2 else reversed(order):
                meter.sent(is_picture, pts, now_s)
        assert meter.median_ms == 12 and meter.p99_ms == 12

    def test_packets_without_a_picture_are_forgotten(self):
        meter = SkewMeter()
        for packet in range(10_000):
            meter.sent(False, packet * 960, packet * 0.02)
        meter.sent(True, 9_999 * 960, 9_999 * 0.02 - 0.005)
        assert meter.median_ms == -5 and len(meter._sound) < 100
