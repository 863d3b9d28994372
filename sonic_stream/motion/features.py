"""Sound -> log-mel frames, streamed.

Strictly causal: frame `i` of 10 ms sees the 25 ms of sound that end with it. The only state is the last
15 ms of samples, so any split of the sound gives the same frames.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.types import F32

FRAME_SAMPLES = MODEL_RATE_HZ // 100
"""One log-mel frame lasts 10 ms."""
FRAMES_PER_HOP = HOP_SAMPLES // FRAME_SAMPLES
WINDOW_SAMPLES = MODEL_RATE_HZ // 40
TAIL_SAMPLES = WINDOW_SAMPLES - FRAME_SAMPLES
FFT_SIZE = 512
MELS = 80
LOW_HZ, HIGH_HZ = 30.0, 7800.0
POWER_FLOOR = 1e-7
LOG_FLOOR = math.log(POWER_FLOOR)
"""Value of every band in digital silence."""


def mel_filters() -> F32:
    """Triangles on the HTK mel scale, float32 [FFT_SIZE // 2 + 1, MELS].

    Each weight is the triangle's mean over the width of its FFT bin, so that the narrow low bands
    are not empty.
    """
    low_mel, high_mel = (2595 * math.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    edges_mel = np.linspace(low_mel, high_mel, MELS + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    fine = 16
    bin_hz = MODEL_RATE_HZ / FFT_SIZE
    hz = (np.arange((FFT_SIZE // 2 + 1) * fine) / fine - 0.5 + 0.5 / fine) * bin_hz
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rise = (hz[:, None] - low) / (centre - low)
    fall = (high - hz[:, None]) / (high - centre)
    triangles = np.maximum(0, np.minimum(rise, fall))
    return np.asarray(triangles.reshape(-1, fine, MELS).mean(1), np.float32)


class LogMel(nn.Module):
    """`mel, tail = log_mel(audio, tail)` for any number of slots."""

    filters: Tensor
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)

    def rest(self, slots: int) -> Tensor:
        """The tail of a slot that has heard nothing, float32 [slots, TAIL_SAMPLES]."""
        return torch.zeros(slots, TAIL_SAMPLES, device=self.window.device)

    def forward(self, audio_SN: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Natural log of mel power, float32 [S, N // FRAME_SAMPLES, MELS], and the next tail.

        `audio_SN` is float32 at 16 kHz, N a multiple of FRAME_SAMPLES.
        """
        sound = torch.cat([tail, audio_SN], dim=1)
        frames = sound.unfold(1, WINDOW_SAMPLES, FRAME_SAMPLES) * self.window
        power = torch.view_as_real(torch.fft.rfft(frames, FFT_SIZE)).square().sum(-1)
        return torch.log(power @ self.filters + POWER_FLOOR), sound[:, -TAIL_SAMPLES:]
