"""Log-mel frames as other throats, rooms, microphones and wires would have made them.

Works on batches of natural-log mel power, float32 [B, F, MELS], because that costs a hundredth of doing
it to the sound.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from sonic_stream.motion.features import LOG_FLOOR, MELS
from sonic_stream.types import F32

DB = np.log(10) / 10
"""One decibel of power, in natural-log units."""

BANDS = np.arange(MELS)
TRACT = (0.74, 1.16)
"""Longer than the speaker's own vocal tract by a factor in between; 0.74 makes a small child's."""
OTHER_THROAT = 0.6
"""Share of crops said by another throat."""
FLATTER, CONTRAST = 0.35, (0.75, 1.15)
"""Share of crops whose loud and soft parts are moved together or apart, and by which factor."""
CLEAN_SHARE = 0.3
"""Crops that only another throat and another microphone have changed: most live voices are like that."""


def _curve(rng: np.random.Generator, spread: float, terms: int) -> F32:
    """A smooth random curve over the bands."""
    k = np.arange(1, terms + 1)
    weights = rng.normal(0, spread, terms) / np.sqrt(k)
    return np.asarray(weights @ np.cos(np.pi * k[:, None] * (BANDS + 0.5) / MELS), np.float32)


def _level(mel: F32) -> float:
    return float(np.log(np.exp(mel).mean() + 1e-8))


def vocal_tract(mel: F32, rng: np.random.Generator) -> F32:
    """Formants shifted, more often up than down: the voices at hand are mostly those of grown men."""
    position = np.clip(BANDS * rng.uniform(*TRACT), 0, MELS - 1)
    low = position.astype(int)
    share = (position - low).astype(np.float32)
    shifted: F32 = mel[:, low] * (1 - share) + mel[:, np.minimum(low + 1, MELS - 1)] * share
    return shifted


def flatter(mel: F32, rng: np.random.Generator) -> F32:
    """Levels nearer to the loudest one, or further away: compressors, soft and sharp engines."""
    top = mel.max()
    return np.asarray(top + np.float32(rng.uniform(*CONTRAST)) * (mel - top), np.float32)


def noisy(mel: F32, rng: np.random.Generator) -> F32:
    """Noise of a random colour, 0 to 40 dB below, steady or swelling."""
    shape = _curve(rng, 1.5, 3) - (np.linspace(0, 5, MELS) if rng.random() < 0.5 else 0)
    grain = np.log(rng.exponential(0.5, mel.shape).astype(np.float32) + 0.5)
    if rng.random() < 0.3:
        steps = rng.normal(0, 1.5, 12)
        grain += np.interp(np.linspace(0, 11, len(mel)), np.arange(12), steps)[:, None].astype(np.float32)
    down = rng.triangular(0, 30, 40) * DB
    noise = grain + (shape - _level(shape) + _level(mel) - down)
    return np.asarray(np.logaddexp(mel, noise), np.float32)


def beside(mel: F32, other: F32, rng: np.random.Generator, quieter_db: tuple[float, float]) -> F32:
    """Another sound in the background."""
    down = _level(other) - _level(mel) + rng.uniform(*quieter_db) * DB
    return np.asarray(np.logaddexp(mel, other - down), np.float32)


def room(mel: F32, rng: np.random.Generator) -> F32:
    """A decaying tail behind every sound."""
    decay = np.exp(-6.9 * 0.01 / rng.uniform(0.15, 0.7))
    power = np.exp(mel)
    tail = lfilter([0, rng.uniform(0.02, 0.15)], [1, -decay], power, axis=0)
    return np.asarray(np.log(power + tail), np.float32)


def degrade(mel_BFM: F32, still_BFM: F32, rng: np.random.Generator) -> F32:
    """A random mix of all of it for each item; `still_BFM` are sounds without speech to put behind."""
    out = np.empty_like(mel_BFM)
    for b, clean in enumerate(mel_BFM):
        mel = clean
        if rng.random() < OTHER_THROAT:
            mel = vocal_tract(mel, rng)
        if rng.random() < FLATTER:
            mel = flatter(mel, rng)
        mel = mel + _curve(rng, 1.6, 4) + np.float32(rng.normal(-1.0, 2.3))
        if rng.random() < CLEAN_SHARE:
            out[b] = np.maximum(mel, LOG_FLOOR)
            continue
        if rng.random() < 0.2:
            mel = room(mel, rng)
        if rng.random() < 0.5:
            mel = noisy(mel, rng)
        if rng.random() < 0.12:
            mel = beside(mel, mel_BFM[rng.integers(len(mel_BFM))], rng, (8, 22))
        if rng.random() < 0.15:
            mel = beside(mel, still_BFM[rng.integers(len(still_BFM))], rng, (3, 25))
        if rng.random() < 0.25:  # a codec's or a wire's upper end
            top = int(rng.integers(46, 78))
            mel[:, top:] = LOG_FLOOR + rng.normal(0, 0.3, (len(mel), MELS - top))
        if rng.random() < 0.15:
            low = int(rng.integers(1, 10))
            mel[:, :low] -= np.float32(rng.uniform(2, 8))
        if rng.random() < 0.3:  # a packet lost
            start, length = rng.integers(0, len(mel) - 9), rng.integers(2, 8)
            mel[start : start + length] = rng.choice([LOG_FLOOR, -9.0])
        if rng.random() < 0.2:
            mel = mel + np.float32(rng.normal(0, 0.3)) * rng.standard_normal(mel.shape).astype(np.float32)
        out[b] = np.maximum(mel, LOG_FLOOR)
    return out
