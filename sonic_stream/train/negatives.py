"""Sounds to which a mouth must stay still: noise, hum, clicks, breath, instruments, a crowd."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.types import F32

RATE = MODEL_RATE_HZ
Rng = np.random.Generator


def coloured_noise(n: int, rng: Rng, slope: float | None = None) -> F32:
    """Noise whose power falls with frequency to the power `slope` (random 0..2 by default), peak 1."""
    slope = rng.uniform(0, 2) if slope is None else slope
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 30)
    sound = np.fft.irfft(spectrum * hz ** (-slope / 2), n)
    return np.asarray(sound / np.abs(sound).max(), np.float32)


def _slow_gain(n: int, rng: Rng, step_s: float) -> F32:
    points = max(2, int(n / RATE / step_s) + 2)
    return np.interp(np.linspace(0, points - 1, n), np.arange(points), rng.uniform(0, 1, points)).astype(
        np.float32
    )


def unsteady_noise(n: int, rng: Rng) -> F32:
    """Wind, traffic, rustling: noise that swells."""
    swell = _slow_gain(n, rng, rng.uniform(0.1, 1.5)) ** np.float32(rng.uniform(0.5, 3))
    return np.asarray(coloured_noise(n, rng) * swell, np.float32)


def hum(n: int, rng: Rng) -> F32:
    """Mains or a fan: steady harmonics and some hiss."""
    t = np.arange(n) / RATE
    base_hz = rng.uniform(45, 400)
    tones = sum(
        rng.exponential(1) / k * np.sin(2 * np.pi * (base_hz * k * t + rng.random())) for k in range(1, 12)
    )
    return np.asarray(tones / np.abs(tones).max() + 0.1 * coloured_noise(n, rng), np.float32)


def clicks(n: int, rng: Rng) -> F32:
    """Keys, knocks, cutlery: short decaying bursts."""
    sound = 0.01 * coloured_noise(n, rng)
    for start in rng.integers(0, n - 100, max(1, int(n / RATE * rng.uniform(1, 9)))):
        length = int(RATE * rng.uniform(0.004, 0.12))
        burst = rng.standard_normal(length) * np.exp(-np.linspace(0, 6, length))
        burst = lfilter([1], [1, -rng.uniform(-0.9, 0.95)], burst)
        end = min(n, start + length)
        sound[start:end] += (burst[: end - start] / np.abs(burst).max() * rng.uniform(0.2, 1)).astype(
            np.float32
        )
    return sound


def breath(n: int, rng: Rng) -> F32:
    """In and out, as close to a microphone."""
    t = np.arange(n) / RATE
    swell = np.clip(np.sin(2 * np.pi * t * rng.uniform(0.25, 0.9) + rng.uniform(0, 6)), 0, 1)
    pole = rng.uniform(0.1, 0.8)
    hiss = lfilter([1, -0.9], [1, -pole], rng.standard_normal(n))
    return np.asarray(hiss / np.abs(hiss).max() * swell ** rng.uniform(1, 3), np.float32)


def music(n: int, rng: Rng) -> F32:
    """Instruments without a singer: chords, a bass, a tune, drums, in a random mix."""
    sound = np.zeros(n)
    beat_s = 60 / rng.uniform(60, 170)
    root = rng.integers(36, 60)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])

    def note(
        start_s: float, length_s: float, pitch: float, loudness: float, timbre: F32, decay: float
    ) -> None:
        begin = int(start_s * RATE)
        t = np.arange(min(n - begin, int(length_s * RATE))) / RATE
        if len(t) < 64:
            return
        hz = 440 * 2 ** ((pitch - 69) / 12)
        vibrato = rng.choice([0.0, 0.004]) * np.sin(2 * np.pi * 5.5 * t)
        tone = sum(
            a * np.sin(2 * np.pi * hz * k * (t + vibrato * 0.02))
            for k, a in enumerate(timbre, 1)
            if hz * k < 7500
        )
        edge = np.minimum(1, np.minimum(t, t[-1] - t) / rng.choice([0.004, 0.03]))
        sound[begin : begin + len(t)] += loudness * tone * edge * np.exp(-decay * t)

    def timbre() -> F32:
        return (rng.exponential(1, 14) / np.arange(1, 15) ** rng.uniform(0.3, 2)).astype(np.float32)

    parts = rng.random(4) < (0.7, 0.6, 0.7, 0.5)
    parts[rng.integers(3)] = True
    voices = [(timbre(), rng.uniform(0, 6)) for _ in range(3)]
    beats = int(n / RATE / beat_s) + 1
    for beat in range(beats):
        start_s = beat * beat_s
        degree = int(rng.integers(7))
        if parts[0] and beat % 2 == 0:
            for k in (0, 2, 4):
                pitch = root + 12 + scale[(degree + k) % 7]
                note(start_s, 2 * beat_s, pitch, 0.3, *voices[0])
        if parts[1]:
            note(start_s, beat_s * 0.9, root - 12 + scale[degree], 0.5, *voices[1])
        if parts[2]:
            for k in range(int(rng.choice([1, 2, 2, 4]))):
                pitch = root + 24 + scale[int(rng.integers(7))]
                note(start_s + k * beat_s / 2, beat_s / 2, pitch, rng.uniform(0.2, 0.6), *voices[2])
        if parts[3]:
            for k in range(2):
                begin = int((start_s + k * beat_s / 2) * RATE)
                length = min(n - begin, int(RATE * 0.15))
                if length > 64:
                    drum = rng.standard_normal(length) * np.exp(-np.linspace(0, rng.uniform(4, 12), length))
                    if k == 0:
                        drum = lfilter([0.15], [1, -0.85], drum)
                    sound[begin : begin + length] += drum * rng.uniform(0.3, 1)
    return np.asarray(sound / max(np.abs(sound).max(), 1e-3), np.float32)


def crowd(voices: list[F32], n: int, rng: Rng) -> F32:
    """Many people at once, none of them the one who is looked at."""
    sound = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(6, 14))):
        voice = np.concatenate([voices[int(rng.integers(len(voices)))] for _ in range(4)])
        sound += np.resize(np.roll(voice, int(rng.integers(len(voice)))), n) * np.float32(rng.uniform(0.5, 1))
    return np.asarray(sound / np.abs(sound).max(), np.float32)


KINDS = (coloured_noise, unsteady_noise, hum, clicks, breath, music, music, music)


def still_sound(n: int, rng: Rng) -> tuple[F32, str]:
    """One of them at a random level, with its name."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    return kind(n, rng) * np.float32(10 ** rng.uniform(-2.0, -0.1)), kind.__name__
