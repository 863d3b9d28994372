"""The examples of the documentation, run as they are against a running server."""

from __future__ import annotations

import asyncio
import sys
import wave
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


async def run_example(name: str, port: int, folder: Path, *arguments: str) -> str:
    """Runs a copy that differs only in the port."""
    text = (EXAMPLES / name).read_text()
    assert "127.0.0.1:8010" in text
    copy = folder / name
    copy.write_text(text.replace("127.0.0.1:8010", f"127.0.0.1:{port}"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(copy),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return out.decode()


async def test_a_wav_file_is_spoken(running, viewer, tmp_path):
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(44_100)
        tone = (np.sin(np.arange(44_100) / 20) * 9000).astype("<i2")
        out.writeframes(np.repeat(tone, 2).tobytes())
    assert "press Start" in await run_example("push_pcm.py", running.port, tmp_path, str(path))
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    told = await run_example("push_pcm.py", running.port, tmp_path, str(path))
    assert "speaking_finished" in told
    assert sum(loudness > 500 for _, loudness in seen.packets) > 30


async def test_a_text_is_spoken(running, viewer, tmp_path):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await run_example("say.py", running.port, tmp_path, "good", "day")
    await seen.until(lambda v: "speaking_finished" in v.kinds())
    assert running.voice.spoken == ["good day"]
