"""Other people saying the same: pitch, throat and pace of a recorded or synthetic voice changed.

Pitch and formants are changed apart from each other, which no change of speed does: children, deep
voices, flat or lively intonation, whispers, and the blurred, buzzing speech of statistical engines.
Phone times follow the pace, so they stay exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.phones import Segment
from sonic_stream.train.speech import Utterance
from sonic_stream.train.vocoder import F64, Parts, averaged, put_together, take_apart

PITCH_HZ = (75.0, 420.0)
"""Middle pitches of deep men and of small children."""
THROAT = (0.82, 1.24)
"""Formants are moved by a factor in between."""
PACE = (0.8, 1.25)
LIVELINESS = (0.3, 1.6)
"""Exponent on the pitch's distance from its middle."""
WHISPERED = 0.06
"""Share of sentences that lose their voice."""
AVERAGED = 0.5
"""Share of sentences said as an engine of averaged spectra says them; those are often high voices."""
TERMS, OVER_S, BUZZ = (20, 40), (0.008, 0.024), (0.3, 1.0)
"""Ranges of `vocoder.averaged`."""


def _warped(bins: F64, factor: float) -> F64:
    """What lies at frequency f brought to `factor` times f; [T, bins]."""
    last = bins.shape[1] - 1
    at = np.minimum(np.arange(last + 1) / factor, last)
    low = np.minimum(at.astype(int), last - 1)
    share = at - low
    return np.asarray(bins[:, low] * (1 - share) + bins[:, low + 1] * share)


def revoice(said: Utterance, rng: np.random.Generator) -> Utterance | None:
    """The sentence by somebody else; None where too little of it is voiced.

    Errors: `MissingPieceError` without pyworld.
    """
    parts = take_apart(said.samples)
    if parts.voiced.mean() < 0.15:
        return None
    pace = float(np.exp(rng.uniform(*np.log(PACE))))
    frames = np.clip(np.round(np.arange(0, len(parts.pitch_hz), pace)), 0, len(parts.pitch_hz) - 1).astype(
        int
    )
    own_hz = float(np.median(parts.pitch_hz[parts.voiced]))
    by_engine = rng.random() < AVERAGED
    middle_hz = float(np.exp(rng.uniform(*np.log((150.0, PITCH_HZ[1]) if by_engine else PITCH_HZ))))
    if by_engine:
        over_s, buzz = rng.uniform(*OVER_S), rng.uniform(*BUZZ)
        parts = averaged(parts, int(rng.integers(*TERMS)), float(over_s), float(buzz))
    # A small person has a small throat: the two go together, loosely.
    usual = (middle_hz / own_hz) ** 0.2
    throat = float(np.clip(usual * np.exp(rng.normal(0, 0.08)), *THROAT))
    pitch = parts.pitch_hz[frames]
    moved = middle_hz * (np.maximum(pitch, 1) / own_hz) ** rng.uniform(*LIVELINESS)
    whispered = rng.random() < WHISPERED
    pitch = np.where((pitch > 0) & (not whispered), np.clip(moved, 50, 700), 0.0)
    sound = put_together(
        Parts(pitch, _warped(parts.spectrum, throat)[frames], _warped(parts.breath, throat)[frames])
    )
    if sound is None:
        return None
    end_s = len(sound) / MODEL_RATE_HZ
    segments = [
        Segment(s.phone, s.start_s / pace, min(s.end_s / pace, end_s), s.stressed)
        for s in said.segments
        if s.start_s / pace < end_s
    ]
    return Utterance(sound, segments, "revoiced:" + said.voice)


def revoiced(sentences: Iterator[Utterance], seed: int) -> Iterator[Utterance]:
    """Every sentence that can be, by somebody else."""
    rng = np.random.default_rng([seed, 41])
    for said in sentences:
        other = revoice(said, rng)
        if other:
            yield other
