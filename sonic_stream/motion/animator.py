"""Hops of sound in, one face per picture out, for several slots: what the engine calls.

Owns the network, the streaming state of every slot and their behaviour; knows no portraits and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from sonic_stream.errors import BadInputError
from sonic_stream.motion.backends import Backend, best_backend
from sonic_stream.motion.behaviour import Behaviour
from sonic_stream.motion.features import LOG_FLOOR, LogMel
from sonic_stream.motion.gate import Gate, loudness_of
from sonic_stream.motion.model import NetConfig
from sonic_stream.motion.moods import MoodBlend
from sonic_stream.motion.mouth import Mouth
from sonic_stream.motion.weights import SHIPPED, load_net
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, Ticks
from sonic_stream.types import F32, FACE_CHANNELS, MOUTH_CHANNELS, Controls, MotionFrame

FULL_BLINK_FROM = 0.25
"""From this `motion_scale` on blinks shut the eyes fully: half a blink looks ill."""
BLINKS = [FACE_CHANNELS.index(name) for name in ("blink_left", "blink_right")]
CONTACTS = [MOUTH_CHANNELS.index(name) for name in ("close", "labiodental")]


@dataclass(slots=True)
class _Slot:
    """What one slot remembers besides the network's state."""

    behaviour: Behaviour
    gate: Gate
    mouth: Mouth
    mood: MoodBlend = field(default_factory=MoodBlend)
    loudness: deque[float] = field(default_factory=deque)
    """Of the hops between the one heard and the one shown."""


class Animator:
    """`step` turns one hop per slot into one `MotionFrame` per slot."""

    def __init__(
        self, backend: Backend, config: NetConfig, units: F32, capacity: int, lookahead_hops: int
    ) -> None:
        offered = config.lookaheads
        if lookahead_hops not in offered:
            raise BadInputError(
                f"A look-ahead of {lookahead_hops} hops is not offered; choose one of "
                f"{', '.join(map(str, offered))} (40 ms each)."
            )
        self._backend, self._log_mel = backend, LogMel()
        self._head = offered.index(lookahead_hops)
        self._units, self._hops = units, lookahead_hops
        self._tail = self._log_mel.rest(capacity)
        self._backend.open(capacity)
        self._slots = [self._fresh(0) for _ in range(capacity)]

    @classmethod
    def load(
        cls, capacity: int = 4, lookahead_hops: int = 2, path: Path = SHIPPED, device: str = "cpu"
    ) -> Animator:
        """With the shipped weights, or those at `path`, on "cpu" or "cuda".

        Errors: `MissingPieceError` where they are absent or of another version.
        """
        net, units = load_net(path)
        return cls(best_backend(net, path, device), net.config, units, capacity, lookahead_hops)

    @property
    def lookahead(self) -> Ticks:
        """How much later sound a picture has heard."""
        return self._hops * FRAME_TICKS

    @property
    def capacity(self) -> int:
        return len(self._slots)

    @property
    def backend(self) -> str:
        """What runs the network: 'onnxruntime', 'torch', or 'torch on cuda'."""
        return self._backend.name

    def _fresh(self, seed: int) -> _Slot:
        return _Slot(
            Behaviour(seed),
            Gate(),
            Mouth(self._units),
            loudness=deque([LOG_FLOOR] * self._hops),
        )

    def reset(self, slot: int, seed: int = 0) -> None:
        """The slot back to rest; `seed` decides its blinks, gaze and head."""
        self._slots[slot] = self._fresh(seed)
        self._backend.reset(slot)
        self._tail[slot] = 0

    def cut(self, slot: int) -> None:
        """The slot's speech was interrupted: its mouth shuts over the next three pictures."""
        self._slots[slot].gate.cut()

    @torch.inference_mode()
    def step(
        self,
        slots: Sequence[int],
        pts: Sequence[Ticks],
        hops: F32 | Sequence[F32],
        controls: Sequence[Controls],
    ) -> list[MotionFrame]:
        """The faces that these hops complete: each shows the sound at its `pts` less `lookahead`.

        `hops` is float32 [n, HOP_SAMPLES] at 16 kHz, row i for `slots[i]`; a slot appears once. Samples
        that are no finite number count as silence. Slots not named stay as they are.
        """
        given = np.asarray(hops, np.float32)
        if given.shape != (len(slots), HOP_SAMPLES):
            raise BadInputError(
                f"Sound of shape {given.shape} was given for {len(slots)} faces; "
                f"each needs {HOP_SAMPLES} samples at 16 kHz."
            )
        sound = np.where(np.isfinite(given), np.clip(given, -1, 1), np.float32(0))
        rows = torch.tensor(slots)
        mel, tail = self._log_mel(torch.from_numpy(sound), self._tail[rows])
        self._tail[rows] = tail
        heard = mel.numpy()
        curves, logits = self._backend.step(list(slots), heard)
        chances = 1 / (1 + np.exp(-logits[:, self._head]))
        return [
            self._frame(self._slots[slot], when, heard[i], curves[i, self._head], chances[i], control)
            for i, (slot, when, control) in enumerate(zip(slots, pts, controls, strict=True))
        ]

    def _frame(
        self, slot: _Slot, pts: Ticks, mel_FM: F32, curves: F32, events: F32, controls: Controls
    ) -> MotionFrame:
        slot.loudness.append(loudness_of(mel_FM))
        shown = slot.loudness.popleft()
        speaking = slot.gate.step(float(events[2]), slot.loudness[-1] if slot.loudness else shown)
        mouth = slot.mouth.step(curves, float(events[0]), float(events[1]), speaking)
        mouth = mouth * np.float32(controls.dynamic_scale)
        mouth[CONTACTS] = np.minimum(mouth[CONTACTS], 1)
        look, droop, habits = slot.mood.step(controls.mood, controls.mood_amount, controls.attention)
        face = slot.behaviour.step(speaking, shown, habits, controls.attention)
        blinks = face[BLINKS] * min(1.0, controls.motion_scale / FULL_BLINK_FROM)
        face = face * np.float32(controls.motion_scale) + look  # a still head may have a mood
        face[BLINKS] = 1 - (1 - blinks) * (1 - droop)
        return MotionFrame(pts - self.lookahead, np.concatenate([mouth, face]), speaking)
