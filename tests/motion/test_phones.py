from __future__ import annotations

import pytest

from sonic_stream.train.phones import (
    ALPHABETS,
    ARPABET,
    CLASS_INDEX,
    CLASSES,
    IPA,
    SILENCE,
    Segment,
    arpabet,
    classes_of,
    ipa,
    join_stop_gaps,
    spread,
)


def names(classes: tuple[int, ...]) -> list[str]:
    return [CLASSES[c] for c in classes]


def test_every_table_names_known_classes() -> None:
    for table in (ARPABET, IPA, *ALPHABETS.values()):
        for symbol, classes in table.items():
            assert all(c in CLASS_INDEX for c in classes), symbol


@pytest.mark.parametrize(
    "symbol, expected",
    [("AA1", ["AA"]), ("OW0", ["OW", "UH"]), ("m", ["P"]), ("V", ["F"]), ("SIL", ["SIL"]), ("NG", ["K"])],
)
def test_arpabet(symbol: str, expected: list[str]) -> None:
    assert names(arpabet(symbol) or ()) == expected


def test_an_unknown_symbol_is_said_to_be_unknown() -> None:
    assert arpabet("xyz") is None
    assert classes_of("??", ALPHABETS["romance"]) is None


@pytest.mark.parametrize(
    "text, expected, stressed",
    [
        ("ˈaɪ", ["AA", "IH"], True),
        ("pʰ", ["P"], False),
        ("tʃ", ["SH"], False),
        ("oːˈ", ["OW"], True),
        ("ã", ["AA"], False),
        ("tɕh", ["XI"], False),
        ("ɲ", ["Y"], False),
        ("5", [], False),
    ],
)
def test_ipa_as_espeak_writes_it(text: str, expected: list[str], stressed: bool) -> None:
    classes, said_stressed = ipa(text)
    assert names(classes) == expected
    assert said_stressed == stressed


def test_a_diphthong_shares_its_time() -> None:
    parts = spread(arpabet("ay") or (), 1.0, 1.2)
    assert [(CLASSES[p.phone], round(p.start_s, 3), round(p.end_s, 3)) for p in parts] == [
        ("AA", 1.0, 1.1),
        ("IH", 1.1, 1.2),
    ]


def test_a_pause_shorter_than_one_belongs_to_the_stop_after_it() -> None:
    a, p, pause = CLASS_INDEX["AA"], CLASS_INDEX["P"], SILENCE
    said = [Segment(a, 0, 0.1), Segment(pause, 0.1, 0.15), Segment(p, 0.15, 0.17), Segment(pause, 0.17, 0.5)]
    assert join_stop_gaps(said) == [Segment(a, 0, 0.1), Segment(p, 0.1, 0.17), Segment(pause, 0.17, 0.5)]


def test_a_real_pause_stays() -> None:
    a = CLASS_INDEX["AA"]
    said = [Segment(a, 0, 0.1), Segment(SILENCE, 0.1, 0.3), Segment(a, 0.3, 0.4)]
    assert join_stop_gaps(said) == said
