"""Sounds that are hard on the motion model: voices that arrive spoilt, and noises no mouth makes."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from bench.motion_lips import APERTURE, animate
from sonic_stream.motion import Animator
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.negatives import breath, coloured_noise, hum, music, unsteady_noise
from sonic_stream.types import F32


def opus(sound: F32, bit_rate: int = 12_000) -> F32:
    """Through Opus and back."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = bit_rate
        loud = (np.clip(soxr.resample(sound, MODEL_RATE_HZ, 48_000), -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(loud[None], "s16", "mono")
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as back:
        resampler = av.AudioResampler("flt", "mono", 48_000)
        parts = [f.to_ndarray()[0] for p in back.decode(audio=0) for f in resampler.resample(p)]
    heard = soxr.resample(np.concatenate(parts).astype(np.float32), 48_000, MODEL_RATE_HZ)
    return np.pad(heard, (0, max(0, len(sound) - len(heard))))[: len(sound)].astype(np.float32)


def spoilers(rng: np.random.Generator, other: F32) -> dict[str, Callable[[F32], F32]]:
    """Ways in which a voice arrives that is not clean."""

    def noise(db: float) -> Callable[[F32], F32]:
        def add(x: F32) -> F32:
            n = coloured_noise(len(x), rng, 1.0)
            return (x + n * np.float32(x.std() / n.std() * 10 ** (-db / 20))).astype(np.float32)

        return add

    band = butter(4, (250, 3400), "band", fs=MODEL_RATE_HZ, output="sos")
    return {
        "clean": lambda x: x,
        "noise 20 dB": noise(20),
        "noise 10 dB": noise(10),
        "noise 0 dB": noise(0),
        "telephone": lambda x: sosfilt(band, x).astype(np.float32),
        "-30 dB": lambda x: x * np.float32(10**-1.5),
        "clipped": lambda x: np.clip(x * np.float32(8), -0.5, 0.5),
        "opus 12 kb/s": opus,
        "second voice -6 dB": lambda x: x + np.resize(other, len(x)) * np.float32(x.std() / other.std() / 2),
    }


def stillness(animator: Animator) -> dict[str, float]:
    """Standard deviation of the aperture on sounds nobody makes with a mouth."""
    rng = np.random.default_rng(11)
    n = 20 * MODEL_RATE_HZ
    noises = [
        make(n, rng) * np.float32(g)
        for g in (0.02, 0.2, 0.7)
        for make in (coloured_noise, unsteady_noise, hum)
    ]
    sounds = {
        "noise": noises,
        "music": [music(n, rng) * np.float32(g) for g in (0.05, 0.2, 0.4, 0.7) for _ in range(3)],
        "breath": [breath(n, rng) * np.float32(0.1)],
        "silence": [np.zeros(n, np.float32)],
    }
    return {
        name: float(np.sqrt(np.mean([animate(animator, x)[0][:, APERTURE].var() for x in group])))
        for name, group in sounds.items()
    }
