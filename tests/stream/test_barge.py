"""Who is heard over the avatar and who is not: synthetic voices, noise, music, keys and echo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sonic_stream.engine.base import HopInput
from sonic_stream.engine.local import LocalEngine, _Face
from sonic_stream.media.audio import open_audio
from sonic_stream.media.resample import StreamResampler
from sonic_stream.motion import Animator
from sonic_stream.motion.hearing import SpeechMeter
from sonic_stream.offline.bundled import voice_path
from sonic_stream.stream.barge import Turn, UserVoice
from sonic_stream.stream.echo import EchoGuard
from sonic_stream.timebase import HOP_SAMPLES
from sonic_stream.types import CHANNEL_INDEX, Controls

RATE = 16_000


@pytest.fixture(scope="module")
def meter() -> SpeechMeter:
    torch.set_num_threads(1)  # a hop is small: handing it to a second thread costs more than it brings
    return SpeechMeter.load()


def bundled(name: str) -> np.ndarray:
    """A bundled voice, mono 16 kHz."""
    sound = np.concatenate(list(open_audio(voice_path(name)).blocks()))
    return StreamResampler(48_000, RATE).push(sound, last=True)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return bundled("hello")


@pytest.fixture(scope="module")
def other_voice() -> np.ndarray:
    return bundled("hello-low")


def room(seconds: float, seed: int = 0) -> np.ndarray:
    """Nobody in it: a little noise."""
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * 1e-3).astype(np.float32)


def turns(
    meter: SpeechMeter, heard: np.ndarray, played: np.ndarray | None = None, user: UserVoice | None = None
) -> list[tuple[float, Turn]]:
    """(seconds, what changed) when a microphone hears `heard` while `played` is played."""
    meter.reset(0)
    user = user or UserVoice()
    played = np.zeros_like(heard) if played is None else played
    found = []
    for at in range(0, len(heard) - HOP_SAMPLES + 1, HOP_SAMPLES):
        hop = heard[at : at + HOP_SAMPLES].astype(np.float32)
        turn = user.hear(hop, played[at : at + HOP_SAMPLES].astype(np.float32), meter.step(0, hop))
        if turn is not None:
            found.append(((at + HOP_SAMPLES) / RATE, turn))
    return found


def echoed(sound: np.ndarray, loudness: float, delay_s: float) -> np.ndarray:
    """Out of a loudspeaker, through a room, into a microphone."""
    rng = np.random.default_rng(3)
    answer = rng.standard_normal(3200) * np.exp(-np.arange(3200) / 1200) * 0.02
    answer[0] = 1
    late = np.concatenate([np.zeros(round(delay_s * RATE)), np.convolve(sound, answer)])[: len(sound)]
    return (late * loudness).astype(np.float32)


@pytest.mark.parametrize("loudness", [1.0, 0.2])
def test_a_voice_in_a_quiet_room_is_heard_within_a_quarter_second_and_ends(meter, voice, loudness):
    heard = room(8)
    heard[RATE * 2 : RATE * 2 + RATE * 3] += voice[: RATE * 3] * loudness
    begins = 2 + np.flatnonzero(np.abs(voice) > 0.05)[0] / RATE
    found = turns(meter, heard)
    assert [turn for _, turn in found] == [Turn.BEGINS, Turn.ENDS]
    assert 0 < found[0][0] - begins < 0.25
    assert 5.4 < found[1][0] < 6.2


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n) * np.interp(np.arange(n), np.arange(0, n, 4000), rng.random(-(-n // 4000)))


def chords(rng: np.random.Generator, n: int) -> np.ndarray:
    """Strummed chords, four a second, without a singer."""
    out, t = np.zeros(n), np.arange(4000) / RATE
    for begin in range(0, n - 4000, 4000):
        root = 110 * 2 ** (rng.integers(12) / 12)
        for step in (1, 1.26, 1.5, 2):
            for k in range(1, 6):
                out[begin : begin + 4000] += np.sin(2 * np.pi * root * step * k * t) * np.exp(-3 * t) / k
    return out


def keys(rng: np.random.Generator, n: int) -> np.ndarray:
    out = np.zeros(n)
    for begin in rng.integers(0, n - 800, n // 3000):
        out[begin : begin + 800] += rng.standard_normal(800) * np.exp(-np.arange(800) / 120)
    return out


@pytest.mark.parametrize("kind", [noise, chords, keys])
def test_what_is_no_voice_interrupts_nobody(meter, kind):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        sound = kind(rng, RATE * 10)
        heard = room(10) + (0.3 * sound / np.abs(sound).max()).astype(np.float32)
        assert turns(meter, heard) == []


def test_a_cough_is_too_short(meter, voice):
    loud = int(np.argmax(np.abs(voice)))
    heard = room(4)
    heard[RATE * 2 : RATE * 2 + 1600] += voice[loud : loud + 1600]
    assert turns(meter, heard) == []


@pytest.mark.parametrize(("loudness", "delay_s"), [(0.03, 0.1), (0.3, 0.25), (0.8, 0.4)])
def test_the_avatars_own_echo_interrupts_nothing(meter, voice, loudness, delay_s):
    played = np.concatenate([np.zeros(RATE), voice, np.zeros(RATE // 2), voice]).astype(np.float32)
    heard = room(len(played) / RATE) + echoed(played, loudness, delay_s)
    user = UserVoice()
    assert turns(meter, heard, played, user) == []
    assert user.echo.delay_frames * 0.02 == pytest.approx(delay_s, abs=0.041)


def test_a_user_is_heard_over_the_echo(meter, voice, other_voice):
    played = np.concatenate([np.zeros(RATE), voice, voice]).astype(np.float32)
    heard = room(len(played) / RATE) + echoed(played, 0.03, 0.15)
    heard[RATE * 6 : RATE * 8] += other_voice[: RATE * 2]
    found = turns(meter, heard, played)
    assert found and found[0][1] is Turn.BEGINS
    assert 6.0 < found[0][0] < 6.5


def test_the_same_voice_is_an_interruption_where_it_is_no_echo(meter, voice):
    """Without the guard's knowledge of what is played, an echo would count as somebody."""
    heard = room(len(voice) / RATE) + echoed(voice, 0.3, 0.2)
    assert turns(meter, heard) != []


@pytest.mark.parametrize("interrupted", [False, True])
def test_an_interrupted_mouth_is_shut_with_the_third_picture(voice, interrupted):
    engine = LocalEngine(Animator.load(1), 1)
    engine._faces[0] = _Face(None, 0)  # type: ignore[arg-type]  # nothing is painted here
    silence, apertures = np.zeros(HOP_SAMPLES, np.float32), []
    spoken, cut = voice[: 75 * HOP_SAMPLES].reshape(75, HOP_SAMPLES), 52
    for i in range(cut + 8):
        epoch = int(interrupted and i >= cut)
        hop = HopInput(0, i * 1920, spoken[i] if i < cut else silence, Controls(), epoch, paint=False)
        apertures.append(float(engine.step([hop])[0].motion.coeffs[CHANNEL_INDEX["aperture"]]))
    assert apertures[cut - 1] > 0.03
    assert (max(apertures[cut + 2 :]) < 1e-3) == interrupted


def test_silence_teaches_the_guard_nothing():
    guard, silence = EchoGuard(), np.zeros(HOP_SAMPLES, np.float32)
    before = guard.coupling_db
    for _ in range(100):
        guard.hear(np.random.default_rng(1).standard_normal(HOP_SAMPLES).astype(np.float32) * 0.01, silence)
    assert guard.coupling_db == before and not guard.is_playing
