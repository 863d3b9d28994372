from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.singing import NOTE_S, VOWEL_CLASSES, sing
from sonic_stream.train.speech import Utterance


@pytest.fixture(scope="module")
def sung(spoken: Utterance) -> Utterance:
    song = sing(spoken, np.random.default_rng(4))
    assert song is not None
    return song


def test_a_song_keeps_the_phones_and_their_order(spoken: Utterance, sung: Utterance) -> None:
    assert [s.phone for s in sung.segments] == [s.phone for s in spoken.segments][: len(sung.segments)]
    for a, b in zip(sung.segments, sung.segments[1:], strict=False):
        assert a.end_s == pytest.approx(b.start_s)
    assert sung.segments[-1].end_s == pytest.approx(len(sung.samples) / MODEL_RATE_HZ)


def test_vowels_are_held_and_consonants_are_not(spoken: Utterance, sung: Utterance) -> None:
    before = [s.end_s - s.start_s for s in spoken.segments]
    after = [s.end_s - s.start_s for s in sung.segments]
    vowels = [i for i, s in enumerate(sung.segments[:-1]) if s.phone in VOWEL_CLASSES]
    others = [i for i, s in enumerate(sung.segments[:-1]) if s.phone not in VOWEL_CLASSES]
    assert np.mean([after[i] for i in vowels]) > NOTE_S[0]
    for i in others:
        assert after[i] == pytest.approx(before[i], abs=1e-6)


def loudness(song: Utterance, count: int) -> list[float]:
    """Of each phone."""
    return [
        float(np.std(song.samples[int(s.start_s * MODEL_RATE_HZ) : int(s.end_s * MODEL_RATE_HZ)]))
        for s in song.segments[:count]
    ]


def test_the_phone_times_fit_the_sound(spoken: Utterance, sung: Utterance) -> None:
    """What was loud in speech is loud in the song, phone by phone."""
    count = len(sung.segments) - 1
    assert np.corrcoef(loudness(spoken, count), loudness(sung, count))[0, 1] > 0.9


def test_the_same_seed_sings_the_same(spoken: Utterance, sung: Utterance) -> None:
    again = sing(spoken, np.random.default_rng(4))
    assert again is not None
    assert (again.samples == sung.samples).all()


def test_a_whisper_without_voice_is_not_sung(spoken: Utterance) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, len(spoken.samples)).astype(np.float32)
    assert sing(Utterance(noise, spoken.segments, "noise"), np.random.default_rng(0)) is None
