"""Phones of many alphabets, sorted into the few classes that lips can tell apart.

Sounds made alike at the lips share a class whatever their voice or place further back (p, b and m are
`P`; t, d, n are `D`). Alphabets: ARPAbet (flite, forced alignments, festival's English), IPA as
espeak-ng writes it, and the letter-like sets of festival's and Open JTalk's other languages.
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


Alphabet = dict[str, tuple[str, ...]]
"""Classes by symbol; two for a diphthong."""


def _table(rows: dict[str, str]) -> Alphabet:
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

ROMANCE = _table(
    {
        "SIL": "# pau _",
        "AA": "a",
        "AX": "ax",
        "EH": "E",
        "EY": "e",
        "IY": "i",
        "OW": "o",
        "AO": "O",
        "UW": "u",
        "P": "p b m",
        "F": "f v nf",
        "W": "w",
        "D": "t d n",
        "S": "s z ts dz",
        "SH": "S Z tS dZ",
        "K": "k g ng",
        "L": "l L",
        "R": "r rr",
        "Y": "j J",
    }
)
"""Festival's Italian and Catalan; a stressed vowel ends in 1."""

FINNISH = _table(
    {
        "SIL": "# ##",
        "AA": "a",
        "AE": "@",
        "AX": "&",
        "EY": "e",
        "IY": "i",
        "OW": "o",
        "UW": "u",
        "UE": "y",
        "OE": "7",
        "P": "p b m",
        "F": "f v",
        "W": "w",
        "TH": "T D",
        "D": "t d n",
        "S": "s z",
        "SH": "S Z",
        "K": "k g N",
        "L": "l L",
        "R": "r",
        "Y": "j",
        "H": "h",
    }
)

CZECH = _table(
    {
        "SIL": "#",
        "AA": "a",
        "EH": "e",
        "IY": "i",
        "OW": "o",
        "UW": "u",
        "P": "p b m",
        "F": "f v",
        "D": "t d n",
        "S": "s z c dz",
        "SH": "s~ z~ c~ dz~ r~ r~*",
        "K": "k g ch n*",
        "L": "l",
        "R": "r",
        "Y": "j d~ t~ n~",
        "H": "h _",
    }
)

RUSSIAN = _table(
    {
        "SIL": "pau",
        "AA": "a aa",
        "AX": "ae ay",
        "EH": "e ee",
        "IY": "i ii",
        "II": "y yy",
        "OW": "oo",
        "UH": "ur",
        "UW": "u uu",
        "P": "p pp b bb m mm",
        "F": "f ff v vv",
        "D": "t tt d dd n nn",
        "S": "s ss z zz c",
        "SH": "ch sh sch zh",
        "K": "k kk g gg h hh",
        "L": "l ll",
        "R": "r rr",
        "Y": "j",
    }
)

HINDI = _table(
    {
        "SIL": "pau",
        "AX": "a",
        "AA": "aa @",
        "IH": "ih",
        "IY": "iy",
        "UH": "uh",
        "UW": "uw",
        "EY": "eh ee",
        "EH": "ay",
        "OW": "oh oo",
        "AO": "aw",
        "P": "p b m bh",
        "F": "f v",
        "W": "w",
        "D": "th dh T D N n td tth ddh",
        "S": "s",
        "SH": "ch sh j jh zh",
        "K+SH": "ksh",
        "SH+R": "sri",
        "K": "k g x kh gh",
        "L": "l L",
        "R": "r R",
        "Y": "y",
        "H": "h",
    }
)

JAPANESE = _table(
    {
        "SIL": "sil pau",
        "AA": "a A",
        "IY": "i I",
        "II": "u U",
        "EY": "e E",
        "OW": "o O",
        "P": "p b m py by my",
        "BV": "f",
        "F": "v",
        "W": "w",
        "D": "t d n ty dy ny cl",
        "S": "s z ts",
        "XI": "sh j ch",
        "K": "k g ky gy N kw gw",
        "R": "r ry",
        "Y": "y hy",
        "H": "h",
    }
)
"""Open JTalk's; a capital vowel is whispered, `cl` a stop's closure at the end of a word."""

ALPHABETS: dict[str, Alphabet] = {
    "arpabet": ARPABET,
    "romance": ROMANCE,
    "finnish": FINNISH,
    "czech": CZECH,
    "russian": RUSSIAN,
    "hindi": HINDI,
    "japanese": JAPANESE,
}

MARKS = set("ˈˌːˑʰʲʷ͡ʼ0123456789-ˤ;|_ ")
"""IPA signs that say how, not what, the lips do."""


def classes_of(symbol: str, alphabet: Alphabet) -> tuple[int, ...] | None:
    """Classes of a symbol; marks of stress (0, 1, 2) and length (:) aside. None if it is unknown."""
    bare = symbol.rstrip("012:") if len(symbol) > 1 else symbol
    names = alphabet.get(bare)
    return tuple(CLASS_INDEX[n] for n in names) if names else None


def arpabet(symbol: str) -> tuple[int, ...] | None:
    """Classes of an ARPAbet symbol in capitals or not, None if it is unknown."""
    return classes_of(symbol.lower(), ARPABET)


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
