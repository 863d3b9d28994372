"""Sample-rate conversion for live sound: short delay, exact length, any chunking.

A polyphase windowed-sinc filter (Kaiser window, 80 dB). Big resampling libraries hold back 20-90 ms of
a stream; here the delay is `ZERO_CROSSINGS` periods of the lower rate, 2 ms at 16 kHz, because in live
use it adds to the time between a voice and its picture. The output is aligned with the input: output
sample m shows the instant m / rate_out.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, gcd

import numpy as np

from sonic_stream.errors import BadInputError
from sonic_stream.types import F32

ZERO_CROSSINGS = 32
"""Half length of the filter, in samples of the lower rate."""

STOPBAND_DB = 80.0
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000
_BATCH = 2048  # outputs computed at once, so that a long push stays in the processor's cache


@lru_cache(maxsize=16)
def _filter_bank(up: int, down: int) -> F32:
    """Filter taps of every phase, float32 [up, 2 * half], for the reduced ratio up / down."""
    low = min(1.0, up / down)
    half = ceil(ZERO_CROSSINGS / low)
    # Kaiser's formulas: the stop band begins at the lower Nyquist frequency, the pass band yields.
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    transition = (STOPBAND_DB - 8.0) / (2.285 * np.pi * 2 * ZERO_CROSSINGS)
    cutoff = low * (1.0 - transition / 2)
    phase = np.arange(up)[:, None] / up
    at = np.arange(2 * half)[None, :] - (half - 1) - phase
    window = np.i0(beta * np.sqrt(np.clip(1.0 - (at / half) ** 2, 0.0, 1.0))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * at) * window
    taps /= taps.sum(axis=1, keepdims=True)  # every phase passes a constant unchanged
    return taps.astype(np.float32)


def check_rate(rate_hz: int) -> int:
    """`rate_hz` if sound may have it. Errors: `BadInputError`."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise BadInputError(
            f"A sample rate of {rate_hz} Hz is not usable; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are."
        )
    return rate_hz


class StreamResampler:
    """Turns float32 mono sound at `rate_in` Hz into `rate_out` Hz, chunk by chunk.

    Any chunking gives the same samples (to float32 rounding); N samples in, closed by `last`, give
    exactly round(N * rate_out / rate_in) out. `delay_s` is how much later input an output needs.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        divisor = gcd(check_rate(rate_in), check_rate(rate_out))
        self.rate_in, self.rate_out = rate_in, rate_out
        self._up, self._down = rate_out // divisor, rate_in // divisor
        self._taps = _filter_bank(self._up, self._down) if rate_in != rate_out else None
        self._half = self._taps.shape[1] // 2 if self._taps is not None else 0
        self.reset()

    @property
    def delay_s(self) -> float:
        return self._half / self.rate_in

    def reset(self) -> None:
        """Forgets all sound, as if new."""
        self._fed = 0
        self._made = 0
        # `_kept[0]` is input sample `_kept_from`; the sound before the first sample is silence.
        self._kept: F32 = np.zeros(max(self._half - 1, 0), np.float32)
        self._kept_from = -len(self._kept)

    def push(self, samples: F32, last: bool = False) -> F32:
        """The output that `samples` (float32 [N]) completes, float32 [M]; all of it when `last`.

        After `last` the resampler is as new.
        """
        if self._taps is None:
            return np.array(samples, np.float32)
        self._fed += len(samples)
        tail = np.zeros(self._half if last else 0, np.float32)
        self._kept = np.concatenate([self._kept, samples, tail]).astype(np.float32, copy=False)
        if last:
            stop = round(Fraction(self._fed * self._up, self._down))
        else:
            # Output m needs input up to floor(m * down / up) + half.
            stop = max(((self._fed - self._half) * self._up - 1) // self._down + 1, self._made)
        out = self._filter(self._made, stop)
        self._made = stop
        if last:
            self.reset()
        else:
            needed_from = self._made * self._down // self._up - self._half + 1
            drop = max(needed_from - self._kept_from, 0)
            self._kept = self._kept[drop:].copy()
            self._kept_from += drop
        return out

    def _filter(self, start: int, stop: int) -> F32:
        assert self._taps is not None
        out = np.empty(stop - start, np.float32)
        if not len(out):
            return out
        windows = np.lib.stride_tricks.sliding_window_view(self._kept, 2 * self._half)
        for begin in range(start, stop, _BATCH):
            at = np.arange(begin, min(begin + _BATCH, stop), dtype=np.int64) * self._down
            first = at // self._up - self._half + 1 - self._kept_from
            np.einsum(
                "nk,nk->n", windows[first], self._taps[at % self._up], out=out[begin - start :][: len(at)]
            )
        return out
