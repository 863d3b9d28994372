"""Engines that tell their phones: how what they say is read, and that they speak where they are installed."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train import festival, open_jtalk, revoicing, speech, vocoder
from sonic_stream.train.phones import ALPHABETS, CLASSES, SILENCE, classes_of
from sonic_stream.train.sentences import GRAMMARS
from sonic_stream.train.speech import Utterance, timed


def hum(folder: Path, seconds: float) -> Path:
    t = np.arange(int(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    file = folder / "hum.wav"
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 140 * t), MODEL_RATE_HZ)
    return file


@pytest.mark.parametrize(
    "alphabet, symbol, expected",
    [
        ("romance", "S", "SH"),
        ("romance", "s", "S"),
        ("romance", "e1", "EY"),
        ("finnish", "y:", "UE"),
        ("finnish", "@", "AE"),
        ("finnish", "7", "OE"),
        ("czech", "r~*", "SH"),
        ("czech", "c", "S"),
        ("hindi", "th", "D"),
        ("russian", "pp", "P"),
        ("japanese", "f", "BV"),
        ("japanese", "I", "IY"),
    ],
)
def test_a_sign_means_what_it_means_in_its_own_language(alphabet: str, symbol: str, expected: str) -> None:
    assert [CLASSES[c] for c in classes_of(symbol, ALPHABETS[alphabet]) or ()] == [expected]


def test_phones_are_moved_to_where_they_sound(tmp_path: Path) -> None:
    phones = [("#", 0.2), ("p", 0.3), ("a1", 0.6), ("#", 1.0)]
    said = timed(hum(tmp_path, 1.0), phones, "me", ALPHABETS["romance"], late_s=0.01)
    assert said is not None
    assert [CLASSES[s.phone] for s in said.segments] == ["SIL", "P", "AA", "SIL"]
    assert [round(s.end_s, 3) for s in said.segments[:3]] == [0.21, 0.31, 0.61]
    assert [s.stressed for s in said.segments] == [False, False, True, False]


def test_a_sentence_with_an_unknown_sign_is_left_out(tmp_path: Path) -> None:
    assert timed(hum(tmp_path, 1.0), [("a", 0.5), ("??", 1.0)], "me", ALPHABETS["romance"]) is None


def test_sound_and_phones_of_different_length_are_left_out(tmp_path: Path) -> None:
    assert timed(hum(tmp_path, 1.0), [("a", 3.0)], "me", ALPHABETS["romance"]) is None


def test_voices_are_either_trained_on_or_never_heard() -> None:
    assert not set(festival.TRAINED) & set(festival.UNHEARD)
    for voice in festival.VOICES.values():
        assert voice.language in GRAMMARS
        assert voice.alphabet in ALPHABETS
        assert abs(voice.late_s) <= 0.02


def test_missing_programs_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert list(festival.say("kal_diphone", 2, 1)) == []
    assert list(festival.in_turn(list(festival.TRAINED), 1)) == []
    assert list(open_jtalk.say(2, 1)) == []
    assert list(speech.flite(1)) == []


def test_a_trace_of_open_jtalk_is_read() -> None:
    row = "1234500 2000000 xx^sil-k+o=N/A:-4+1+5/B:xx-xx_xx/C:09_xx+xx"
    assert open_jtalk.LABEL.findall(row) == [("1234500", "2000000", "k")]


def test_japanese_lips_shut_for_the_first_half_of_long_and_nasal_ones() -> None:
    assert open_jtalk.as_sounded(["n", "i", "cl", "p", "o", "N"]) == ["n", "i", "p", "p", "o", "N"]
    assert open_jtalk.as_sounded(["sh", "i", "N", "b", "u", "N"]) == ["sh", "i", "m", "b", "u", "N"]
    assert open_jtalk.as_sounded(["h", "o", "N", "t", "o", "N", "k", "a"])[2:6] == ["n", "t", "o", "N"]
    assert open_jtalk.as_sounded(["s", "a", "N", "sil"])[2] == "N"
    assert open_jtalk.as_sounded(["k", "a", "cl", "pau"]) == ["k", "a", "cl", "pau"]
    assert open_jtalk.as_sounded(["h", "o", "N", "pau", "p", "a"]) == ["h", "o", "N", "pau", "p", "a"]


@pytest.mark.skipif(not shutil.which("festival"), reason="festival is not installed")
def test_festival_speaks_with_phones_to_the_end() -> None:
    said = [u for name in festival.VOICES for u in festival.say(name, 2, 3)]
    if not said:
        pytest.skip("none of festival's voices is installed")
    for u in said:
        assert u.segments[-1].end_s == pytest.approx(len(u.samples) / MODEL_RATE_HZ, abs=0.61)
        assert len({s.phone for s in u.segments}) > 5


def test_somebody_else_says_the_same_at_another_pace(spoken: Utterance) -> None:
    others = list(itertools.islice(revoicing.revoiced(itertools.repeat(spoken, 20), 2), 12))
    lengths = [len(u.samples) / len(spoken.samples) for u in others]
    assert max(lengths) > 1.05 > 0.95 > min(lengths)
    for u in others:
        assert [s.phone for s in u.segments] == [s.phone for s in spoken.segments]
        assert u.segments[-1].end_s == pytest.approx(len(u.samples) / MODEL_RATE_HZ, abs=0.02)


def test_another_voice_is_loud_where_the_first_one_was(spoken: Utterance) -> None:
    """Phones keep their places: vowels stay the loud ones."""
    other = next(revoicing.revoiced(itertools.repeat(spoken, 4), 5))

    def levels(u: Utterance) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        cuts = [(int(s.start_s * MODEL_RATE_HZ), int(s.end_s * MODEL_RATE_HZ)) for s in u.segments]
        return np.log(np.array([u.samples[a:b].std() + 1e-4 if b > a else 1e-4 for a, b in cuts]))

    heard = np.array([s.phone != SILENCE for s in spoken.segments])
    assert np.corrcoef(levels(spoken)[heard], levels(other)[heard])[0, 1] > 0.7


def test_another_voice_has_another_pitch_and_throat(spoken: Utterance) -> None:
    from sonic_stream.train.vocoder import take_apart

    own = take_apart(spoken.samples)
    middles = []
    for other in itertools.islice(revoicing.revoiced(itertools.repeat(spoken, 8), 9), 5):
        parts = take_apart(other.samples)
        if parts.voiced.mean() > 0.15:
            middles.append(float(np.median(parts.pitch_hz[parts.voiced])))
    assert max(middles) > 1.3 * min(middles)
    assert own.voiced.mean() > 0.15


def test_a_statistical_voice_blurs_spectra_and_keeps_pitch_and_length(spoken: Utterance) -> None:
    own = vocoder.take_apart(spoken.samples)
    blurred = vocoder.averaged(own, terms=25, over_s=0.02, buzz=0.8)
    np.testing.assert_array_equal(blurred.pitch_hz, own.pitch_hz)
    assert blurred.spectrum.shape == own.spectrum.shape

    def trembling(parts: vocoder.Parts) -> float:
        return float(np.abs(np.diff(np.log(parts.spectrum + 1e-12), axis=0)).mean())

    assert trembling(blurred) < 0.6 * trembling(own)
    assert blurred.breath[own.voiced].mean() < 0.3 * own.breath[own.voiced].mean()
    np.testing.assert_array_equal(blurred.breath[~own.voiced], own.breath[~own.voiced])
    assert vocoder.put_together(blurred) is not None
