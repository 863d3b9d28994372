"""What runs the decoder's networks: ONNX Runtime on a CPU where it can, else torch; torch on CUDA.

All hold the same weights and agree within `AGREEMENT` 8-bit steps in float32 (a test says so). The leading
axis is a batch: patches of as many pictures and sessions as the caller has.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from sonic_stream import onnx_file
from sonic_stream.errors import BadInputError
from sonic_stream.picture.decoder_net import STATE, DecoderNet
from sonic_stream.picture.decoder_weights import KINDS, SHIPPED, load_nets, onnx_path
from sonic_stream.types import F32, U8

AGREEMENT: Final = 0.5
"""Largest difference between two backends' answers, 8-bit steps: no pixel is off by more than one."""
ON_CPU: Final = "on a CPU ONNX Runtime takes about half of torch's time for so small a network"


class Backend(Protocol):
    """Refines patches of one kind ("mouth", "eye")."""

    name: str

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        """What `steps` steps add to patches, float32 [N, 3, h, w], 8-bit steps.

        `inputs` uint8 [N, h, w, MAPS], `reference` uint8 [N, h, w, 3], `tone` float32 [N, 4].
        """
        ...


class TorchBackend:
    """Eager torch on any device."""

    def __init__(self, nets: dict[str, DecoderNet], device: str = "cpu") -> None:
        self.name = f"torch on {device}"
        self._device = torch.device(device)
        self._nets = {kind: net.to(self._device) for kind, net in nets.items()}

    @torch.inference_mode()
    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        net = self._nets[kind]
        looked, own, colours = (torch.from_numpy(a).to(self._device) for a in (inputs, reference, tone))
        given = net.given(looked, own, colours)
        state = net.rest(len(inputs))
        for step in range(steps):
            state = net.refine(given, state, torch.full((len(inputs),), step, device=self._device))
        change: F32 = net.shown(given, state, colours).float().cpu().numpy()
        return change


class OnnxBackend:
    """ONNX Runtime on one thread."""

    name = "ONNX Runtime on cpu"

    def __init__(self, sessions: dict[str, Any]) -> None:
        self._sessions = sessions

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        run = self._sessions[kind].run
        count, height, width = inputs.shape[:3]
        state, change = np.zeros((count, STATE, height, width), np.float32), None
        given = {"inputs": inputs, "reference": reference, "tone": tone}
        for step in range(steps):
            state, change = run(None, {**given, "state": state, "step": np.full(count, step, np.int64)})
        assert change is not None, "steps is at least 1"
        answer: F32 = change
        return answer


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend that was chosen, and why, in one sentence."""

    backend: Backend
    reason: str


def choose(device: str = "cpu", weights: Path = SHIPPED) -> Choice:
    """The fastest backend for a device ("cpu", "cuda", "auto").

    Errors: `MissingPieceError` for weights that are absent or of another version, `BadInputError` for a
    device that torch does not have.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BadInputError(f"Device '{device}' is not known to the decoder; use 'cpu', 'cuda' or 'auto'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError("Device 'cuda' was asked for, but torch finds no CUDA here; use 'cpu' or 'auto'.")
    if device != "cpu" and torch.cuda.is_available():
        return Choice(TorchBackend(load_nets(weights), "cuda"), "torch finds CUDA")
    if not weights.exists():
        load_nets(weights)  # tells what is missing
    sessions, missing = _sessions(weights)
    if sessions is not None:
        return Choice(OnnxBackend(sessions), ON_CPU)
    reason = f"{missing}; make it with: python -m sonic_stream.train.decoder_export {weights}"
    warnings.warn(f"The decoder runs in torch, some milliseconds a picture slower: {reason}", stacklevel=2)
    return Choice(TorchBackend(load_nets(weights)), reason)


def _sessions(weights: Path) -> tuple[dict[str, Any] | None, str]:
    """ONNX sessions of these very weights, or what stands in the way."""
    wanted, sessions = onnx_file.hash_of(weights), {}
    for kind in KINDS:
        sessions[kind], missing = onnx_file.session(onnx_path(weights, kind), wanted)
        if missing:
            return None, missing
    return sessions, ""
