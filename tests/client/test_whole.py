"""The commands against a running server, over real WebRTC on loopback.

Judged by what arrives and by media time; how much a busy machine skips is not this file's matter.
"""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from client import commands
from client.load import load
from client.main import _parsed
from client.server import Server
from client.session import own_session
from sonic_stream.errors import BusyError, MissingPieceError, UnknownSessionError


def options(address: str, *words: str) -> Namespace:
    return _parsed([*words, "--server", address])


def film(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and greys of the pictures, and the sound."""
    times, greys, sounds = [], [], []
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        for frame in container.decode(*container.streams):
            if isinstance(frame, av.VideoFrame):
                times.append(float(frame.pts * frame.time_base))
                greys.append(float(frame.to_ndarray(format="gray")[192, 192]))
            else:
                sounds.append(frame.to_ndarray()[0])
    return np.array(times), np.array(greys), np.concatenate(sounds)


async def test_a_file_becomes_a_film_in_sync(address, voice_file, tmp_path):
    portrait = tmp_path / "me.png"
    Image.new("RGB", (64, 64), (90, 90, 200)).save(portrait)
    out = tmp_path / "talk.mp4"
    words = ("speak", str(voice_file), "--portrait", str(portrait), "--out", str(out))
    await commands.speak(options(address, *words))
    times, greys, sound = film(out)
    assert len(sound) / 48_000 >= 1.6 + 0.5
    loud_until_s = np.flatnonzero(np.abs(sound) > 0.02)[-1] / 48_000
    assert 0.3 < len(sound) / 48_000 - loud_until_s < 0.6
    assert len(times) > 25 and times[0] == 0

    # The stand-in's pictures are as bright as their own 40 ms of sound are loud.
    def likeness(lag_s: float) -> float:
        envelope = [
            np.abs(sound[int((at + lag_s) * 48_000) : int((at + lag_s + 0.04) * 48_000)]).mean()
            for at in times[5:-12]
        ]
        return float(np.corrcoef(envelope, greys[5:-12])[0, 1])

    # On a busy machine some pictures are shown one or two slots late, as they should be, and none early.
    assert likeness(0.0) > 0.7
    assert likeness(0.0) > max(likeness(-0.04), likeness(0.04))


async def test_a_text_becomes_a_film_and_the_place_is_free_again(address, tmp_path):
    out = tmp_path / "hello.mp4"
    await commands.say(options(address, "say", "hello", "--portrait", "anna", "--out", str(out)))
    _, _, sound = film(out)
    assert 0.5 < len(sound) / 48_000 < 1.3
    assert np.abs(sound).max() > 0.2
    async with Server(address) as server:
        assert await server.sessions() == []


@pytest.mark.parametrize("live", [False, True])
async def test_a_running_face_is_spoken_through(address, voice_file, capsys, live):
    with pytest.raises(MissingPieceError, match="press Start"):
        await commands.speak(options(address, "speak", str(voice_file)))
    heard: list[float] = []
    async with (
        Server(address) as server,
        own_session(server, lambda _: None, lambda s: heard.append(np.abs(s.samples).max())),
    ):
        words = ["speak", str(voice_file), "--json", *(["--live"] if live else [])]
        await commands.speak(options(address, *words))
    told = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert "speaking_started" in told and told[-1] == "speaking_finished"
    assert sum(peak > 0.05 for peak in heard) > 10


async def test_the_server_s_own_sentence_reaches_the_user(address):
    async with Server(address) as server, own_session(server, lambda _: None, lambda _: None):
        with pytest.raises(BusyError, match="taken"):
            async with own_session(server, lambda _: None, lambda _: None):
                pass
        with pytest.raises(UnknownSessionError, match="no such session"):
            await server.status("nobody")


async def test_visitors_report_what_they_saw_and_who_was_refused(address, capsys):
    await load(options(address, "load", "--sessions", "2", "--seconds", "6"))
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["sessions"], told["refused"]) == (1, 1)
    first, second = told["visits"]
    assert "taken" in second["refused"]
    assert first["tones"].endswith("/6") and first["connected_ms"] < first["first_picture_ms"]
    assert 0 < first["latency_p50_ms"] < 950 and first["underruns"] is not None


async def test_status_says_who_is_there(address, capsys):
    async with Server(address) as server, own_session(server, lambda _: None, lambda _: None):
        await commands.status(options(address, "status"))
    told = capsys.readouterr().out
    assert "1 of 1 places taken" in told and "assistant, idle" in told


async def test_a_stranger_is_recognised(tmp_path):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.close()

    stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = stranger.sockets[0].getsockname()[1]
    async with stranger, Server(f"127.0.0.1:{port}") as server:
        with pytest.raises(Exception, match="not as a Sonic Stream server does"):
            await server.sessions()


async def test_a_running_session_is_recorded_until_it_ends(address, voice_file, tmp_path, capsys):
    out = tmp_path / "session.mp4"
    seen: list[float] = []
    async with (
        Server(address) as server,
        own_session(server, lambda p: seen.append(p.arrived_s), lambda _: None),
    ):
        recording = asyncio.create_task(
            commands.record(options(address, "record", str(out), "--seconds", "4"))
        )
        while "On the air" not in capsys.readouterr().err:
            assert not recording.done()
            await asyncio.sleep(0.05)
        await commands.speak(options(address, "speak", str(voice_file)))
        await recording
    times, greys, sound = film(out)
    assert 3.5 < len(sound) / 48_000 < 4.1
    assert np.abs(sound).max() > 0.1 and greys.max() > 30
    loud = np.flatnonzero(np.abs(sound) > 0.05) / 48_000
    bright = times[greys > 30]
    assert abs(bright[0] - loud[0]) < 0.12  # by media time, whatever the way took


async def test_recording_nobody_says_so(address, tmp_path):
    with pytest.raises(MissingPieceError, match="No face is on the air"):
        await commands.record(options(address, "record", str(tmp_path / "nobody.mp4")))
    with pytest.raises(UnknownSessionError):
        words = ("record", str(tmp_path / "nobody.mp4"), "--session", "nobody")
        await commands.record(options(address, *words))
    assert not list(tmp_path.glob("*.mp4"))
