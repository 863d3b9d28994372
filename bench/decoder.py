"""Times the decoder's networks on each back end, and how far their answers differ.

    python -m bench.decoder [--weights FILE] [--runs 40] [--batches 1 4]

Core-milliseconds a patch (CPU time, median) for 1 step, for mouth and eye; agreement over 8 steps in 8-bit
steps against torch in float32. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from sonic_stream.picture.decoder_backends import Backend, TorchBackend, choose
from sonic_stream.picture.decoder_net import MAX_STEPS, tone_of
from sonic_stream.picture.decoder_patch import MAPS, SIZES
from sonic_stream.picture.decoder_weights import KINDS, SHIPPED, load_nets
from sonic_stream.types import F32, U8


def _patches(kind: str, count: int) -> tuple[U8, U8, F32]:
    rng = np.random.default_rng(0)
    width, height = SIZES["mouth" if kind == "mouth" else "eye_left"]
    inputs = rng.integers(60, 190, (count, height, width, MAPS), np.uint8)
    reference = rng.integers(60, 190, (count, height, width, 3), np.uint8)
    return inputs, reference, tone_of(reference)


class HalfBackend:
    """Torch with bfloat16 where it thinks that right."""

    name = "torch bfloat16 on cpu"

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        with torch.autocast("cpu", torch.bfloat16):
            return self._inner.change(kind, inputs, reference, tone, steps)


def _core_ms(run: Callable[[], object], runs: int) -> float:
    taken = []
    for number in range(runs + 3):
        begin = time.process_time()
        run()
        if number >= 3:
            taken.append(time.process_time() - begin)
    return 1e3 * float(np.median(taken))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    plain = TorchBackend(load_nets(chosen.weights))
    backends: list[Backend] = [choose("cpu", chosen.weights).backend, plain, HalfBackend(plain)]
    results = []
    print(f"{'back end':26}{'kind':>8}{'batch':>7}{'ms a patch':>12}{'differs by':>12}")
    for backend in backends:
        for kind in KINDS:
            truth = plain.change(kind, *_patches(kind, 1), MAX_STEPS)
            differs = float(np.abs(backend.change(kind, *_patches(kind, 1), MAX_STEPS) - truth).max())
            for batch in chosen.batches:
                patches = _patches(kind, batch)
                cost = _core_ms(lambda b=backend, k=kind, p=patches: b.change(k, *p, 1), chosen.runs) / batch
                print(f"{backend.name:26}{kind:>8}{batch:>7}{cost:12.2f}{differs:12.5f}")
                results.append(
                    {
                        "backend": backend.name,
                        "kind": kind,
                        "batch": batch,
                        "core_ms": round(cost, 3),
                        "differs": round(differs, 5),
                    }
                )
    print(json.dumps({"runs": chosen.runs, "results": results}))


if __name__ == "__main__":
    main()
