"""ComfyUI's values and ours: IMAGE float [B, H, W, 3] 0..1, AUDIO {waveform [B, C, T], sample_rate}.

Only one picture is converted at a time; a film is never held twice.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import StreamResampler
from sonic_stream.media.video import AudioTrack
from sonic_stream.media.video_file import TimedPicture
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32, U8

_FLOAT_BYTES: Final = 4
_FLOAT_PCM: Final = 3
_BLOCK_S: Final = 0.5


def picture_of(images: Any, index: int) -> U8:
    """One picture of an IMAGE as uint8 [H, W, 3]."""
    picture = images[index]
    scaled = picture.detach().to("cpu", torch.float32).clamp(0, 1).mul(255).round()
    return np.ascontiguousarray(scaled.to(torch.uint8).numpy())


def check_images(images: Any) -> tuple[int, int, int]:
    """Pictures, height and width of an IMAGE. Errors: `BadInputError` for another shape."""
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise BadInputError(f"An IMAGE has the shape [pictures, height, width, 3], but this one has {shape}.")
    return int(shape[0]), int(shape[1]), int(shape[2])


def portrait_bytes(images: Any) -> bytes:
    """The first picture of an IMAGE as a PNG file's bytes (compressed little: it is read once)."""
    check_images(images)
    file = io.BytesIO()
    Image.fromarray(picture_of(images, 0)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def image_of(image: U8) -> torch.Tensor:
    """uint8 [H, W, 3] as an IMAGE of one picture."""
    return torch.from_numpy(np.asarray(image)).to(torch.float32).div(255)[None]


class Film:
    """An IMAGE of `count` pictures that is filled one by one; the memory is taken once."""

    def __init__(self, count: int, height: int, width: int) -> None:
        self.images = torch.empty((count, height, width, 3), dtype=torch.float32)
        self.filled = 0

    def add(self, image: U8) -> None:
        assert self.filled < len(self.images), "as many pictures as were promised"
        torch.mul(torch.from_numpy(np.asarray(image)), 1 / 255, out=self.images[self.filled])
        self.filled += 1

    def whole(self) -> torch.Tensor:
        assert self.filled == len(self.images), (self.filled, len(self.images))
        return self.images


def film_bytes(count: int, height: int, width: int) -> int:
    """Memory that a `Film` takes."""
    return count * height * width * 3 * _FLOAT_BYTES


def timed(images: Any, fps: float) -> Iterator[TimedPicture]:
    """The pictures of an IMAGE with their times."""
    for index in range(images.shape[0]):
        yield TimedPicture(index / fps, picture_of(images, index))


def sound_of(audio: Any) -> tuple[F32, int]:
    """Samples float32 [C, T] and rate of an AUDIO; of several sounds the first.

    Errors: `BadInputError` for something else.
    """
    try:
        waveform, rate = audio["waveform"], int(audio["sample_rate"])
        shape = tuple(waveform.shape)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise BadInputError("An AUDIO with a waveform and a sample_rate is needed.") from None
    if len(shape) == 2:
        waveform = waveform[None]
    elif len(shape) != 3 or 0 in shape:
        raise BadInputError(f"A waveform has the shape [batch, channels, samples], but this one has {shape}.")
    samples = waveform[0].detach().to("cpu", torch.float32).numpy()
    return np.asarray(samples, np.float32), rate


def audio_of(samples: F32, rate: int) -> dict[str, Any]:
    """An AUDIO of samples float32 [C, T]."""
    return {"waveform": torch.from_numpy(np.ascontiguousarray(samples))[None], "sample_rate": rate}


@contextmanager
def sound_file(samples: F32, rate: int) -> Iterator[Path]:
    """The sound as a wav file of floats, as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="sonic-stream-") as folder:
        path = Path(folder) / "voice.wav"
        channels, data = samples.shape[0], np.ascontiguousarray(samples.T, "<f4").tobytes()
        frame = channels * _FLOAT_BYTES
        form = struct.pack("<HHIIHH", _FLOAT_PCM, channels, rate, rate * frame, frame, 8 * _FLOAT_BYTES)
        head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
        with path.open("wb") as file:
            file.write(b"RIFF" + struct.pack("<I", len(head) + len(data)) + head)
            file.write(data)
        yield path


def track_of(samples: F32, rate: int, length: int) -> AudioTrack:
    """The sound for a video of `length` ticks: as it is, at 48 kHz, cut or padded to that length."""
    heard = samples[:2] if samples.shape[0] <= 2 else samples.mean(axis=0, keepdims=True)
    return AudioTrack(_blocks(heard, rate, length), heard.shape[0])


def _blocks(samples: F32, rate: int, length: int) -> Iterator[F32]:
    resamplers = [StreamResampler(rate, TICK_RATE) for _ in samples]
    step, given = max(round(_BLOCK_S * rate), 1), 0
    for begin in range(0, samples.shape[1], step):
        last = begin + step >= samples.shape[1]
        piece = samples[:, begin : begin + step]
        made = np.stack([r.push(channel, last) for r, channel in zip(resamplers, piece, strict=True)])
        made = made[:, : length - given]
        given += made.shape[1]
        if made.shape[1]:
            yield made
    while given < length:
        count = min(TICK_RATE // 2, length - given)
        given += count
        yield np.zeros((samples.shape[0], count), np.float32)
