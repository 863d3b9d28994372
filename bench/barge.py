"""Who interrupts: the avatar's own echo, a user over it, nobody: `python -m bench.barge [--seconds 60]`.

The avatar speaks without a pause through a loudspeaker that is driven into distortion, in a room that
rings, beside a microphone without an echo canceller; half-way the echo comes 60 ms later than before, as it
does when a browser changes its buffers. Heard alone, every beginning of a user's speech is false. Then a
user talks into it every five seconds, two seconds each: how many are noticed, and how soon. Echo levels are
against the avatar's own level, the user's against the avatar's at the loudspeaker. The decisions are the
server's own (`sonic_stream.stream.barge`); no real time passes. `--docs` writes the table into
docs/latency.md. Last line: JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bench import report
from server.tts.espeak import EspeakEngine
from sonic_stream.media.audio import open_audio
from sonic_stream.media.resample import StreamResampler
from sonic_stream.motion.hearing import SpeechMeter
from sonic_stream.offline.bundled import voice_path
from sonic_stream.stream.barge import Turn, UserVoice
from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ, TICK_RATE
from sonic_stream.types import F32

RATE_HZ = MODEL_RATE_HZ
AVATARS = ("en-us-low", "en-us-high")
USERS = ("hello", "hello-low")
AVATAR_DB, NOISE_DB = -20.0, -60.0
DELAY_S, LATER_S = 0.15, 0.21
"""From the server's sender to its microphone, before and after the middle."""
USER_EVERY_S, USER_FOR_S = 5.0, 2.0
LATE_S = 0.3
"""A beginning so soon after the user has finished still counts as his."""
ECHOES_DB: tuple[float | None, ...] = (None, -30.0, -20.0, -10.0, 0.0)
"""None: headphones."""
USERS_DB = (0.0, -10.0)
TEXT = (
    "The river was high that spring, and nobody crossed it before noon. My brother kept three boats, two"
    " for people and one for sheep. When the bell rang we pushed off, and the far bank came slowly out of"
    " the fog. He asked every traveller the same question: what is it like where you come from? Some"
    " laughed, a few told him the truth, and most of them looked at the water instead. "
)
COLUMNS = {
    "echo": "echo",
    "false": "false interruptions a minute",
    "loud": "user as loud as the avatar: noticed",
    "loud_ms": "after, ms",
    "soft": "user 10 dB softer: noticed",
    "soft_ms": "after, ms ",
}


def at_level(sound: F32, level_db: float) -> F32:
    """Scaled so that its loud half has the level asked for, full scale."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    powers = np.mean(np.square(frames), axis=1)
    level = float(np.sqrt(np.mean(powers[powers >= np.median(powers)])))
    return np.asarray(sound * (10 ** (level_db / 20) / level), np.float32)


async def spoken(voice: str, seconds: float) -> F32:
    """The text with a built-in voice, over and over, float32 [N] at 16 kHz."""
    engine = EspeakEngine.load()
    chunks = [chunk async for chunk in engine.speak(TEXT, voice, 1.0)]
    await engine.close()
    once = np.concatenate([chunk.samples for chunk in chunks])
    sound = StreamResampler(chunks[0].rate_hz, RATE_HZ).push(once, last=True)
    return at_level(np.resize(sound, round(seconds * RATE_HZ)).astype(np.float32), AVATAR_DB)


def bundled(name: str) -> F32:
    """Two seconds of a bundled voice, beginning with its first sound."""
    sound = np.concatenate(list(open_audio(voice_path(name)).blocks()))
    sound = StreamResampler(TICK_RATE, RATE_HZ).push(sound, last=True)
    begin = int(np.flatnonzero(np.abs(sound) > 0.05)[0])
    return np.asarray(sound[begin : begin + round(USER_FOR_S * RATE_HZ)], np.float32)


def echo_of(played: F32, level_db: float) -> F32:
    """Out of a loudspeaker, through a room, into a microphone."""
    rng = np.random.default_rng(3)
    driven = np.tanh(played * 4) / 4
    answer = rng.standard_normal(RATE_HZ // 4) * np.exp(-np.arange(RATE_HZ // 4) / (0.06 * RATE_HZ)) * 0.05
    answer[0] = 1.0
    heard = np.fft.irfft(np.fft.rfft(driven, 2 * len(played)) * np.fft.rfft(answer, 2 * len(played)))
    later, middle = np.zeros(len(played)), len(played) // 2
    for begin, end, delay_s in ((0, middle, DELAY_S), (middle, len(played), LATER_S)):
        delay = round(delay_s * RATE_HZ)
        later[begin + delay : end] = heard[begin : end - delay]
    return at_level(later.astype(np.float32), AVATAR_DB + level_db)


def begun_s(meter: SpeechMeter, heard: F32, played: F32) -> list[float]:
    """When the server believes that a user begins to speak."""
    meter.reset(0)
    user, found = UserVoice(), []
    for at in range(0, len(heard) - HOP_SAMPLES + 1, HOP_SAMPLES):
        hop = heard[at : at + HOP_SAMPLES]
        if user.hear(hop, played[at : at + HOP_SAMPLES], meter.step(0, hop)) is Turn.BEGINS:
            found.append((at + HOP_SAMPLES) / RATE_HZ)
    return found


def noticed(begun: Sequence[float], seconds: float) -> tuple[int, int, list[float]]:
    """Of the user's utterances: how many there were, how many were noticed, after how long (s)."""
    starts = np.arange(USER_EVERY_S, seconds - USER_FOR_S, USER_EVERY_S)
    waits = []
    for start in starts:
        own = [at - start for at in begun if 0 < at - start < USER_FOR_S + LATE_S]
        waits += own[:1]
    return len(starts), len(waits), waits


def measure(
    meter: SpeechMeter, avatars: Sequence[F32], users: Sequence[F32], echo_db: float | None
) -> dict[str, Any]:
    """One row: false ones, and what was noticed of users as loud as the avatar and of softer ones."""
    seconds = len(avatars[0]) / RATE_HZ
    rng = np.random.default_rng(1)
    row: dict[str, Any] = {"echo": "none (headphones)" if echo_db is None else f"{echo_db:.0f} dB"}
    false = 0
    cases: dict[float, tuple[int, int, list[float]]] = {level: (0, 0, []) for level in USERS_DB}
    for played in avatars:
        noise = rng.standard_normal(len(played)) * 10 ** (NOISE_DB / 20)
        alone = (noise + (echo_of(played, echo_db) if echo_db is not None else 0)).astype(np.float32)
        false += len(begun_s(meter, alone, played))
        for level_db in USERS_DB:
            heard = alone.copy()
            for i, start in enumerate(np.arange(USER_EVERY_S, seconds - USER_FOR_S, USER_EVERY_S)):
                voice = at_level(users[i % len(users)], AVATAR_DB + level_db)
                at = round(start * RATE_HZ)
                heard[at : at + len(voice)] += voice
            count, found, waits = noticed(begun_s(meter, heard, played), seconds)
            before = cases[level_db]
            cases[level_db] = (before[0] + count, before[1] + found, before[2] + waits)
    row["false"] = round(false * 60 / seconds / len(avatars), 1)
    for name, level_db in zip(("loud", "soft"), USERS_DB, strict=True):
        count, found, waits = cases[level_db]
        row[name] = f"{found}/{count}"
        row[f"{name}_ms"] = round(float(np.median(waits)) * 1000) if waits else None
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    meter = SpeechMeter.load()
    avatars = [asyncio.run(spoken(voice, options.seconds)) for voice in AVATARS]
    users = [bundled(name) for name in USERS]
    rows = [measure(meter, avatars, users, echo_db) for echo_db in ECHOES_DB]
    text = report.table(rows, COLUMNS)
    print(text)
    if options.docs:
        report.write("barge", text)
    print(json.dumps({"barge": rows, "settings": {"seconds": options.seconds, "avatars": AVATARS}}))


if __name__ == "__main__":
    main()
