"""Statistics of head, gaze and lids while a face talks, beside those of people."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfilt, welch

from bench.motion_lips import animate
from sonic_stream.motion import Animator
from sonic_stream.motion.moods import EYES_HOLD
from sonic_stream.timebase import FPS, MODEL_RATE_HZ
from sonic_stream.types import CHANNEL_INDEX, F32

REAL_BEHAVIOUR = {
    "yaw_std": 3.4,
    "pitch_std": 2.7,
    "roll_std": 2.9,
    "yaw_std_fast": 2.3,
    "pitch_std_fast": 2.4,
    "roll_std_fast": 1.5,
    "speed_median": 12,
    "speed_p95": 38,
    "blinks_per_minute": 26,
    "blink_ms": 120,
    "away_share": 0.23,
}
"""Talking people, measured (degrees, degrees a second, ms)."""


def looks_away(face: F32) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Pictures in which the eyes, head's turn made good, are off the viewer by more than 3.4 degrees."""
    sideways = face[:, CHANNEL_INDEX["gaze_x"]] + EYES_HOLD * face[:, CHANNEL_INDEX["yaw"]]
    return np.asarray(np.abs(sideways) > 0.06)


def behaviour(animator: Animator, voice: F32) -> dict[str, float]:
    """Statistics of head and lids while talking, over ten minutes of four seeds."""
    sound = np.resize(voice, 150 * MODEL_RATE_HZ)
    faces = [animate(animator, sound, seed)[0] for seed in range(4)]
    degrees = {a: np.degrees([f[:, CHANNEL_INDEX[a]] for f in faces]) for a in ("yaw", "pitch", "roll")}
    speed = np.sqrt(sum(np.diff(x, axis=1) ** 2 for x in degrees.values())) * FPS
    blinks, lengths = 0, []
    for f in faces:
        shut = np.concatenate([[0], f[:, CHANNEL_INDEX["blink_left"]] > 0.4, [0]]).astype(int)
        starts, ends = np.flatnonzero(np.diff(shut) == 1), np.flatnonzero(np.diff(shut) == -1)
        blinks += len(starts)
        lengths += list((ends - starts) * 1000 / FPS)
    told = {f"{a}_std": float(np.mean(x.std(1))) for a, x in degrees.items()}
    for a, x in degrees.items():
        hz, power = welch(x, FPS, nperseg=512, axis=1)
        halves = [hz[np.searchsorted(np.cumsum(p), p.sum() / 2)] for p in power[:, 1:]]
        told[f"{a}_median_hz"] = float(np.mean(halves))
        high = butter(2, 0.15, "high", fs=FPS, output="sos")
        told[f"{a}_std_fast"] = float(np.mean(sosfilt(high, x, axis=1)[:, 100:].std(1)))
    return told | {
        "speed_median": float(np.median(speed)),
        "speed_p95": float(np.quantile(speed, 0.95)),
        "blinks_per_minute": blinks / (len(faces) * len(sound) / MODEL_RATE_HZ / 60),
        "blink_ms": float(np.median(lengths)),
        "away_share": float(np.mean([looks_away(f) for f in faces])),
    }
