"""Phones of many alphabets, sorted into the few classes that lips can tell apart.

Sounds made alike at the lips share a class whatever their voice or place further back (p, b and m are
`P`; t, d, n are `D`). Alphabets: ARPAbet (flite, forced alignments, festival's English), IPA as
espeak-ng writes it, and the letter-like sets of festival's other voices.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

VOWELS = ("AA", "AE", "AH", "AX", "AO", "EH", "ER", "EY", "IH", "IY", "II", "OW", "UH", "UW", "UE", "OE")
CONSONANTS = ("P", "W", "F", "BV", "TH", "D", "S", "SH", "XI", "L", "R", "K", "Y", "H")
CLASSES = ("SIL", *VOWELS, *CONSONANTS)
CLASS_INDEX = {name: i for i, name in enumerate(CLASSES)}
SILENCE = CLASS_INDEX["SIL"]


@dataclass(frozen=True, slots=True)
class Segment:
    """One phone: class index, start and end in seconds, whether its syllable is stressed."""

    phone: int
    start_s: float
    end_s: float
    stressed: bool = False


def _table(rows: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """'symbols of a class' by class -> classes by symbol; a class may be a pair such as 'AA+UH'."""
    return {symbol: tuple(name.split("+")) for name, symbols in rows.items() for symbol in symbols.split()}


ARPABET = _table(
    {
        "SIL": "sil pau h# ssil brth +spn+ +nsn+ +breath+",
        "AA": "aa",
        "AE": "ae",
        "AH": "ah",
        "AX": "ax",
        "AO": "ao",
        "EH": "eh",
        "ER": "er axr",
        "EY+IH": "ey",
        "IH": "ih ix",
        "IY": "iy",
        "OW+UH": "ow",
        "UH": "uh",
        "UW": "uw",
        "AA+UH": "aw",
        "AA+IH": "ay",
        "AO+IH": "oy",
        "P": "p b m em",
        "W": "w",
        "F": "f v",
        "TH": "th dh",
        "D": "t d n en dx nx",
        "S": "s z",
        "SH": "sh zh ch jh",
        "L": "l el",
        "R": "r",
        "K": "k g ng",
        "Y": "y",
        "H": "hh hv h",
    }
)

IPA = _table(
    {
        "AA": "a ɑ ɶ",
        "AE": "æ ɐ",
        "AH": "ʌ ɜ ɤ",
        "AX": "ə ɘ",
        "AO": "ɔ ɒ",
        "EH": "ɛ",
        "ER": "ɚ ɝ ɞ",
        "EY": "e",
        "IH": "ɪ",
        "IY": "i",
        "II": "ɨ ɿ ʅ ɯ",
        "OW": "o",
        "UH": "ʊ ɵ",
        "UW": "u ʉ",
        "UE": "y ʏ",
        "OE": "ø œ",
        "P": "p b m ɓ pf",
        "W": "w ʍ ɥ",
        "F": "f v ɱ ʋ",
        "BV": "β ɸ",
        "TH": "θ ð",
        "D": "t d n ɾ ʈ ɖ ɳ ɗ",
        "S": "s z ts dz",
        "SH": "ʃ ʒ ʂ ʐ tʃ dʒ tʂ",
        "XI": "ɕ ʑ tɕ dʑ",
        "L": "l ɫ ɭ ɬ ʎ ɮ ʟ",
        "R": "r ɹ ɻ ɽ",
        "K": "k g ɡ ŋ x ɣ χ q ɢ ɴ ʛ ɠ ʁ ʀ",
        "Y": "j ç ɲ c ɟ ʝ",
        "H": "h ɦ ʔ ħ ʕ",
    }
)

LETTERS = _table(
    {
        "SIL": "# pau _",
        "AA": "a aa aaa A",
        "AE": "e0",
        "AX": "ae ay ax @",
        "EH": "E ee2",
        "EY": "e ee",
        "IY": "i ii ji",
        "II": "y yy",
        "OW": "o oo uo",
        "AO": "O au",
        "UW": "u uu ju",
        "P": "p pp b bb m mm pj bj mj ph bh",
        "F": "f ff v vv fj vj",
        "W": "w",
        "D": "t tt d dd n nn tj dj nj th dh",
        "S": "s ss z zz ts dz c sj zj",
        "SH": "S tS dZ sh zh ch sch shch Z",
        "K": "k kk g gg x h hh ng kj gj hj kh gh N",
        "L": "l ll L lj",
        "R": "r rr R rj",
        "Y": "j J Y",
    }
)

MARKS = set("ˈˌːˑʰʲʷ͡ʼ0123456789-ˤ;|_ ")
"""IPA signs that say how, not what, the lips do."""


def arpabet(symbol: str) -> tuple[int, ...] | None:
    """Classes of an ARPAbet symbol (two for a diphthong), None if it is unknown."""
    names = ARPABET.get(symbol.lower().rstrip("012"))
    return tuple(CLASS_INDEX[n] for n in names) if names else None


def letters(symbol: str) -> tuple[int, ...] | None:
    """Classes of a phone name of festival's other languages, None if it is unknown."""
    names = LETTERS.get(symbol) or LETTERS.get(symbol.rstrip("1")) or LETTERS.get(symbol.lower().rstrip("1"))
    return tuple(CLASS_INDEX[n] for n in names) if names else None


def ipa(text: str) -> tuple[tuple[int, ...], bool]:
    """Classes of what espeak-ng gives for one phoneme, and whether it carries the main stress."""
    stressed = "ˈ" in text
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(c for c in decomposed if c not in MARKS and not unicodedata.combining(c))
    names: list[str] = []
    i = 0
    while i < len(bare):
        size = 2 if bare[i : i + 2] in IPA else 1
        found = IPA.get(bare[i : i + size])
        aspiration = bare[i] == "h" and names and names[-1] in CONSONANTS
        if found and not aspiration:
            names.extend(found)
        i += size
    return tuple(CLASS_INDEX[n] for n in names), stressed


def spread(classes: tuple[int, ...], start_s: float, end_s: float, stressed: bool = False) -> list[Segment]:
    """The classes of one symbol, one after another in equal shares of its time."""
    step = (end_s - start_s) / max(1, len(classes))
    return [Segment(c, start_s + i * step, start_s + (i + 1) * step, stressed) for i, c in enumerate(classes)]


def join_stop_gaps(segments: list[Segment], longest_s: float = 0.07) -> list[Segment]:
    """Gives a pause too short to be one to the sound after it: it is the shut half of a stop."""
    joined: list[Segment] = []
    start_s: float | None = None
    for i, s in enumerate(segments):
        short = s.phone == SILENCE and s.end_s - s.start_s < longest_s
        if short and 0 < i < len(segments) - 1:
            start_s = s.start_s if start_s is None else start_s
            continue
        joined.append(s if start_s is None else Segment(s.phone, start_s, s.end_s, s.stressed))
        start_s = None
    return joined
