"""The client speaks a file through a running face."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from client.speak import packets, running_session, speak
from sonic_stream.errors import MissingPieceError


@pytest.fixture
def voice_file(tmp_path: Path) -> str:
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes((np.sin(np.arange(16_000) / 8) * 9000).astype("<i2").tobytes())
    return str(path)


def test_packets_hold_the_whole_file(voice_file):
    data = b"".join(packets(voice_file))
    assert len(data) == 48_000 * 2


@pytest.mark.parametrize("live", [False, True])
async def test_a_file_is_spoken(running, viewer, voice_file, capsys, live):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    # In a thread of its own: the server runs on this event loop.
    await asyncio.to_thread(lambda: asyncio.run(speak(f"127.0.0.1:{running.port}", voice_file, live)))
    assert "speaking_finished" in capsys.readouterr().out
    assert sum(loudness > 500 for _, loudness in seen.packets) > 30


async def test_without_a_face_it_says_what_to_do(running):
    with pytest.raises(MissingPieceError, match="press Start"):
        await asyncio.to_thread(running_session, f"127.0.0.1:{running.port}")
    with pytest.raises(MissingPieceError, match="sonic-stream serve"):
        running_session("127.0.0.1:9")
