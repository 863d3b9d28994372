"""Voices of other programs: a service on the loopback, a program, Edge's package replaced by a stand-in."""

from __future__ import annotations

import asyncio
import sys
import time

import av
import numpy as np
import pytest

from server.endpoints import Endpoint, ServiceFailedError
from server.tts.base import Pcm, Sound, VoiceEngine, VoiceFailedError, Voices
from server.tts.edge import EdgeVoice
from server.tts.openai import OpenAiVoice
from server.tts.process import ProcessVoice
from server.tts.sentences import Writing, sentences
from sonic_stream.errors import BadInputError


async def spoken(engine: VoiceEngine, text: str = "good day", rate: float = 1.0) -> list[Sound]:
    voices = Voices([engine])
    try:
        return [sound async for sound in voices.speak(text, None, rate)]
    finally:
        await voices.close()


def seconds(sounds: list[Sound]) -> float:
    return sum(len(s.samples) / s.rate_hz for s in sounds)


class TestService:
    async def test_it_speaks_while_the_answer_arrives(self, service):
        sounds = await spoken(OpenAiVoice(Endpoint(service.url, "m-1", "secret"), ["ada"]), rate=1.2)
        assert seconds(sounds) == pytest.approx(0.4, abs=1e-3) and len(sounds) > 2
        assert {s.rate_hz for s in sounds} == {24_000}
        (asked,) = service.asked
        assert (asked["model"], asked["voice"], asked["input"]) == ("m-1", "ada", "good day")
        assert (asked["response_format"], asked["speed"]) == ("pcm", 1.2)
        assert service.keys == ["Bearer secret"]

    async def test_a_wav_header_tells_the_rate_and_is_no_sound(self, service):
        service.as_wav = True
        sounds = await spoken(OpenAiVoice(Endpoint(service.url + "/v1"), ["ada"]))
        assert {s.rate_hz for s in sounds} == {16_000}
        assert sum(len(s.samples) for s in sounds) == 9600
        assert abs(sounds[0].samples[0]) < 1e-3

    async def test_leaving_early_closes_the_connection(self, service):
        service.delay_s, service.seconds_a_word = 0.02, 5
        voices = Voices([OpenAiVoice(Endpoint(service.url), ["ada"])])
        speaking = voices.speak("a b c d", None)
        async for _ in speaking:
            break
        await speaking.aclose()
        async with asyncio.timeout(3):
            while not service.broken_off:
                await asyncio.sleep(0.02)
        await voices.close()

    async def test_what_goes_wrong_is_told_in_a_sentence(self, service):
        service.status = 404
        with pytest.raises(ServiceFailedError, match="refused \\(404: no such voice"):
            await spoken(OpenAiVoice(Endpoint(service.url), ["ada"]))
        with pytest.raises(ServiceFailedError, match="cannot be reached; is it running"):
            await spoken(OpenAiVoice(Endpoint("http://127.0.0.1:9"), ["ada"]))
        with pytest.raises(BadInputError, match="no address"):
            Endpoint("localhost:8080")

    def test_a_key_is_never_shown(self):
        assert "secret" not in repr(Endpoint("http://x", "m", "secret"))

    def test_addresses_are_understood_with_and_without_their_tail(self):
        for url in ("http://x", "http://x/", "http://x/v1", "http://x/v1/audio/speech"):
            assert Endpoint(url).path("audio/speech") == "http://x/v1/audio/speech"


class TestProgram:
    PROGRAM = "import sys; n = len(sys.stdin.read().split()); sys.stdout.buffer.write(b'\\1\\0' * 4000 * n)"

    def command(self, program: str) -> str:
        return f"{sys.executable} -c {program!r}".replace("'", '"').replace("\\\\", "\\")

    async def test_it_reads_text_and_writes_sound(self, tmp_path):
        script = tmp_path / "voice.py"
        script.write_text(self.PROGRAM)
        sounds = await spoken(ProcessVoice(f"{sys.executable} {script}", 8000), "one two three")
        assert seconds(sounds) == pytest.approx(1.5)
        assert np.all(np.concatenate([s.samples for s in sounds]) == np.float32(1 / 32768))

    async def test_one_that_fails_tells_its_last_words(self, tmp_path):
        script = tmp_path / "voice.py"
        script.write_text("import sys; sys.exit('no model found')")
        with pytest.raises(VoiceFailedError, match="ended with 1: no model found"):
            await spoken(ProcessVoice(f"{sys.executable} {script}"))

    async def test_leaving_early_kills_it(self, tmp_path):
        script = tmp_path / "voice.py"
        script.write_text(
            "import sys, time\nsys.stdout.buffer.write(bytes(20000)); sys.stdout.flush(); time.sleep(60)"
        )
        voices = Voices([ProcessVoice(f"{sys.executable} {script}")])
        begin_s = time.monotonic()
        speaking = voices.speak("x", None)
        async for _ in speaking:
            break
        await speaking.aclose()
        assert time.monotonic() - begin_s < 20

    async def test_one_that_hangs_is_told_and_killed(self):
        program = "import sys, time; sys.stdin.read(); time.sleep(60)"
        with pytest.raises(VoiceFailedError, match=r"wrote nothing for 0\.2 s"):
            await spoken(ProcessVoice(f"{sys.executable} -c '{program}'", patience_s=0.2))

    @pytest.mark.parametrize("command", ["no-such-program-here x", "", "'"])
    def test_one_that_is_not_there_is_refused_at_the_start(self, command):
        with pytest.raises(BadInputError):
            ProcessVoice(command)


def mp3(seconds_: float) -> bytes:
    codec = av.CodecContext.create("libmp3lame", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 24_000, "mono", "s16p", 48_000
    wave = (np.sin(np.arange(round(seconds_ * 24_000)) / 9) * 9000).astype(np.int16)
    data = b""
    for at in range(0, len(wave) - 1151, 1152):
        frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1152], format="s16p", layout="mono")
        frame.sample_rate, frame.pts = 24_000, at
        data += b"".join(bytes(packet) for packet in codec.encode(frame))
    return data + b"".join(bytes(packet) for packet in codec.encode(None))


class EdgeStandIn:
    """`edge_tts.Communicate`: two seconds of MP3 and two words."""

    fails = False

    def __init__(self, text: str, voice: str, rate: str, boundary: str) -> None:
        self.asked = (text, voice, rate, boundary)

    async def stream(self):
        if self.fails:
            raise ConnectionError("no route")
        data = mp3(2.0)
        yield {"type": "WordBoundary", "offset": 1_000_000, "duration": 1, "text": "good"}
        for at in range(0, len(data), 700):
            yield {"type": "audio", "data": data[at : at + 700]}
            if at == 2100:
                yield {"type": "WordBoundary", "offset": 9_000_000, "duration": 1, "text": "day"}


class TestEdge:
    async def test_mp3_becomes_sound_with_words(self):
        sounds = await spoken(EdgeVoice(["en-US-AriaNeural"], EdgeStandIn), "good day")
        assert seconds(sounds) == pytest.approx(2.0, abs=0.1)
        assert max(np.abs(s.samples).max() for s in sounds) == pytest.approx(0.27, abs=0.05)
        words, position = [], 0
        for sound in sounds:
            words += [(w.start, w.end, (position + w.at) / sound.rate_hz) for w in sound.words]
            position += len(sound.samples)
        assert [(a, b) for a, b, _ in words] == [(0, 4), (5, 8)]
        assert words[0][2] == pytest.approx(0.1, abs=0.01) and words[1][2] == pytest.approx(0.9, abs=0.05)

    async def test_without_the_internet_it_says_so(self):
        class Failing(EdgeStandIn):
            fails = True

        with pytest.raises(VoiceFailedError, match="no route"):
            await spoken(EdgeVoice(["en-US-AriaNeural"], Failing))

    def test_a_wrong_name_is_refused(self):
        with pytest.raises(BadInputError, match="Aria"):
            EdgeVoice(["aria"], EdgeStandIn)


def test_pcm_cut_anywhere_is_the_same_sound():
    data = (np.arange(999) * 7 % 30_000).astype("<i2").tobytes()
    for step in (1, 3, 1000):
        pcm = Pcm(16_000)
        parts = [pcm.read(data[at : at + step]) for at in range(0, len(data), step)]
        assert np.array_equal(np.concatenate(parts) * 32768, np.frombuffer(data, "<i2"))


def test_stereo_wav_is_refused_in_words():
    head = b"RIFF0000WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data0000"
    with pytest.raises(VoiceFailedError, match="2 channels"):
        Pcm(16_000).read(head)


@pytest.mark.parametrize("step", [1, 4, 1000])
def test_sentences_come_out_of_a_text_that_is_still_written(step):
    text = "It costs 3.50 euros. Really? Yes! And\nmore. 你好。再见"
    writing, found = Writing(), []
    for at in range(0, len(text), step):
        found += writing.add(text[at : at + step])
    assert found + writing.end() == sentences(text)
    assert writing.end() == []
