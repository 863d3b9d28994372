"""The server's smaller parts, each by itself."""

from __future__ import annotations

import asyncio
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket

from server.bridge import EngineBridge, Painted
from server.clock import MediaClock
from server.encoders import LiveH264Encoder, LiveOpusEncoder, LiveVp8Encoder
from server.endpoints import Endpoint
from server.ice import allow_loopback_only_hosts, ice_server
from server.microphone import InOrderBuffer, fill
from server.portraits import BUNDLED, FITTING_VOICES
from server.sender import tune_sender
from server.settings import ServiceSettings
from server.standin import fake_identity
from server.tracks import MAX_PACKETS, PictureTrack, VoiceTrack
from server.tts.base import Voices
from server.tts.espeak import EspeakEngine
from server.tts.load import load_voices
from server.tts.sentences import sentences
from sonic_stream.engine.base import HopInput
from sonic_stream.engine.fake import FakeEngine
from sonic_stream.errors import BadInputError, BusyError, MissingPieceError
from sonic_stream.media.image import SUFFIXES
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, PACKET_TICKS
from sonic_stream.types import Controls, PortraitSettings


def identity():
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 150, 120)).save(out, "PNG")
    return fake_identity(out.getvalue(), PortraitSettings())


def hop(slot: int, index: int, **more: object) -> HopInput:
    return HopInput(slot, index * FRAME_TICKS, np.zeros(HOP_SAMPLES, np.float32), Controls(), **more)


class TestBridge:
    async def test_pictures_come_back_in_order_on_the_event_loop(self):
        bridge = EngineBridge(lambda: FakeEngine(64))
        await bridge.loaded()
        slots = [await bridge.open(identity(), Controls()) for _ in range(2)]
        got: dict[int, list[Painted]] = {slot: [] for slot in slots}
        threads = set()

        def sink(slot: int):
            def take(painted: Painted | None) -> None:
                threads.add(threading.current_thread())
                assert painted is not None
                got[slot].append(painted)

            return take

        for i in range(20):
            for slot in slots:
                bridge.submit([hop(slot, i)], sink(slot))
        async with asyncio.timeout(5):
            while sum(len(v) for v in got.values()) < 40:
                await asyncio.sleep(0.01)
        for painted in got.values():
            assert [p.pts for p in painted] == [(i - 2) * FRAME_TICKS for i in range(20)]
            assert all(p.picture is not None and p.picture.shape == (96, 64) for p in painted)
        assert threads == {threading.current_thread()}
        await bridge.stop()

    async def test_hearing_does_not_wait_for_the_picture_of_another_slot(self):
        may_go, batches = threading.Event(), []

        class Slow(FakeEngine):
            def step(self, batch):
                batches.append([(h.slot, h.paint) for h in batch])
                may_go.wait(5)
                return super().step(batch)

        bridge = EngineBridge(lambda: Slow(64))
        a, b = [await bridge.open(identity(), Controls()) for _ in range(2)]
        done: list[Painted | None] = []
        bridge.submit([hop(a, 0)], done.append)
        while not batches:
            await asyncio.sleep(0.001)
        bridge.submit([hop(b, 0)], done.append)
        bridge.submit([hop(a, 1, paint=False), hop(a, 2, paint=False), hop(a, 3)], done.append)
        may_go.set()
        async with asyncio.timeout(5):
            while len(done) < 5:
                await asyncio.sleep(0.001)
        assert batches == [[(a, True)], [(a, False)], [(a, False)], [(b, True), (a, True)]]
        await bridge.stop()

    async def test_a_hop_that_is_only_heard_has_no_picture(self):
        bridge = EngineBridge(lambda: FakeEngine(64))
        slot = await bridge.open(identity(), Controls())
        done = asyncio.get_running_loop().create_future()
        bridge.submit([hop(slot, 0, paint=False)], done.set_result)
        assert (await done).picture is None
        await bridge.stop()

    async def test_an_engine_that_cannot_be_loaded_tells_why(self):
        def broken() -> FakeEngine:
            raise MissingPieceError("The weights are missing.")

        bridge = EngineBridge(broken)
        with pytest.raises(MissingPieceError, match="weights"):
            await bridge.loaded()
        assert not bridge.is_ready and isinstance(bridge.failure, MissingPieceError)
        await bridge.stop()

    async def test_a_failing_step_ends_the_session_and_not_the_thread(self):
        class Failing(FakeEngine):
            def step(self, batch):
                if batch[0].pts == FRAME_TICKS:
                    raise ValueError("nan")
                return super().step(batch)

        bridge = EngineBridge(lambda: Failing(64))
        slot = await bridge.open(identity(), Controls())
        got: list[Painted | None] = []
        for i in range(3):
            bridge.submit([hop(slot, i)], got.append)
        async with asyncio.timeout(5):
            while len(got) < 3:
                await asyncio.sleep(0.01)
        assert [p is None for p in got] == [False, True, False]
        await bridge.stop()

    async def test_what_the_engine_refuses_is_passed_on(self):
        bridge = EngineBridge(lambda: FakeEngine(64, capacity=1))
        await bridge.open(identity(), Controls())
        with pytest.raises(BusyError):
            await bridge.open(identity(), Controls())
        await bridge.prepare(identity())  # no free slot: nothing to do, no complaint
        await bridge.stop()


class TestEncoders:
    @pytest.mark.parametrize("encoder", [LiveVp8Encoder, LiveH264Encoder])
    def test_bitrate_changes_make_no_storm_of_keyframes(self, encoder):
        live = encoder()
        keyframes = 0
        picture = np.random.default_rng(0).integers(0, 255, (384, 256), np.uint8)
        for i in range(60):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, i, 1), format="yuv420p")
            frame.pts, frame.time_base = i * 3600, VIDEO_TIME_BASE
            live.target_bitrate = 1_500_000 + (i % 7) * 200_000
            before = live.codec
            payloads, timestamp = live.encode(frame, force_keyframe=False)
            keyframes += live.codec is not before
            assert payloads and timestamp == i * 3600
        assert keyframes <= 2

    @pytest.mark.parametrize("encoder", [LiveVp8Encoder, LiveH264Encoder])
    def test_a_frame_that_is_sent_again_does_not_stay_a_keyframe(self, encoder):
        live = encoder()
        picture = np.random.default_rng(0).integers(0, 255, (384, 256), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = 0, VIDEO_TIME_BASE
        sizes = []
        for i in range(4):
            frame.pts = i * 3600
            sizes.append(sum(len(p) for p in live.encode(frame, force_keyframe=i == 1)[0]))
        assert sizes[2] < sizes[1] / 4 and sizes[3] < sizes[1] / 4

    def test_sound_keeps_its_media_time(self):
        live, decoder = LiveOpusEncoder(), av.CodecContext.create("libopus", "r")
        heard = 0.0
        for i in range(20):
            wave = (np.sin(np.arange(PACKET_TICKS) / 20 + i * PACKET_TICKS / 20) * 8000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 96_000 + i * PACKET_TICKS
            frame.time_base = Fraction(1, 48_000)
            payloads, timestamp = live.encode(frame)
            assert timestamp == 96_000 + i * PACKET_TICKS and len(payloads) == 1
            for decoded in decoder.decode(av.Packet(payloads[0])):
                heard = max(heard, float(np.abs(decoded.to_ndarray()).max()))
        assert heard > 0


class TestTracks:
    async def test_sound_that_nobody_fetched_is_dropped_from_its_old_end(self):
        track = VoiceTrack(MediaClock())
        for i in range(MAX_PACKETS + 3):
            track.put(i * PACKET_TICKS, np.full(PACKET_TICKS, 0.1, np.float32))
        frame = await track.recv()
        assert frame.pts == 3 * PACKET_TICKS and track.dropped == 3

    async def test_the_clock_starts_with_the_first_packet_asked_for(self):
        clock = MediaClock()
        track = VoiceTrack(clock)
        assert clock.now() == 0 and not clock.started.is_set()
        track.put(0, np.zeros(PACKET_TICKS, np.float32))
        await track.recv()
        assert clock.started.is_set() and clock.unix_origin_s > 1e9

    async def test_hush_silences_what_waits_without_a_click(self):
        track = VoiceTrack(MediaClock())
        for i in range(3):
            track.put(i * PACKET_TICKS, np.full(PACKET_TICKS, 0.5, np.float32))
        await track.recv()
        track.hush()
        first, second = [(await track.recv()).to_ndarray().ravel() for _ in range(2)]
        assert first[0] > 15_000 and not first[240:].any() and not second.any()

    async def test_the_newest_picture_wins(self):
        track = PictureTrack(MediaClock())
        for i in range(3):
            track.put(i * FRAME_TICKS, np.full((96, 64), i, np.uint8))
        frame = await track.recv()
        assert frame.pts == 2 * 3600 and track.skipped == 2

    async def test_a_stopped_track_lets_go_of_its_reader(self):
        from aiortc.mediastreams import MediaStreamError

        track = PictureTrack(MediaClock())
        reading = asyncio.create_task(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await reading


class FakeSender:
    """What `tune_sender` touches of aiortc's sender."""

    def __init__(self) -> None:
        self._RTCRtpSender__rtp_timestamp = 0
        self._RTCRtpSender__encoder = None
        self._RTCRtpSender__lsr = None
        self.sent: list[object] = []

    async def _next_encoded_frame(self, codec):
        class Frame:
            timestamp = 0

        return Frame()

    async def _send_rtcp(self, packets):
        self.sent += packets

    async def _handle_rtcp_packet(self, packet):
        """What comes from the receiver."""


async def test_sender_reports_tell_media_time_and_not_the_moment_of_sending():
    class Codec:
        mimeType = "audio/none"  # noqa: N815 - aiortc's name

    clock, sender = MediaClock(), FakeSender()
    clock.start()
    tune_sender(sender, clock, 48_000)
    origin = 4_294_900_000  # near the wrap of 32 bits
    await sender._next_encoded_frame(Codec())
    sender._RTCRtpSender__rtp_timestamp = origin
    await sender._next_encoded_frame(Codec())
    for media_s in (0.0, 2.0):
        rtp = (origin + round(media_s * 48_000)) % 2**32
        await sender._send_rtcp([RtcpSrPacket(1, RtcpSenderInfo(0, rtp, 1, 1))])
        ntp_s = sender.sent[-1].sender_info.ntp_timestamp / 2**32 - 2_208_988_800
        assert ntp_s == pytest.approx(clock.unix_origin_s + media_s, abs=1e-3)
    assert sender._RTCRtpSender__lsr == sender.sent[-1].sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF


class TestMicrophone:
    @staticmethod
    def packet(sequence: int) -> RtpPacket:
        packet = RtpPacket(sequence_number=sequence, timestamp=sequence * 960)
        packet._data = bytes([sequence % 256])
        return packet

    def test_packets_pass_at_once_and_late_or_double_ones_are_dropped(self):
        buffer, passed = InOrderBuffer(), []
        for sequence in (65_534, 65_535, 0, 2, 1, 2, 3):
            _, frame = buffer.add(self.packet(sequence))
            if frame is not None:
                passed.append(frame.timestamp // 960)
        assert passed == [65_534, 65_535, 0, 2, 3] and buffer.late == 2

    def test_a_hole_is_filled_with_what_was_before_and_fades(self):
        before = np.sin(np.arange(960) / 10).astype(np.float32)
        filled = fill(before, 1920)
        assert abs(filled[0] - before[-1]) < 1e-6
        assert np.abs(filled[-960:]).max() < 0.8
        assert np.abs(filled).max() > 0.5


class TestIce:
    def test_addresses(self):
        server = ice_server("turn:me:secret@relay.example:3478")
        assert (server.urls, server.username, server.credential) == (
            "turn:relay.example:3478",
            "me",
            "secret",
        )
        assert ice_server("stun:relay.example:3478").username is None

    @pytest.mark.parametrize("address", ["relay.example", "http://x", "turn:", ""])
    def test_what_is_no_address(self, address):
        with pytest.raises(BadInputError, match="ICE"):
            ice_server(address)

    def test_a_loopback_only_host_offers_loopback(self):
        import aioice.ice

        allow_loopback_only_hosts()
        allow_loopback_only_hosts()  # twice is once
        assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)


class TestVoices:
    def test_sentences_lose_no_word_and_stay_short(self):
        text = "Hello there. How are you? " + "word " * 200 + "\nNew line; and 你好。再见。"
        pieces = sentences(text)
        assert " ".join(" ".join(pieces).split()) == " ".join(text.replace("。", "。 ").split())
        assert max(map(len, pieces)) <= 280
        assert pieces[:2] == ["Hello there.", "How are you?"]
        assert sentences("  \n ") == []

    async def test_the_built_in_voice_speaks_in_chunks_and_can_be_stopped(self):
        pytest.importorskip("espeakng_loader")
        engine = EspeakEngine.load()
        text = "Hello. This is a test."
        chunks = [chunk async for chunk in engine.speak(text, "en-us-low", 1.0)]
        sounds = [chunk.samples for chunk in chunks]
        assert [text[w.start : w.end] for c in chunks for w in c.words] == [
            "Hello",
            "This",
            "is",
            "a",
            "test",
        ]
        assert all(0 <= word.at < len(chunk.samples) for chunk in chunks for word in chunk.words)
        slow = [chunk.samples async for chunk in engine.speak(text, "en-us-low", 0.6)]
        whole = np.concatenate(sounds)
        assert 0.8 < len(whole) / 22_050 < 4 and 0.05 < np.abs(whole).max() <= 1
        assert sum(map(len, slow)) > 1.2 * len(whole)
        speaking = engine.speak("One. Two. Three. Four.", "de-high", 1.0)
        async for _ in speaking:
            break
        await speaking.aclose()
        await engine.close()

    async def test_every_built_in_voice_sounds_the_same_whichever_spoke_before(self):
        pytest.importorskip("espeakng_loader")
        engine = EspeakEngine.load()

        async def sound(voice: str) -> bytes:
            return b"".join([c.samples.tobytes() async for c in engine.speak("Uno.", voice, 1.0)])

        ids = [voice.id for voice in engine.voices]
        first = {voice: await sound(voice) for voice in ids}
        assert len(set(first.values())) == len(ids)
        again = {voice: await sound(voice) for voice in reversed(ids)}
        # Its breath is random, so sounds are compared by their length, and that to a few milliseconds.
        lengths = {voice: len(said) for voice, said in first.items()}
        assert {voice: len(said) for voice, said in again.items()} == pytest.approx(lengths, rel=0.005)
        await engine.close()

    def test_each_bundled_portrait_has_a_voice_that_exists(self):
        pytest.importorskip("espeakng_loader")
        voices = load_voices()
        bundled = {path.stem for path in BUNDLED.iterdir() if path.suffix in SUFFIXES}
        assert bundled <= set(FITTING_VOICES)
        for voice in FITTING_VOICES.values():
            assert voices.fitting(voice) == voices.check(voice)

    def test_a_fitting_voice_gives_way_to_an_engine_that_was_configured(self):
        pytest.importorskip("espeakng_loader")
        voices = load_voices(ServiceSettings(tts=Endpoint("http://127.0.0.1:9")))
        assert voices.fitting("en-us-high") is None
        assert voices.fitting("nobody") is None

    def test_without_a_voice_the_reason_is_told(self):
        with pytest.raises(MissingPieceError, match="install it"):
            Voices([], "Please install it.").check(None)
