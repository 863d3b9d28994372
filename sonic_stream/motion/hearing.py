"""How likely is it that somebody speaks? The motion network's own answer, for sound that drives no face.

The network was taught to keep the mouth still in noise, music, clicks and a crowd; of its outputs only the
chance of speech without look-ahead is used here. Measured on such sounds it is wrong in 1-2 % of the hops,
where a usual voice-activity detector is in half of them or more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sonic_stream.errors import BadInputError
from sonic_stream.motion.backends import Backend, best_backend
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.weights import SHIPPED, load_net
from sonic_stream.timebase import HOP_SAMPLES
from sonic_stream.types import F32

SPEECH_EVENT = 2
"""The network's output that says how likely speech is."""


class SpeechMeter:
    """Streaming, one state for each of `capacity` ears; belongs to one thread at a time."""

    def __init__(self, backend: Backend, head: int, capacity: int) -> None:
        self._backend, self._head, self._log_mel = backend, head, LogMel()
        self._tail = self._log_mel.rest(capacity)
        self._backend.open(capacity)

    @classmethod
    def load(cls, capacity: int = 1, path: Path = SHIPPED) -> SpeechMeter:
        """With the shipped weights. Errors: `MissingPieceError` where they are absent."""
        net, _ = load_net(path)
        return cls(best_backend(net, path), net.config.lookaheads.index(0), capacity)

    def reset(self, ear: int) -> None:
        """That ear has heard nothing yet."""
        self._backend.reset(ear)
        self._tail[ear] = 0

    @torch.inference_mode()
    def step(self, ear: int, hop: F32) -> float:
        """The chance of speech, 0..1, at the end of `hop`: float32 [HOP_SAMPLES] at 16 kHz."""
        if hop.shape != (HOP_SAMPLES,):
            raise BadInputError(f"A hop has {HOP_SAMPLES} samples at 16 kHz, not {hop.shape}.")
        mel, tail = self._log_mel(torch.from_numpy(hop[None]), self._tail[[ear]])
        self._tail[[ear]] = tail
        _, events = self._backend.step([ear], mel.numpy())
        return float(1 / (1 + np.exp(-events[0, self._head, SPEECH_EVENT])))
