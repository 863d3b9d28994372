"""Where a voice comes from: a sound file, PCM on standard input, a microphone.

Files and standard input are async iterators of s16le bytes for the audio socket. A microphone is a WebRTC
track, as a browser's is, so that a lost packet does not hold up the ones behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.media.audio import open_audio
from sonic_stream.timebase import PACKET_TICKS, TICK_RATE
from sonic_stream.types import F32

PACKET_S = PACKET_TICKS / TICK_RATE
MICROPHONE_LIMIT = 10
"""Packets of a microphone that may wait to be sent; the oldest goes when there are more."""


def as_s16(samples: F32) -> bytes:
    """float32 -1..1 as little-endian 16-bit bytes."""
    return bytes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())


def packets(path: str) -> Iterator[bytes]:
    """The file as s16le mono packets of 20 ms at 48 kHz. Errors: `BadInputError`."""
    rest = np.zeros(0, np.float32)
    for block in open_audio(path).blocks():
        rest = np.concatenate([rest, block])
        whole = len(rest) - len(rest) % PACKET_TICKS
        for at in range(0, whole, PACKET_TICKS):
            yield as_s16(rest[at : at + PACKET_TICKS])
        rest = rest[whole:]
    if len(rest):
        yield as_s16(rest)


async def file_packets(path: str, live: bool = False) -> AsyncIterator[bytes]:
    """`packets` as fast as they are taken, or as a microphone would send them."""
    reading = packets(path)
    begin, sent = time.monotonic(), 0
    while (packet := await asyncio.to_thread(next, reading, None)) is not None:
        if live:
            await asyncio.sleep(max(0.0, begin + sent * PACKET_S - time.monotonic()))
        sent += 1
        yield packet


async def stdin_pcm(stream: BinaryIO | None = None) -> AsyncIterator[bytes]:
    """What comes on standard input, in chunks as they come, until it ends. Errors: `BadInputError`."""
    stream = stream or sys.stdin.buffer
    with contextlib.suppress(OSError, ValueError):
        if stream.isatty():
            raise BadInputError(
                "Standard input is the keyboard; pipe raw PCM into it, such as: ffmpeg -i voice.mp3 -f s16le"
                " -ac 1 -ar 24000 - | sonic-stream-client speak - --rate 24000."
            )
    while chunk := await asyncio.to_thread(_some, stream):
        yield chunk


def _some(stream: BinaryIO) -> bytes:
    """What is there, at most 16 kB; empty at the end."""
    try:
        return os.read(stream.fileno(), 16_384)
    except (OSError, ValueError):  # no file behind it
        return stream.read(16_384)


def sound_library() -> Any:
    """The module sounddevice. Errors: `MissingPieceError` saying what to install."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise MissingPieceError(
            "Microphones and loudspeakers need the package sounddevice: pip install 'sonic-stream[client]'."
        ) from None
    except OSError:  # the package is there, the library under it is not
        raise MissingPieceError(
            "PortAudio is not installed, which microphones and loudspeakers need; on Debian:"
            " apt-get install libportaudio2, on macOS: brew install portaudio."
        ) from None


def sound_device(library: Any, wanted: str | None, kind: str) -> int | None:
    """The number of the device whose number or name (a part will do) is `wanted`; `kind` is `input` or
    `output`. Errors: `BadInputError` naming those there are, `MissingPieceError` when there is none."""
    named = {
        number: str(device["name"])
        for number, device in enumerate(library.query_devices())
        if device[f"max_{kind}_channels"] > 0
    }
    noun = "microphone" if kind == "input" else "loudspeaker"
    if not named:
        raise MissingPieceError(f"This machine has no {noun} (PortAudio finds none).")
    if wanted is None:
        return None
    for number, name in named.items():
        if wanted == str(number) or wanted.lower() in name.lower():
            return number
    there = ", ".join(f"{number} ({name})" for number, name in named.items())
    raise BadInputError(f"There is no {noun} '{wanted}'; there are {there}.")


class MicrophoneTrack(MediaStreamTrack):
    """A microphone as a WebRTC track of 20 ms packets. Make it inside a running event loop.

    Errors: `MissingPieceError`, `BadInputError` for the device.
    """

    kind = "audio"

    def __init__(self, device: str | None = None, library: Any = None) -> None:
        super().__init__()
        library = library or sound_library()
        number = sound_device(library, device, "input")
        self._event_loop = asyncio.get_running_loop()
        self._packets: deque[Any] = deque(maxlen=MICROPHONE_LIMIT)
        self._arrived = asyncio.Event()
        self._count = 0
        try:
            self._stream = library.RawInputStream(
                samplerate=TICK_RATE,
                blocksize=PACKET_TICKS,
                channels=1,
                dtype="int16",
                device=number,
                latency="low",
                callback=self._heard,
            )
            self._stream.start()
        except library.PortAudioError as error:
            raise MissingPieceError(f"The microphone cannot be opened ({error}).") from None

    def _heard(self, data: Any, frames: int, when: Any, flags: Any) -> None:
        """Called on PortAudio's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is gone
            self._event_loop.call_soon_threadsafe(self._put, bytes(data))

    def _put(self, data: bytes) -> None:
        self._packets.append((self._count, data))  # a full deque gives up its oldest
        self._count += 1
        self._arrived.set()

    async def recv(self) -> AudioFrame:
        while not self._packets:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        number, data = self._packets.popleft()
        frame = AudioFrame.from_ndarray(np.frombuffer(data, np.int16).reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = TICK_RATE, number * PACKET_TICKS
        frame.time_base = Fraction(1, TICK_RATE)
        return frame

    def stop(self) -> None:
        if self.readyState == "live":
            self._stream.close()
        super().stop()
        self._arrived.set()
