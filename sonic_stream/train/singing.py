"""Songs made of spoken sentences: vowels held on the notes of a melody, with vibrato.

A vocoder takes pitch, spectrum and breath of a
spoken sentence apart; vowels are stretched to a note's length, the pitch is replaced by a melody, and the
whole is put together again. Phone times are stretched with it, so they stay exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.phones import CLASSES, VOWELS, Segment
from sonic_stream.train.speech import Utterance
from sonic_stream.train.vocoder import FRAME_S, Parts, put_together, take_apart
from sonic_stream.types import F32

SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12])
"""Semitones of a major scale."""
NOTE_S = (0.18, 0.9)
"""A held vowel's length; the logarithm is drawn evenly."""
LONGEST_SONG_S = 14.0
VIBRATO_HZ = (4.8, 6.4)
VOWEL_CLASSES = [i for i, name in enumerate(CLASSES) if name in VOWELS]


def _lengths(segments: list[Segment], rng: np.random.Generator) -> list[float]:
    """New length of every segment in seconds: vowels held, the rest as spoken."""
    low, high = np.log(NOTE_S)
    hold = np.exp(rng.uniform(low, high))  # a song has its own pace
    lengths = []
    for s in segments:
        length_s = s.end_s - s.start_s
        if s.phone in VOWEL_CLASSES:
            lengths.append(max(length_s, float(hold * np.exp(rng.normal(0, 0.35)))))
        else:
            lengths.append(length_s)
    return lengths


def _melody(segments: list[Segment], lengths: list[float], base_hz: float, rng: np.random.Generator) -> F32:
    """Pitch in Hz every FRAME_S over the stretched sentence: a note a vowel, glides of some 60 ms."""
    frames = int(np.ceil(sum(lengths) / FRAME_S)) + 1
    semitones = np.zeros(frames)
    step, at_s = int(rng.integers(len(SCALE))), 0.0
    for s, length_s in zip(segments, lengths, strict=True):
        if s.phone in VOWEL_CLASSES:
            step = int(np.clip(step + rng.integers(-2, 3), 0, len(SCALE) - 1))
        first, last = int(at_s / FRAME_S), int((at_s + length_s) / FRAME_S) + 1
        semitones[first:last] = SCALE[step]
        at_s += length_s
    kernel = np.hanning(int(0.06 / FRAME_S) + 2)
    semitones = np.convolve(np.pad(semitones, len(kernel) // 2, "edge"), kernel / kernel.sum(), "same")
    semitones = semitones[len(kernel) // 2 :][:frames]
    t = np.arange(frames) * FRAME_S
    vibrato = rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(*VIBRATO_HZ) * t)
    return np.asarray(base_hz * 2 ** ((semitones + vibrato) / 12), np.float32)


def sing(said: Utterance, rng: np.random.Generator) -> Utterance | None:
    """The sentence sung; None where too little of it is voiced.

    Errors: `MissingPieceError` without pyworld.
    """
    parts = take_apart(said.samples)
    pitch, voiced = parts.pitch_hz, parts.voiced
    if voiced.mean() < 0.2:
        return None
    lengths = _lengths(said.segments, rng)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    sung_s = np.arange(int(min(ends[-1], LONGEST_SONG_S) / FRAME_S)) * FRAME_S
    edges_new = np.concatenate([[0.0], ends])
    edges_old = np.array([0.0, *(s.end_s for s in said.segments)])
    source = np.clip(np.round(np.interp(sung_s, edges_new, edges_old) / FRAME_S), 0, len(pitch) - 1)
    frame = source.astype(int)
    base_hz = float(np.median(pitch[voiced])) * 2 ** (rng.uniform(-4, 2) / 12)
    melody = _melody(said.segments, lengths, base_hz, rng)[: len(frame)].astype(np.float64)
    melody = np.where(voiced[frame], melody, 0.0)
    sound = put_together(Parts(melody, parts.spectrum[frame], parts.breath[frame]))
    if sound is None:
        return None
    segments = [
        Segment(s.phone, float(a), float(b), s.stressed)
        for s, a, b in zip(said.segments, starts, ends, strict=True)
        if a < sung_s[-1]
    ]
    last = segments[-1]
    segments[-1] = Segment(last.phone, last.start_s, len(sound) / MODEL_RATE_HZ, last.stressed)
    return Utterance(sound, segments, "sung:" + said.voice)


def songs(sentences: Iterator[Utterance], seed: int) -> Iterator[Utterance]:
    """Every sentence that can be, sung."""
    rng = np.random.default_rng([seed, 77])
    for said in sentences:
        song = sing(said, rng)
        if song:
            yield song
