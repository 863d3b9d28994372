"""SVOX Pico: what its units hand on is read right, stops keep their shut half, voices sound as told."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train import corpus, pico
from sonic_stream.train.phones import CLASSES, SILENCE, VOWELS, Segment, ipa
from sonic_stream.train.sentences import GRAMMARS

SOURCES = os.environ.get("SONIC_STREAM_PICO", "")
"""ttspico's unpacked source."""
FRAME_S = pico.FRAME_SAMPLES / MODEL_RATE_HZ


def phone(number: int, *frames: int) -> bytes:
    states = [value for count in frames for value in (count, 7, 9)]
    return struct.pack(f"<4B{len(states)}H", pico.PHONE, number, len(frames), 2 * len(states), *states)


def syllable(accent: bytes, *numbers: int) -> bytes:
    return bytes([pico.SYLLABLE, 1, accent[0], len(numbers), *numbers])


def named(segments: list[Segment]) -> list[str]:
    return [CLASSES[s.phone] for s in segments]


def numbers_of(voice: str, *signs: str) -> list[int]:
    by_sign = {sign: number for number, sign in pico.phone_signs(voice).items()}
    return [by_sign[sign] for sign in signs]


def test_phones_last_as_long_as_their_states_and_syllables_tell_stress() -> None:
    passed = phone(87, 0, 2) + syllable(b"3", 56, 43) + phone(56, 1, 2, 3) + phone(43, 4, 5)
    passed += syllable(b"0", 40) + phone(40, 8, 0) + syllable(b"4", 39) + phone(39, 1)
    assert pico.timed_phones(passed, frozenset([87])) == [
        (87, 2, False),
        (56, 6, True),
        (43, 9, True),
        (40, 8, False),
        (39, 1, False),
    ]


def test_where_syllables_and_phones_disagree_nothing_is_stressed() -> None:
    passed = syllable(b"1", 56, 43) + phone(56, 3) + phone(44, 4)
    assert pico.timed_phones(passed, frozenset()) == [(56, 3, False), (44, 4, False)]


@pytest.mark.parametrize("voice", list(pico.VOICES))
def test_a_stop_has_its_shut_half_and_everything_is_late_by_the_same(voice: str) -> None:
    pause, shut, p, a = numbers_of(voice, "_", "(", "p", "i")
    length_s = 100 * FRAME_S
    said = pico.segments(
        [(pause, 10, False), (shut, 15, True), (p, 5, True), (a, 20, True), (pause, 50, False)],
        voice,
        length_s,
    )
    assert said is not None
    assert named(said) == ["SIL", "SIL", "P", "IY", "SIL"]
    late_s = pico.VOICES[voice].late_s
    expected = [0, late_s, *(late_s + n * FRAME_S for n in (10, 30, 50)), length_s]
    assert [s.start_s for s in said] + [said[-1].end_s] == pytest.approx(expected)
    assert [s.stressed for s in said] == [False, False, True, True, False]


def test_a_phone_that_nobody_knows_leaves_the_sentence_out() -> None:
    assert pico.segments([(250, 10, False)], "es-ES", 1.0) is None


def test_diphthongs_share_their_time() -> None:
    (number,) = numbers_of("en-US", "aɪ")
    said = pico.segments([(number, 50, False)], "en-US", 1.0)
    assert said is not None
    assert named(said) == ["SIL", "AA", "IH"]
    assert said[1].end_s - said[1].start_s == pytest.approx(said[2].end_s - said[2].start_s)


def test_all_phones_of_all_voices_have_lip_classes() -> None:
    for name, voice in pico.VOICES.items():
        assert voice.language in GRAMMARS
        signs = set(pico.phone_signs(name).values())
        assert {pico.PAUSE, pico.CLOSURE} < signs
        sounds = signs - {pico.PAUSE, pico.CLOSURE}
        assert all(ipa(sign)[0] for sign in sounds), name
        assert {ipa(sign)[0] for sign in ("p", "f", "s", "i", "u", "m")} <= {ipa(sign)[0] for sign in sounds}
        assert len(pico.pauses_of(name)) == 1


def test_a_folder_without_the_sources_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"picopi/pico/lib"):
        next(pico.in_turn(tmp_path, 1))
    with pytest.raises(BadInputError, match="--pico FOLDER"):
        corpus.build("pico", tmp_path, 0.1, 1)


def test_sources_that_do_not_compile_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "made.so"
    with pytest.raises(MissingPieceError, match=r"picodata\.h|cannot be run"):
        pico.compile_library(tmp_path, library)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPieceError, match="apt install gcc"):
        pico.compile_library(tmp_path, library)
    assert not library.exists()


@pytest.mark.skipif(not SOURCES, reason="SONIC_STREAM_PICO does not name ttspico's unpacked source")
@pytest.mark.parametrize("voice", list(pico.VOICES))
def test_a_shut_p_is_silent_where_its_time_says_so_at_every_speed(voice: str) -> None:
    engine = pico.engine(Path(SOURCES))
    for speed in (80, 100, 130):
        said = engine.say(voice, "Papapapa papapapa, papapapa papapapa.", speed)
        assert said is not None
        shut, loud = [], []
        for s in said.segments:
            half = slice(
                round((0.75 * s.start_s + 0.25 * s.end_s) * MODEL_RATE_HZ),
                round((0.5 * s.start_s + 0.5 * s.end_s) * MODEL_RATE_HZ),
            )
            if CLASSES[s.phone] == "P":
                shut.append(float(said.samples[half].std()))
            elif CLASSES[s.phone] in VOWELS:
                loud.append(float(said.samples[half].std()))
        assert len(shut) == 16
        assert np.median(shut) < 0.05 * np.median(loud)


@pytest.mark.skipif(not SOURCES, reason="SONIC_STREAM_PICO does not name ttspico's unpacked source")
def test_voices_take_turns_and_their_phones_fill_their_sound() -> None:
    heard = list(itertools.islice(pico.in_turn(Path(SOURCES), 4), pico.IN_A_ROW + 5))
    assert [u.voice for u in heard] == ["pico:en-US"] * pico.IN_A_ROW + ["pico:en-GB"] * 5
    for u in heard:
        assert u.segments[0].start_s == 0
        assert u.segments[-1].end_s == pytest.approx(len(u.samples) / MODEL_RATE_HZ)
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(u.segments))
        assert u.segments[-1].phone == SILENCE
