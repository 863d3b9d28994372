"""What runs the network one hop at a time: ONNX Runtime where it can, else torch.

Both hold the same weights and give the same numbers (a test says so). On a CPU ONNX Runtime takes about a
fifth of the time of eager torch, whose cost for so small a network is mostly its own book-keeping.
A backend owns the state of all slots; the caller names the rows it wants to advance.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from sonic_stream import onnx_file
from sonic_stream.motion.features import FRAMES_PER_HOP, MELS
from sonic_stream.motion.model import MotionNet, NetState
from sonic_stream.types import F32


class Backend(Protocol):
    """Advances slots by one hop."""

    name: str

    def open(self, slots: int) -> None:
        """Room for that many slots, all at rest."""
        ...

    def reset(self, slot: int) -> None: ...

    def step(self, slots: list[int], mel_SFM: F32) -> tuple[F32, F32]:
        """Curves [S, lookaheads, channels] and event logits [S, lookaheads, events] of one picture each."""
        ...


class TorchBackend:
    """Eager torch: needs nothing but the weights, and runs wherever they are."""

    name = "torch"

    def __init__(self, net: MotionNet) -> None:
        self._net = net
        self._rest = net.rest(1)
        self._state = net.rest(1)

    def open(self, slots: int) -> None:
        self._state = self._net.rest(slots)

    def reset(self, slot: int) -> None:
        for kept, rest in zip(self._state, self._rest, strict=True):
            kept[slot] = rest[0]

    @torch.inference_mode()
    def step(self, slots: list[int], mel_SFM: F32) -> tuple[F32, F32]:
        rows = torch.tensor(slots)
        before = NetState(*(part[rows] for part in self._state))
        out, after = self._net(torch.from_numpy(mel_SFM), before)
        for kept, new in zip(self._state, after, strict=True):
            kept[rows] = new
        return out.curves[:, 0].numpy(), out.events[:, 0].numpy()


class AllSlotsBackend:
    """Torch with every slot in one step of fixed shape, and a mask for those that run: made for a GPU.

    There the step is captured once as a CUDA graph and replayed, because launching so small a network's
    kernels one by one takes longer than running them. On another device the same step runs as it is.
    """

    def __init__(self, net: MotionNet, device: torch.device) -> None:
        self.name = f"torch on {device.type}"
        self._net, self._device = copy.deepcopy(net).to(device), device
        self._graph: torch.cuda.CUDAGraph | None = None
        self.open(1)

    @torch.inference_mode()
    def open(self, slots: int) -> None:
        self._rest = self._net.rest(1)
        self._state = self._net.rest(slots)
        self._mel = torch.zeros(slots, FRAMES_PER_HOP, MELS, device=self._device)
        self._run = torch.zeros(slots, dtype=torch.bool, device=self._device)
        self._out = self._advance()  # with no slot running: the state stays
        if self._device.type == "cuda":
            self._capture()

    def _advance(self) -> tuple[torch.Tensor, torch.Tensor]:
        out, after = self._net(self._mel, self._state, self._run)
        for kept, new in zip(self._state, after, strict=True):
            kept.copy_(new)
        return out.curves[:, 0], out.events[:, 0]

    def _capture(self) -> None:
        # Libraries want to have run before they are recorded.
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._advance()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._out = self._advance()

    @torch.inference_mode()
    def reset(self, slot: int) -> None:
        for kept, rest in zip(self._state, self._rest, strict=True):
            kept[slot] = rest[0]

    @torch.inference_mode()
    def step(self, slots: list[int], mel_SFM: F32) -> tuple[F32, F32]:
        rows = torch.tensor(slots, device=self._device)
        self._mel[rows] = torch.from_numpy(mel_SFM).to(self._device)
        self._run.zero_()
        self._run[rows] = True
        if self._graph is not None:
            self._graph.replay()
            curves, events = self._out
        else:
            curves, events = self._advance()
        return curves[rows].cpu().numpy(), events[rows].cpu().numpy()


class OnnxBackend:
    """ONNX Runtime on one thread."""

    name = "onnxruntime"

    def __init__(self, session: Any, net: MotionNet) -> None:
        self._run = session.run
        self._net = net
        self._rest = [part.numpy() for part in net.rest(1)]
        self._state = [part.copy() for part in self._rest]

    def open(self, slots: int) -> None:
        self._state = [np.repeat(part, slots, axis=0) for part in self._rest]

    def reset(self, slot: int) -> None:
        for kept, rest in zip(self._state, self._rest, strict=True):
            kept[slot] = rest[0]

    def step(self, slots: list[int], mel_SFM: F32) -> tuple[F32, F32]:
        given = {name: part[slots] for name, part in zip(NetState._fields, self._state, strict=True)}
        curves, events, *after = self._run(None, {"mel": mel_SFM, **given})
        for kept, new in zip(self._state, after, strict=True):
            kept[slots] = new
        return curves[:, 0], events[:, 0]


def onnx_session(weights: Path) -> tuple[Any, str]:
    """The ONNX file beside the weights, ready to run; else None and what stands in the way."""
    return onnx_file.session(weights.with_suffix(".onnx"), onnx_file.hash_of(weights))


def best_backend(net: MotionNet, weights: Path, device: str = "cpu") -> Backend:
    """For "cuda" all slots at once there; else ONNX Runtime if it has these very weights, else torch, with a
    warning."""
    if device == "cuda":
        return AllSlotsBackend(net, torch.device("cuda"))
    session, missing = onnx_session(weights)
    if session is not None:
        return OnnxBackend(session, net)
    warnings.warn(
        f"The motion network runs in torch, some 2 ms a picture slower: {missing}; make it with:"
        " python -m sonic_stream.train.export",
        stacklevel=2,
    )
    return TorchBackend(net)
