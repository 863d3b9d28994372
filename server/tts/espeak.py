"""The built-in voice: espeak-ng through the `espeakng-loader` wheel (the extra `voice`), no download.

espeak-ng is licensed GPL-3.0-or-later; it is an optional part that the user installs, not part of this
package. Its library has one global state, so one worker thread owns it, and each sentence is one piece of
work: speech of two sessions takes turns, and an interruption costs at most the rest of a sentence's
synthesis, a few milliseconds.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from server.tts.base import Sound, Voice, VoiceFailedError, Word
from server.tts.sentences import sentences
from sonic_stream.errors import MissingPieceError
from sonic_stream.types import F32

_SYNCHRONOUS = 2
_TEXT_UTF8 = 1
_POSITION_CHARACTER = 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7
_WORDS_PER_MINUTE = 158

VOICES = (
    ("en-us", "low", "m3", 42, "English (US), low", "en-US"),
    ("en-us", "high", "f2", 48, "English (US), high", "en-US"),
    ("en-us", "deep", "m3", 28, "English (US), deep", "en-US"),
    ("en-us", "mature", "f1", 30, "English (US), mature", "en-US"),
    ("en-us", "young", "f4", 60, "English (US), young", "en-US"),
    ("en-us", "small", "f3", 90, "English (US), small", "en-US"),
    ("en-gb", "low", "m3", 42, "English (UK), low", "en-GB"),
    ("en-gb", "high", "f2", 48, "English (UK), high", "en-GB"),
    ("de", "low", "m3", 42, "Deutsch, tief", "de"),
    ("de", "high", "f2", 48, "Deutsch, hoch", "de"),
    ("fr-fr", "high", "f2", 48, "Français", "fr"),
    ("es", "low", "m3", 42, "Español", "es"),
    ("it", "high", "f2", 48, "Italiano", "it"),
    ("pt-br", "high", "f2", 48, "Português (Brasil)", "pt-BR"),
    ("nl", "low", "m3", 42, "Nederlands", "nl"),
    ("pl", "high", "f2", 48, "Polski", "pl"),
    ("sv", "high", "f2", 48, "Svenska", "sv"),
    ("tr", "low", "m3", 42, "Türkçe", "tr"),
    ("hi", "high", "f2", 48, "हिन्दी", "hi"),
    ("cmn", "high", "f2", 48, "中文", "zh"),
    ("ja", "high", "f2", 48, "日本語", "ja"),
)
"""Language, kind (with the language the id), variant, pitch 0-100, label, BCP 47 tag."""
_FILES = {"en-gb": "en", "fr-fr": "fr"}
"""What the library calls a language where that is not its name."""


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h; a list of them ends with type 0, words have type 1."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_WORD = 1
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """The C library; every method runs on the one worker thread."""

    def __init__(self) -> None:
        try:
            import espeakng_loader

            self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
            data = str(espeakng_loader.get_data_path())
        except (ImportError, OSError, RuntimeError) as error:
            raise MissingPieceError(
                "The built-in voice is not installed; run: pip install 'sonic-stream[voice]'."
            ) from error
        # The wheel's library looks for its data one level up from what it is given.
        rate_hz = self._lib.espeak_Initialize(_SYNCHRONOUS, 100, data.encode(), 0)
        if rate_hz <= 0:
            raise MissingPieceError(
                "The built-in voice cannot find its data; reinstall the package espeakng-loader."
            )
        self.rate_hz = int(rate_hz)
        self._chunks: list[F32] = []
        self._words: list[tuple[int, int, int]] = []
        self._stop: threading.Event | None = None
        self._callback = _Callback(self._collect)  # kept: the library holds only a pointer
        self._lib.espeak_SetSynthCallback(self._callback)
        self._settings: tuple[str, float, int] | None = None

    def _collect(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if events:
            self._note_words(events)
        if self._stop is not None and self._stop.is_set():
            return 1
        if count > 0 and samples:
            chunk = np.ctypeslib.as_array(samples, shape=(count,)).astype(np.float32)
            self._chunks.append((chunk / 32768).astype(np.float32))
        return 0

    def _note_words(self, events: ctypes._Pointer[_Event]) -> None:
        index = 0
        while events[index].type:
            event, index = events[index], index + 1
            start = event.text_position - 1  # it counts from 1
            # A number is told once for each word that it is spoken as.
            if event.type == _WORD and (not self._words or start >= self._words[-1][1]):
                self._words.append((start, start + event.length, event.sample))

    def speak(
        self, text: str, name: str, pitch: int, rate: float, stop: threading.Event
    ) -> tuple[F32, list[tuple[int, int, int]]]:
        """One piece of text as sound, float32 [N] at `rate_hz`, and (start, end, sample) of its words."""
        if self._settings != (name, rate, pitch):
            self._settings = None
            if self._lib.espeak_SetVoiceByName(name.encode()) != 0:
                raise VoiceFailedError(f"espeak-ng has no voice '{name}'; reinstall espeakng-loader.")
            for parameter, value in (
                (_RATE, round(_WORDS_PER_MINUTE * rate)),
                (_VOLUME, 100),
                (_PITCH, pitch),
                (_RANGE, 55),
                (_WORD_GAP, 0),
            ):
                self._lib.espeak_SetParameter(parameter, value, 0)
            self._settings = (name, rate, pitch)
        self._chunks, self._words, self._stop = [], [], stop
        encoded = text.encode("utf-8", "replace")
        self._lib.espeak_Synth(encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0, _TEXT_UTF8, None, None)
        sound = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.float32)
        return sound, self._words


class EspeakEngine:
    """Implements `VoiceEngine`. Errors: `MissingPieceError` at `load`."""

    def __init__(self, library: _Library, worker: ThreadPoolExecutor) -> None:
        self._library = library
        self._worker = worker
        self._voices = {
            f"{language}-{kind}": (f"{_FILES.get(language, language)}+{variant}", pitch)
            for language, kind, variant, pitch, _, _ in VOICES
        }
        ids = list(self._voices)
        self._list = [Voice(ids[i], label, tag) for i, (*_, label, tag) in enumerate(VOICES)]

    @classmethod
    def load(cls) -> EspeakEngine:
        worker = ThreadPoolExecutor(1, thread_name_prefix="espeak")
        try:
            return cls(worker.submit(_Library).result(), worker)
        except BaseException:
            worker.shutdown(wait=False)
            raise

    @property
    def voices(self) -> Sequence[Voice]:
        return self._list

    async def speak(self, text: str, voice: str, rate: float) -> AsyncIterator[Sound]:
        name, pitch = self._voices[voice]
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        passed = 0
        try:
            for sentence in sentences(text):
                begin = max(passed, text.find(sentence, passed))
                sound, words = await loop.run_in_executor(
                    self._worker, self._library.speak, sentence, name, pitch, rate, stop
                )
                # In short chunks, so that whoever plays it can stop between them.
                step = self._library.rate_hz // 5
                for start in range(0, len(sound), step):
                    within = [w for w in words if start <= w[2] < start + step]
                    yield Sound(
                        sound[start : start + step],
                        self._library.rate_hz,
                        tuple(Word(begin + a, begin + b, at - start) for a, b, at in within),
                    )
                passed = begin + len(sentence)
        finally:
            stop.set()

    async def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)
