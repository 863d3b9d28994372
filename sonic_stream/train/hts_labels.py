"""Full-context labels: what a voice of hidden Markov models is told about every phone.

A label holds a phone, its neighbours and where it stands in syllable, word, phrase and utterance. Its format
comes with each language of RHVoice (`labelling.xml`): literal text between named features. Features that are
not computed here read as 0.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAUSE: Final = "pau"
OUTSIDE: Final = "x"
"""A phone before the first or after the last one, and what a pause has no value for."""


@dataclass(frozen=True, slots=True)
class Syllable:
    """Phones of one syllable, its vowel (0 without one) and whether it is stressed."""

    phones: tuple[str, ...]
    vowel: str
    stressed: bool


Word = list[Syllable]
Phrase = list[Word]


def syllables(phones: Sequence[str], stressed: Sequence[bool], vowels: frozenset[str]) -> Word:
    """A word's phones by syllable: of the consonants between two vowels the last one opens the next syllable.

    `stressed` tells for each phone whether the stress lies on it.
    """
    nuclei = [i for i, p in enumerate(phones) if p in vowels]
    if not nuclei:
        return [Syllable(tuple(phones), "0", False)] if phones else []
    starts = [0, *(max(a + 1, b - 1) for a, b in itertools.pairwise(nuclei))]
    ends = [*starts[1:], len(phones)]
    return [
        Syllable(tuple(phones[a:b]), phones[n], any(stressed[a:b]))
        for a, b, n in zip(starts, ends, nuclei, strict=True)
    ]


class Labels:
    """Writes labels in the format of one language.

    `file`: its labelling.xml.
    """

    def __init__(self, file: Path) -> None:
        form = ET.parse(file).getroot().find("format")
        assert form is not None
        self._parts: list[tuple[str, str]] = [("", (form.text or "").strip())]
        for feature in form:
            self._parts.append((feature.get("name", "none"), (feature.tail or "").strip()))

    def of(self, phrases: list[Phrase]) -> list[tuple[str, str, bool]]:
        """(label, phone, stressed) for every phone; pauses before, between and after phrases."""
        placed = list(_placed(phrases))
        names = [OUTSIDE, OUTSIDE, *(p["name"] for p in placed), OUTSIDE, OUTSIDE]
        about = ("prev_prev_name", "prev_name", "name", "next_name", "next_next_name")
        labels = []
        for i, features in enumerate(placed):
            features |= dict(zip(about, names[i : i + 5], strict=True))
            missing = OUTSIDE if features["name"] == PAUSE else "0"
            text = "".join(
                features.get(name, missing) + literal if name else literal for name, literal in self._parts
            )
            labels.append((text, features["name"], features.get("syl_stress") == "1"))
        return labels


def _counts(phrases: list[Phrase]) -> dict[str, str]:
    words = [w for p in phrases for w in p]
    return {
        "num_syls_in_utt": str(sum(map(len, words))),
        "num_words_in_utt": str(len(words)),
        "num_phrases_in_utt": str(len(phrases)),
    }


def _of_phrase(phrases: list[Phrase], n: int) -> dict[str, str]:
    features = {
        "phrase_pos_in_utt_fw": str(n + 1),
        "phrase_pos_in_utt_bw": str(len(phrases) - n),
        "phrase_end_tone": "L-L%" if n == len(phrases) - 1 else "L-H%",
        "utt_type": "s",
    }
    for prefix, at in (("prev_phrase", n - 1), ("phrase", n), ("next_phrase", n + 1)):
        inside = 0 <= at < len(phrases)
        features["num_syls_in_" + prefix] = str(sum(map(len, phrases[at])) if inside else 0)
        features["num_words_in_" + prefix] = str(len(phrases[at]) if inside else 0)
    return features


def _of_word(phrase: Phrase, n: int) -> dict[str, str]:
    features = {
        "word_pos_in_phrase_fw": str(n + 1),
        "word_pos_in_phrase_bw": str(len(phrase) - n),
        "num_content_words_in_phrase_before_this_word": str(n),
        "num_content_words_in_phrase_after_this_word": str(len(phrase) - n - 1),
        "dist_to_prev_content_word_in_phrase": str(min(n, 1)),
        "dist_to_next_content_word_in_phrase": str(min(len(phrase) - n - 1, 1)),
    }
    for prefix, at in (("prev_word", n - 1), ("word", n), ("next_word", n + 1)):
        inside = 0 <= at < len(phrase)
        features[prefix + "_gpos"] = "content" if inside else "0"
        features["num_syls_in_" + prefix] = str(len(phrase[at]) if inside else 0)
    return features


def _of_syllable(row: list[Syllable], n: int, word: Word, place: int) -> dict[str, str]:
    """`row`: the phrase's syllables, of which this is the n-th; `place`: which one it is of its word."""
    before = [i for i in range(n) if row[i].stressed]
    after = [i for i in range(n + 1, len(row)) if row[i].stressed]
    in_word = [i for i, s in enumerate(word) if s.stressed]
    earlier, later = [i for i in in_word if i < place], [i for i in in_word if i > place]
    features = {
        "syl_pos_in_word_fw": str(place + 1),
        "syl_pos_in_word_bw": str(len(word) - place),
        "syl_pos_in_phrase_fw": str(n + 1),
        "syl_pos_in_phrase_bw": str(len(row) - n),
        "syl_vowel": row[n].vowel,
        "dist_to_prev_stressed_syl_in_word": str(place - earlier[-1] if earlier else 0),
        "dist_to_next_stressed_syl_in_word": str(later[0] - place if later else 0),
    }
    for kind in ("stressed", "accented"):
        features[f"num_{kind}_syls_in_phrase_before_this_syl"] = str(len(before))
        features[f"num_{kind}_syls_in_phrase_after_this_syl"] = str(len(after))
        features[f"dist_to_prev_{kind}_syl_in_phrase"] = str(n - before[-1] if before else 0)
        features[f"dist_to_next_{kind}_syl_in_phrase"] = str(after[0] - n if after else 0)
    for prefix, at in (("prev_syl", n - 1), ("syl", n), ("next_syl", n + 1)):
        inside = 0 <= at < len(row)
        stress = str(int(inside and row[at].stressed))
        features |= {prefix + "_stress": stress, prefix + "_accented": stress}
        features[prefix + "_length"] = str(len(row[at].phones) if inside else 0)
        features[prefix + "_vowel"] = row[at].vowel if inside else "0"
    return features


def _placed(phrases: list[Phrase]) -> list[dict[str, str]]:
    """Features of every phone and pause, but for its neighbours' names."""
    everywhere = _counts(phrases)
    placed = [{"name": PAUSE} | everywhere]
    for p, phrase in enumerate(phrases):
        row = [s for word in phrase for s in word]
        n = 0
        for w, word in enumerate(phrase):
            shared = everywhere | _of_phrase(phrases, p) | _of_word(phrase, w)
            length, at = sum(len(s.phones) for s in word), 0
            for place, syllable in enumerate(word):
                about = shared | _of_syllable(row, n, word, place)
                n += 1
                for i, phone in enumerate(syllable.phones):
                    at += 1
                    placed.append(
                        about
                        | {
                            "name": phone,
                            "pos_in_syl_fw": str(i + 1),
                            "pos_in_syl_bw": str(len(syllable.phones) - i),
                            "pos_in_word_fw": str(at),
                            "pos_in_word_bw": str(length - at + 1),
                        }
                    )
        placed.append({"name": PAUSE} | everywhere)
    return placed
