"""Cuts in sound that nobody hears: fades, bridges over an edge, and time-scaling by one short cut.

Pure numpy on float32 [N] mono sound; no state.
"""

from __future__ import annotations

import numpy as np

from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, TICK_RATE
from sonic_stream.types import F32

FADE_SAMPLES = TICK_RATE // 200
"""5 ms at 48 kHz: long enough not to click, too short to be heard as a fade."""

HEARD_PER_MODEL = FRAME_TICKS // HOP_SAMPLES
"""Samples that are heard for each one the model hears."""

_CROSSFADE = 80  # 5 ms at 16 kHz
SHORTEST_CUT, LONGEST_CUT = TICK_RATE // 200, 3 * TICK_RATE // 200
"""5 and 15 ms at 48 kHz: one pitch period of nearly every voice."""


def fade_in(samples: F32, length: int = FADE_SAMPLES) -> F32:
    """`samples` with its first `length` brought up from silence (a copy)."""
    out = np.array(samples, np.float32)
    n = min(length, len(out))
    out[:n] *= np.linspace(0.0, 1.0, n, endpoint=False, dtype=np.float32)
    return out


def bridge_to_silence(last: F32, length: int, fade: int = FADE_SAMPLES) -> F32:
    """`length` samples that lead from `last` (the sound just played) down to silence.

    The end of `last` is played backwards under a fade, so that the wave neither jumps nor stops dead.
    """
    out = np.zeros(length, np.float32)
    n = min(fade, length, len(last))
    if n:
        out[:n] = last[-n:][::-1] * np.linspace(1.0, 0.0, n, dtype=np.float32)
    return out


def best_cut(model: F32, shortest: int, longest: int) -> tuple[int, int]:
    """Where a short piece can be taken out of `model` (16 kHz) with the least damage: (start, length).

    `shortest` and `longest` are samples at 16 kHz. The `length` samples from `start` on go; the 5 ms from
    `start` and the 5 ms from `start + length` look alike, so that a cross-fade joins them (the idea of WSOLA,
    Verhelst and Roelands 1993).
    """
    start = max(0, len(model) - longest - _CROSSFADE) // 2
    here = model[start : start + _CROSSFADE]
    best, best_length = -2.0, shortest
    energy = float(here @ here) + 1e-9
    for length in range(shortest, min(longest, len(model) - start - _CROSSFADE) + 1, 2):
        there = model[start + length : start + length + _CROSSFADE]
        likeness = float(here @ there) / float(np.sqrt(energy * (float(there @ there) + 1e-9)))
        if likeness > best:
            best, best_length = likeness, length
    return start, best_length


def cut(samples: F32, start: int, length: int, crossfade: int) -> F32:
    """`samples` without `length` of them from `start` on, joined by a cross-fade."""
    n = min(crossfade, len(samples) - start - length)
    rise = np.linspace(0.0, 1.0, n, dtype=np.float32)
    joint = samples[start : start + n] * (1 - rise) + samples[start + length : start + length + n] * rise
    return np.concatenate([samples[:start], joint, samples[start + length + n :]]).astype(np.float32)


def shorten(
    heard: F32, model: F32, longest: int = LONGEST_CUT, shortest: int = SHORTEST_CUT
) -> tuple[F32, F32]:
    """Both forms of one piece of sound, `shortest` to `longest` samples at 48 kHz shorter; `heard` is 48 kHz,
    `model` 16 kHz."""
    by = HEARD_PER_MODEL
    start, length = best_cut(model, shortest // by, longest // by)
    return cut(heard, start * by, length * by, _CROSSFADE * by), cut(model, start, length, _CROSSFADE)
