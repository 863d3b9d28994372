"""Voices taken apart and put together again: pitch, spectrum and breath (WORLD; package `pyworld`).

Morise, Yokomori, Ozawa 2016, "WORLD: a vocoder-based high-quality speech synthesis system".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from sonic_stream.errors import MissingPieceError
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.types import F32

FRAME_S = 0.005
"""Step of the analysis."""
F64 = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _world() -> Any:
    try:
        import pyworld
    except ImportError:
        raise MissingPieceError(
            "Taking voices apart needs pyworld; install it with: pip install pyworld"
        ) from None
    return pyworld


@dataclass(frozen=True, slots=True)
class Parts:
    """A voice, frame by frame of FRAME_S."""

    pitch_hz: F64
    """[T], 0 where there is none."""
    spectrum: F64
    """Power [T, bins]."""
    breath: F64
    """Share of noise [T, bins]."""

    @property
    def voiced(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.asarray(self.pitch_hz > 0).reshape(-1)


def take_apart(samples: F32) -> Parts:
    """Parts of a sound at 16 kHz, float32 [N].

    Errors: `MissingPieceError` without pyworld.
    """
    world, sound = _world(), samples.astype(np.float64)
    pitch, times = world.dio(sound, MODEL_RATE_HZ, frame_period=FRAME_S * 1000)
    pitch = world.stonemask(sound, pitch, times, MODEL_RATE_HZ)
    return Parts(
        pitch,
        world.cheaptrick(sound, pitch, times, MODEL_RATE_HZ),
        world.d4c(sound, pitch, times, MODEL_RATE_HZ),
    )


def put_together(parts: Parts) -> F32 | None:
    """The sound of parts, its peak at 0.7, whole frames long; None where nothing can be heard."""
    arrays = (np.ascontiguousarray(a) for a in (parts.pitch_hz, parts.spectrum, parts.breath))
    sound = _world().synthesize(*arrays, MODEL_RATE_HZ, FRAME_S * 1000)
    sound = sound[: len(parts.pitch_hz) * int(FRAME_S * MODEL_RATE_HZ)]
    loudest = float(np.abs(sound).max(initial=0.0))
    if not np.isfinite(loudest) or loudest < 0.01:
        return None
    return np.asarray(sound * (0.7 / loudest), np.float32)


def averaged(parts: Parts, terms: int, over_s: float, buzz: float) -> Parts:
    """The voice as an engine of averaged spectra (HMMs, small networks) would have made it.

    The spectrum keeps `terms` cepstral coefficients, smoothed in time with a standard deviation of `over_s`,
    so closures fill up and transitions blur; of the noise in voiced frames the share `buzz` is taken away.
    """
    world = _world()
    bins = 2 * (parts.spectrum.shape[1] - 1)
    coded = world.code_spectral_envelope(np.ascontiguousarray(parts.spectrum), MODEL_RATE_HZ, terms)
    moved = gaussian_filter1d(coded, over_s / FRAME_S, axis=0, mode="nearest")
    # Averaging alone takes liveliness away; engines give it back to each coefficient (global variance).
    spread = coded[:, 1:].std(0) / np.maximum(moved[:, 1:].std(0), 1e-6)
    middle = moved[:, 1:].mean(0)
    moved[:, 1:] = middle + (moved[:, 1:] - middle) * np.clip(spread, 1, 1.25)
    spectrum = world.decode_spectral_envelope(np.ascontiguousarray(moved), MODEL_RATE_HZ, bins)
    breath = np.where(parts.voiced[:, None], parts.breath * (1 - buzz), parts.breath)
    return Parts(parts.pitch_hz, spectrum, breath)
