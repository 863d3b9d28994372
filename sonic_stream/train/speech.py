"""Synthetic voices that say when each phone sounds: espeak-ng and flite (and see `festival`, `open_jtalk`).

espeak-ng comes as a Python package (`espeakng-loader`) and speaks most of the corpus; flite is a program
(a Debian package) and is left out where it is not installed.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sonic_stream.errors import MissingPieceError
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.phones import (
    ARPABET,
    SILENCE,
    Alphabet,
    Segment,
    classes_of,
    ipa,
    join_stop_gaps,
    spread,
)
from sonic_stream.train.sentences import Speaker
from sonic_stream.types import F32

ESPEAK_TEXT_IS_UTF8 = 1
ESPEAK_RETRIEVE = 1
ESPEAK_PHONEME_EVENTS_IPA = 1 | 2
ESPEAK_PHONEME = 7
ESPEAK_RATE, ESPEAK_PITCH, ESPEAK_RANGE = 1, 3, 4
ESPEAK_TEXT_IN_IPA = 2 | ord("_") << 8
"""Ask for IPA with a line between phonemes."""

ESPEAK_VARIANTS = """
    Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario
    Michael Mike Nguyen Reed RicishayMax Storm adam anika antonio belinda benjamin boris caleb
    david ed edward edward2 f1 f2 f3 f4 f5 grandma grandpa gustave ian iven iven2 iven3 john klatt
    klatt2 klatt3 klatt4 klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert
    pablo paul pedro quincy robert sandro shelby steph steph2 steph3 travis victor zac
"""
"""Names of espeak-ng's voice variants, space-separated; 'rob' crashes the library now and then."""
ENGLISH_ACCENTS = ("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029")
FLITE_VOICES = {"slt": 175, "rms": 105, "awb": 125}
"""Voices and their usual pitch, Hz."""
LONGEST_SILENCE = 50
"""Sentences in a row that may give nothing useful before a voice is given up."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Sound at 16 kHz, float32 [N], the phones in it from 0 to its end, and who said it."""

    samples: F32
    segments: list[Segment]
    voice: str


def _utterance(samples: F32, rate_hz: int, segments: list[Segment], voice: str) -> Utterance | None:
    if rate_hz != MODEL_RATE_HZ:
        samples = soxr.resample(samples, rate_hz, MODEL_RATE_HZ)
    length_s = len(samples) / MODEL_RATE_HZ
    if not 0.8 <= length_s <= 15 or not segments or abs(segments[-1].end_s - length_s) > 0.6:
        return None
    if segments[-1].end_s < length_s:
        segments = [*segments, Segment(SILENCE, segments[-1].end_s, length_s)]
    loudest = float(np.abs(samples).max())
    if loudest < 0.01:
        return None
    return Utterance((samples * (0.7 / loudest)).astype(np.float32), segments, voice)


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


class Espeak:
    """The espeak-ng library, asked for sound and phoneme events (speak_lib.h). See `espeak_library`."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise MissingPieceError(
                "Making speech needs espeak-ng; install it with: pip install espeakng-loader"
            ) from None
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate_hz: int = self._library.espeak_Initialize(
            ESPEAK_RETRIEVE, 500, data, ESPEAK_PHONEME_EVENTS_IPA
        )
        self._sound: list[np.ndarray[tuple[int], np.dtype[np.int16]]] = []
        self._phonemes: list[tuple[int, str]] = []
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = kind(self._receive)  # held: the library keeps only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes.Array[_Event]
    ) -> int:
        if count > 0 and samples:
            self._sound.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == ESPEAK_PHONEME:
                self._phonemes.append((events[i].sample, events[i].id.string.decode("utf-8", "ignore")))
            i += 1
        return 0

    def say(
        self, text: str, voice: str, rate: int = 175, pitch: int = 50, pitch_range: int = 50
    ) -> Utterance | None:
        """`text` as `voice` ('language' or 'language+variant') speaks it; None if nothing useful came."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in ((ESPEAK_RATE, rate), (ESPEAK_PITCH, pitch), (ESPEAK_RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._sound, self._phonemes = [], []
        spoken = text.encode()
        self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, ESPEAK_TEXT_IS_UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._sound or len(self._phonemes) < 4:
            return None
        samples = np.concatenate(self._sound).astype(np.float32) / 32768
        starts = [start / self.rate_hz for start, _ in self._phonemes]
        ends = [*starts[1:], len(samples) / self.rate_hz]
        segments: list[Segment] = []
        for (_, name), start_s, end_s in zip(self._phonemes, starts, ends, strict=True):
            if end_s <= start_s:
                continue
            classes, stressed = ipa(name)
            if not name.strip("_ :"):
                classes = (SILENCE,)
            if classes:
                segments += spread(classes, start_s, end_s, stressed)
            elif segments:  # a mark without a sound of its own lengthens what went before
                last = segments.pop()
                segments.append(Segment(last.phone, last.start_s, end_s, last.stressed))
        return _utterance(
            np.asarray(samples, np.float32), self.rate_hz, join_stop_gaps(segments), "espeak:" + voice
        )

    def phonemes(self, text: str, language: str) -> list[str]:
        """How `text` is read, clause by clause: IPA, `_` between phonemes, spaces between words."""
        if self._library.espeak_SetVoiceByName(language.encode()) != 0:
            return []
        read = self._library.espeak_TextToPhonemes
        read.restype = ctypes.c_char_p
        left, clauses = ctypes.c_char_p(text.encode()), []
        while left.value:
            clause: bytes | None = read(ctypes.byref(left), ESPEAK_TEXT_IS_UTF8, ESPEAK_TEXT_IN_IPA)
            clauses.append((clause or b"").decode("utf-8", "ignore"))
        return clauses


@lru_cache(maxsize=1)
def espeak_library() -> Espeak:
    """The process's one espeak-ng: the library keeps its state in globals."""
    return Espeak()


def espeak(language: str, seed: int) -> Iterator[Utterance]:
    """Endless speech in a language by espeak-ng, another voice for every sentence.

    Ends only where the library cannot speak the language.
    """
    engine, rng = espeak_library(), random.Random(f"{language} {seed}")
    speaker = Speaker(language, rng)
    silent = 0
    while silent < LONGEST_SILENCE:
        voice = rng.choice(ENGLISH_ACCENTS) if language == "en-us" else language
        variant = rng.choice(["", *(f"+{v}" for v in ESPEAK_VARIANTS.split())])
        said = engine.say(
            speaker.sentence(),
            voice + variant,
            rng.randint(125, 240),
            rng.randint(15, 90),
            rng.randint(20, 85),
        )
        silent = 0 if said else silent + 1
        if said:
            yield said


def flite(seed: int) -> Iterator[Utterance]:
    """Endless English by flite's recorded voices; nothing where flite is not installed."""
    if not shutil.which("flite"):
        return
    rng = random.Random(f"flite {seed}")
    speaker = Speaker("en-us", rng)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        while True:
            voice = rng.choice(sorted(FLITE_VOICES))
            pitch_hz = FLITE_VOICES[voice] * rng.uniform(0.8, 1.25)
            settings = [
                f"duration_stretch={rng.uniform(0.8, 1.25):.2f}",
                f"int_f0_target_mean={pitch_hz:.0f}",
            ]
            manner = ["-voice", voice, "-psdur", "--setf", settings[0], "--setf", settings[1]]
            told = subprocess.run(
                ["flite", *manner, "-t", speaker.sentence(), "-o", str(wav)],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            pairs = [token.rsplit(":", 1) for token in told.split() if ":" in token]
            said = timed(wav, [(name, float(end)) for name, end in pairs], "flite:" + voice)
            if said:
                yield said


def timed(
    wav: Path,
    phones: Sequence[tuple[str, float]],
    voice: str,
    alphabet: Alphabet = ARPABET,
    late_s: float = 0.0,
) -> Utterance | None:
    """A program's sound file with its (phone, end in seconds) list, all edges `late_s` later.

    None where a phone is not in the alphabet, the sound is unreadable or the two do not fit together.
    """
    segments: list[Segment] = []
    start_s = 0.0
    for name, said_end_s in phones:
        classes = classes_of(name, alphabet)
        if classes is None:
            return None
        end_s = said_end_s + late_s
        segments += spread(classes, start_s, end_s, stressed=name.endswith("1"))
        start_s = end_s
    try:
        read, rate_hz = soundfile.read(wav, dtype="float32")
    except soundfile.SoundFileError:
        return None
    return _utterance(np.asarray(read, np.float32), rate_hz, segments, voice)
