"""The decoder on a GPU: many patches at once, each batch size captured once as a CUDA graph and replayed.

Launching so small a network's kernels one by one takes longer than running them. A graph has fixed shapes, so
patches are padded up to the next of a few batch sizes. Convolutions run in bfloat16, colours in float32.
On another device the same programs run without graphs, which is how they are tested where no GPU is.
"""

from __future__ import annotations

import logging
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sonic_stream.picture.decoder_backends import Backend
from sonic_stream.picture.decoder_net import DecoderNet, tone_of
from sonic_stream.picture.decoder_patch import MAPS, RIM_STEP
from sonic_stream.types import F32, U8

BATCHES: Final = (1, 4, 16, 64, 256)
_log = logging.getLogger(__name__)


class _Program:
    """One kind of patch, one batch size and one number of steps, with memory of its own."""

    def __init__(self, net: DecoderNet, batch: int, steps: int, device: torch.device, half: bool) -> None:
        self._net, self._steps, self._device, self._half = net, steps, device, half
        height, width = net.config.height_px, net.config.width_px
        shapes = (
            ((batch, height, width, MAPS), torch.uint8),
            ((batch, height, width, 3), torch.uint8),
            ((batch, 4), torch.float32),
        )
        # From pinned memory the GPU fetches for itself.
        on_gpu = device.type == "cuda"
        self._here = [torch.zeros(shape, dtype=kind, pin_memory=on_gpu) for shape, kind in shapes]
        self._there = [torch.ones(shape, dtype=kind, device=device) for shape, kind in shapes]
        self._answer_here = torch.zeros((batch, 3, height, width), pin_memory=on_gpu)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._answer = torch.empty(0)
        if on_gpu:
            self._capture()

    def _painted(self) -> Tensor:
        # A graph must hold the casts of its weights: autocast's own store of them ends with the capture.
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half, cache_enabled=False):
            inputs, reference, tone = self._there
            return self._net.painted(inputs, reference, tone, self._steps).float()

    def _capture(self) -> None:
        # Libraries want to have run before they are recorded.
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._painted()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._answer = self._painted()

    def run(self, *given: U8 | F32) -> F32:
        """As `Backend.change`, for at most as many patches as the batch holds; the rest is padding."""
        count = len(given[0])
        for patches, here, there in zip(given, self._here, self._there, strict=True):
            here[:count].copy_(torch.from_numpy(patches))
            there[:count].copy_(here[:count], non_blocking=True)
        if self._graph is None:
            self._answer = self._painted()
        else:
            self._graph.replay()
        self._answer_here[:count].copy_(self._answer[:count], non_blocking=True)
        if self._graph is not None:
            torch.cuda.current_stream(self._device).synchronize()
        return self._answer_here[:count].numpy().copy()


class GpuBackend:
    """Batches on one device. Where memory does not suffice they get smaller, and at last `spare` paints."""

    def __init__(
        self, nets: dict[str, DecoderNet], device: torch.device, spare: Backend, half: bool | None = None
    ) -> None:
        """`half` None: bfloat16 where the GPU has it."""
        if half is None:
            half = device.type == "cuda" and torch.cuda.is_bf16_supported()
        # Half precision is multiplied fastest with a pixel's channels side by side.
        last = torch.channels_last
        self._nets = {
            kind: net.to(device, memory_format=last)  # type: ignore[call-overload]
            for kind, net in nets.items()
        }
        self._device, self._half, self._spare = device, half, spare
        self._programs: dict[tuple[str, int, int], _Program] = {}
        self.most = BATCHES[-1]
        """Patches that are painted at once; 0: none, the spare backend paints."""

    @property
    def name(self) -> str:
        """Where patches are painted now."""
        if not self.most:
            return self._spare.name
        return f"torch on {self._device.type}, {'bfloat16' if self._half else 'float32'}"

    @torch.inference_mode()
    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        answers: list[F32] = []
        done = 0
        while done < len(inputs):
            if not self.most:
                rest = (inputs[done:], reference[done:], tone[done:])
                answers.append(self._spare.change(kind, *rest, steps))
                break
            now = slice(done, done + self.most)
            try:
                answers.append(self._run(kind, steps, inputs[now], reference[now], tone[now]))
            except RuntimeError as error:
                if not memory_ended(error):
                    raise
                self._lessen()
                continue
            done += len(answers[-1])
        return np.concatenate(answers)

    def _run(self, kind: str, steps: int, *given: U8 | F32) -> F32:
        batch = next(size for size in BATCHES if size >= len(given[0]))
        program = self._programs.get((kind, batch, steps))
        if program is None:
            program = _Program(self._nets[kind], batch, steps, self._device, self._half)
            self._programs[kind, batch, steps] = program
        return program.run(*given)

    def _lessen(self) -> None:
        """Smaller batches from now on; after the smallest the spare backend."""
        smaller = [0, *(size for size in BATCHES if size < self.most)]
        self.most = smaller[-1]
        self._programs.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if self.most:
            _log.warning("The GPU's memory is full; the decoder paints %d patches at once.", self.most)
        else:
            _log.warning("The GPU's memory is full; the decoder goes on on the CPU (%s).", self._spare.name)

    def differs_by(self, other: Backend) -> float:
        """Mean difference from another backend's answers to made-up patches, 8-bit steps; warms up, too."""
        differences = []
        for kind, net in self._nets.items():
            patches = made_up(net.config.width_px, net.config.height_px)
            own, theirs = (backend.change(kind, *patches, 1) for backend in (self, other))
            differences.append(np.abs(own - theirs).mean())
        return float(max(differences))


def memory_ended(error: BaseException | None) -> bool:
    """Whether `error` comes of full memory, also where that spoiled a capture, which raises another error."""
    while error is not None and not isinstance(error, torch.cuda.OutOfMemoryError):
        error = error.__cause__ or error.__context__
    return error is not None


def made_up(width: int, height: int, count: int = 1) -> tuple[U8, U8, F32]:
    """Patches that a decoder has something to say to: a half shut almond in skin, pale with a dark disc, and
    light that has changed."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    middle, along = 0.45 * height, (columns - 0.5 * width) / (0.32 * width)
    skin = rng.uniform(110, 170, (count, 1, 1, 3)) + 25 * np.sin(columns / width * 3)[None, :, :, None]
    skin += rng.normal(0, 3, (count, height, width, 3))
    ball = np.where(np.hypot(columns - 0.5 * width, rows - middle) < 0.12 * height, 40.0, 205.0)[..., None]
    open_rims, rims = (
        _almond(rows - middle, along, share * height * rng.uniform(0.8, 1.2, (count, 1, 1)))
        for share in (0.16, 0.07)
    )
    own, seen = (np.minimum(*pair)[..., None] > 0 for pair in (open_rims, rims))
    reference = np.where(own, ball, skin).astype(np.uint8)
    inputs = np.empty((count, height, width, MAPS), np.uint8)
    inputs[..., :3] = np.where(seen, ball, skin).astype(np.uint8)
    inputs[..., 3] = 255 * seen[..., 0]
    inputs[..., 4], inputs[..., 5] = (np.clip(128 + RIM_STEP * rim, 0, 255) for rim in rims)
    inputs[..., 6] = 128 + 30 * np.sin(rows / height * 6)
    return inputs, reference, tone_of(reference)


def _almond(below: F32, along: F32, half: NDArray[np.float64]) -> tuple[F32, F32]:
    """How far inside its upper and lower rim each place lies, px; `half` its height's in the middle, px."""
    high = (half * (1 - along**2)).astype(np.float32)
    return below + high, high - below
