"""What runs the decoder's networks: ONNX Runtime on a CPU where it can, else torch; torch's graphs on CUDA.

All hold the same weights. In float32 their answers agree within `AGREEMENT` 8-bit steps; where parts are
reckoned in 8 bits or bfloat16, within `ROUGH_AGREEMENT` on average (tests say so). The leading axis is a
batch: patches of as many pictures and sessions as the caller has.
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
from sonic_stream.picture.decoder_net import DecoderNet
from sonic_stream.picture.decoder_weights import (
    FIRST,
    FIRST_IN_8_BITS,
    KINDS,
    LATER,
    SHIPPED,
    load_nets,
    onnx_path,
)
from sonic_stream.types import F32, U8

AGREEMENT: Final = 0.5
"""Largest difference between two backends' answers, 8-bit steps: no pixel is off by more than one."""
ROUGH_AGREEMENT: Final = 0.5
"""Mean difference from float32, 8-bit steps, where a backend reckons in 8 bits or bfloat16."""
_ON_CPU: Final = "on a CPU ONNX Runtime takes about half of torch's time for so small a network"
_IN_8_BITS: Final = "; half of the mouth's layers in 8 bits, which this processor multiplies fast"
_BYTE_PRODUCTS: Final = ("avx512_vnni", "avx_vnni")
"""Without one of these, products of bytes are no faster on x86, and may overflow."""


class Backend(Protocol):
    """Refines patches of one kind ("mouth", "eye")."""

    @property
    def name(self) -> str: ...

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        """What `steps` steps add to patches, float32 [N, 3, h, w], 8-bit steps.

        `inputs` uint8 [N, h, w, MAPS], `reference` uint8 [N, h, w, 3], `tone` float32 [N, 4].
        """
        ...


class TorchBackend:
    """Eager torch on the CPU."""

    name = "torch on cpu"

    def __init__(self, nets: dict[str, DecoderNet]) -> None:
        self._nets = nets

    @torch.inference_mode()
    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        looked, own, colours = map(torch.from_numpy, (inputs, reference, tone))
        change: F32 = self._nets[kind].painted(looked, own, colours, steps).numpy()
        return change


class OnnxBackend:
    """ONNX Runtime on one thread: a network's first step, and any further one."""

    name = "ONNX Runtime on cpu"

    def __init__(self, first: dict[str, Any], later: dict[str, Any]) -> None:
        """Sessions by kind."""
        self._first, self._later = first, later

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        given = {"inputs": inputs, "reference": reference, "tone": tone}
        state, change = self._first[kind].run(None, given)
        for step in range(1, steps):
            number = np.full(len(inputs), step, np.int64)
            state, change = self._later[kind].run(None, {**given, "state": state, "step": number})
        answer: F32 = change
        return answer


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend that was chosen, and why, in one sentence."""

    backend: Backend
    reason: str


def choose(device: str = "cpu", weights: Path = SHIPPED, in_8_bits: bool | None = None) -> Choice:
    """The fastest backend for a device ("cpu", "cuda", "auto"); `in_8_bits` None: where that is faster.

    Errors: `MissingPieceError` for weights that are absent or of another version, `BadInputError` for a
    device that torch does not have.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise BadInputError(f"Device '{device}' is not known to the decoder; use 'cpu', 'cuda' or 'auto'.")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError("Device 'cuda' was asked for, but torch finds no CUDA here; use 'cpu' or 'auto'.")
    if device != "cpu" and torch.cuda.is_available():
        return _on_gpu(weights, in_8_bits)
    if not weights.exists():
        load_nets(weights)  # tells what is missing
    backend, missing = _onnx(weights)
    if backend is None:
        reason = f"{missing}; make it with: python -m sonic_stream.train.decoder_export {weights}"
        warnings.warn(
            f"The decoder runs in torch, some milliseconds a picture slower: {reason}", stacklevel=2
        )
        return Choice(TorchBackend(load_nets(weights)), reason)
    if multiplies_bytes() if in_8_bits is None else in_8_bits:
        quick, _ = _sessions(weights, FIRST_IN_8_BITS)
        if quick:
            return Choice(OnnxBackend(backend._first | quick, backend._later), _ON_CPU + _IN_8_BITS)
    return Choice(backend, _ON_CPU)


def multiplies_bytes() -> bool:
    """Whether this processor has fast products of bytes, so that 8 bits pay."""
    able = torch.cpu.get_capabilities()
    return any(bool(able.get(name)) for name in _BYTE_PRODUCTS)


def _on_gpu(weights: Path, in_8_bits: bool | None) -> Choice:
    """CUDA, if what it answers there is right; else the CPU, with a warning."""
    from sonic_stream.picture.decoder_gpu import GpuBackend

    spare = choose("cpu", weights, in_8_bits)
    try:
        backend = GpuBackend(load_nets(weights), torch.device("cuda"), spare.backend)
        wrong = backend.differs_by(TorchBackend(load_nets(weights)))
    except RuntimeError as error:
        reason = f"the GPU cannot be used ({str(error).splitlines()[0]})"
    else:
        if wrong <= ROUGH_AGREEMENT:
            return Choice(backend, "torch finds CUDA, and it answers there as on the CPU")
        reason = f"the GPU's answers differ from the CPU's by {wrong:.1f} 8-bit steps"
    warnings.warn(f"The decoder paints on the CPU: {reason}.", stacklevel=3)
    return Choice(spare.backend, reason)


def _onnx(weights: Path) -> tuple[OnnxBackend | None, str]:
    """ONNX Runtime with these very weights in float32, or what stands in the way."""
    parts = []
    for part in (FIRST, LATER):
        sessions, missing = _sessions(weights, part)
        if set(sessions) != set(KINDS):
            return None, missing
        parts.append(sessions)
    return OnnxBackend(*parts), ""


def _sessions(weights: Path, part: str) -> tuple[dict[str, Any], str]:
    """The sessions there are of one part, by kind, and what stands in the way of one that is not there."""
    wanted, sessions, missing = onnx_file.hash_of(weights), {}, ""
    for kind in KINDS:
        session, wrong = onnx_file.session(onnx_path(weights, kind, part), wanted)
        if session is None:
            missing = wrong
        else:
            sessions[kind] = session
    return sessions, missing
