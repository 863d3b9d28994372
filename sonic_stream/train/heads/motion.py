"""Real motion for synthetic heads: the shipped network hears speech; moods, blinks and glances are added.

A clip is a few consecutive pictures' coefficients.
"""

from __future__ import annotations

from importlib import resources
from itertools import islice

import numpy as np
import soundfile
import soxr

from sonic_stream.motion.animator import Animator
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.train.speech import espeak
from sonic_stream.types import CHANNEL_INDEX, F32, MOODS, Controls

CLIP = 4
"""Pictures in a clip."""
_LANGUAGES = ("en-us", "de", "es", "fr", "it", "ru", "cmn", "hi")
_REST_SHARE = 0.06


def speech_motion(seed: int, sentences: int) -> F32:
    """Coefficients float32 [T, C] of `sentences` sentences in some languages and of the bundled voices."""
    animator = Animator.load(capacity=1)
    rng = np.random.default_rng([seed, 21])
    sounds = []
    for file in sorted(
        (resources.files("sonic_stream") / "assets" / "voice").iterdir(), key=lambda f: f.name
    ):
        if file.name.endswith(".flac"):
            with resources.as_file(file) as path:
                samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
                sounds.append(soxr.resample(samples.mean(1), rate_hz, MODEL_RATE_HZ))
    for language in _LANGUAGES if sentences else ():
        sounds += [said.samples for said in islice(espeak(language, seed), sentences)]
    rows = []
    for sound in sounds:
        mood = str(rng.choice(MOODS)) if rng.random() < 0.6 else "neutral"
        controls = Controls(
            dynamic_scale=float(rng.uniform(0.85, 1.4)), mood=mood, mood_amount=float(rng.uniform(0.4, 1))
        )
        animator.reset(0, int(rng.integers(1 << 20)))
        for k in range(len(sound) // HOP_SAMPLES):
            hop = sound[None, k * HOP_SAMPLES : (k + 1) * HOP_SAMPLES]
            rows.append(animator.step([0], [k * FRAME_TICKS], hop, [controls])[0].coeffs)
    return np.asarray(np.stack(rows), np.float32)


def clip_of(motion: F32, rng: np.random.Generator) -> tuple[F32, bool]:
    """`CLIP` consecutive pictures float32 [CLIP, C] of `motion`, varied, and whether the face is at rest."""
    set_to = {name: CHANNEL_INDEX[name] for name in CHANNEL_INDEX}
    if rng.random() < _REST_SHARE:
        out = np.zeros((CLIP, motion.shape[1]), np.float32)
        out[:, set_to["yaw"]] = rng.normal(0, 0.04) + np.arange(CLIP) * rng.normal(0, 0.004)
        return out, True
    start = int(rng.integers(0, len(motion) - CLIP))
    other = int(rng.integers(0, len(motion) - CLIP))
    if motion[start, set_to["aperture"]] < motion[other, set_to["aperture"]] and rng.random() < 0.6:
        start = other  # open mouths are rarer and harder
    out = motion[start : start + CLIP].copy()
    turn = rng.normal(0, 1, 3) * (0.13, 0.07, 0.05)
    for name, much in zip(("yaw", "pitch", "roll"), turn, strict=True):
        out[:, set_to[name]] += much
    if rng.random() < 0.25:
        out[:, set_to["smile"]] += rng.uniform(-0.3, 0.9)
    if rng.random() < 0.15:
        out[:, set_to["upper_up"]] += rng.uniform(0, 0.7)
        out[:, set_to["lower_down"]] += rng.uniform(0, 0.7)
    if rng.random() < 0.1:
        out[:, set_to["aperture"]] = out[:, set_to["aperture"]] * 1.3 + rng.uniform(0, 0.08)
    eyes = rng.random()
    if eyes < 0.55:  # some part of a blink, or lids at rest half way
        place = rng.uniform(-0.4, 1.1) + np.arange(CLIP) * rng.choice([0.0, 0.18, 0.35])
        shut = np.clip(1.25 - np.abs(place - 0.5) * 2.5, 0, 1)
        for name in ("blink_left", "blink_right"):
            out[:, set_to[name]] = np.clip(shut * rng.uniform(0.9, 1.02), 0, 1)
    if eyes > 0.35:
        out[:, set_to["gaze_x"]] += rng.normal(0, 0.16)
        out[:, set_to["gaze_y"]] += rng.normal(0, 0.11)
        out[:, set_to["squint"]] += max(0.0, rng.normal(-0.2, 0.4))
        out[:, set_to["wide"]] += max(0.0, rng.normal(-0.4, 0.4))
    return out, False
