"""Sound as it is heard -> the hops the model hears: 48 kHz in any chunks -> 16 kHz, 640 samples each.

Shared by live and offline use. Look-ahead: none but the resampler's 2 ms, so a hop comes out with the
packet that completes it plus that much.
"""

from __future__ import annotations

import numpy as np

from sonic_stream.media.resample import StreamResampler
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ, TICK_RATE, Ticks
from sonic_stream.types import F32, AudioChunk


class HopFramer:
    """Cuts a stream of sound at `rate_in` Hz into hops, each one picture long, without a gap.

    The first hop begins at `pts`; the tail of the sound is padded with silence to a whole hop.
    """

    def __init__(self, rate_in: int = TICK_RATE, pts: Ticks = 0, epoch: int = 0) -> None:
        self._resampler = StreamResampler(rate_in, MODEL_RATE_HZ)
        self.reset(pts, epoch)

    @property
    def delay_s(self) -> float:
        """How much later sound than its own a hop waits for."""
        return self._resampler.delay_s

    def reset(self, pts: Ticks, epoch: int) -> None:
        """Forgets what it holds; the next sound begins at `pts` and belongs to `epoch`."""
        self._resampler.reset()
        self._pts, self._epoch = pts, epoch
        self._pending: F32 = np.zeros(0, np.float32)

    def push(self, samples: F32, last: bool = False) -> list[AudioChunk]:
        """The hops that `samples` (float32 [N]) complete; with `last` all, the final one marked so.

        A stream without any sample has no hop. After `last` the framer goes on at the next hop's pts.
        """
        self._pending = np.concatenate([self._pending, self._resampler.push(samples, last)])
        if last:
            missing = -len(self._pending) % HOP_SAMPLES
            self._pending = np.concatenate([self._pending, np.zeros(missing, np.float32)])
        count = len(self._pending) // HOP_SAMPLES
        hops = []
        for i in range(count):
            piece = self._pending[i * HOP_SAMPLES : (i + 1) * HOP_SAMPLES].copy()
            hops.append(AudioChunk(self._pts, piece, MODEL_RATE_HZ, last and i == count - 1, self._epoch))
            self._pts += FRAME_TICKS
        self._pending = self._pending[count * HOP_SAMPLES :].copy()
        return hops
