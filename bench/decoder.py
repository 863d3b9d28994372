"""Times the decoder: its back ends and how far they differ, then pictures a second by batch and steps.

    python -m bench.decoder [--weights FILE] [--runs 20] [--batches 1 16 64 256] [--steps 1 4 8]

First core-milliseconds a patch for each back end of the CPU (median, 1 step) and the difference of its
answers from torch in float32. Then, on the GPU if torch finds one and else on one core of the CPU: pictures a
second of the networks alone (a mouth and two eyes each), with cutting and laying the patches, and with
geometry too, at 512 and 1024 px; memory; and where a picture's time goes. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from sonic_stream.face import identify
from sonic_stream.offline import bundled
from sonic_stream.picture import Painter
from sonic_stream.picture.decoder import Decoder, FaceDecoder
from sonic_stream.picture.decoder_backends import Backend, Choice, TorchBackend, choose
from sonic_stream.picture.decoder_gpu import GpuBackend, made_up
from sonic_stream.picture.decoder_patch import SIZES
from sonic_stream.picture.decoder_settle import Settling
from sonic_stream.picture.decoder_weights import KINDS, SHIPPED, load_nets
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8, PortraitSettings

PICTURE_SIZES = (512, 1024)
GPU_BATCHES, CPU_BATCHES = (1, 16, 64, 256), (1, 4, 16)
STEPS = (1, 4, 8)
_WARM = 3


def patches_of(kind: str, count: int) -> tuple[U8, U8, F32]:
    """Made-up patches, their portraits' own and the tones."""
    return made_up(*SIZES["mouth" if kind == "mouth" else "eye_left"], count)


def median_ms(run: Callable[[], object], runs: int, clock: Callable[[], float]) -> float:
    """Of `runs` runs after a few that are not counted."""
    taken = []
    for number in range(runs + _WARM):
        begin = clock()
        run()
        if number >= _WARM:
            taken.append(clock() - begin)
    return 1e3 * float(np.median(taken))


def back_ends(weights: Path, runs: int) -> list[dict[str, object]]:
    """Every back end of the CPU: cost of a patch, and difference from torch in float32."""
    plain = TorchBackend(load_nets(weights))
    half = GpuBackend(load_nets(weights), torch.device("cpu"), plain, half=True)
    tried: list[tuple[str, Backend]] = [
        ("ONNX Runtime, 8 bits in part", choose("cpu", weights, in_8_bits=True).backend),
        ("ONNX Runtime, float32", choose("cpu", weights, in_8_bits=False).backend),
        ("torch, float32", plain),
        (half.name, half),
    ]
    rows: list[dict[str, object]] = []
    print(f"{'back end':32}{'kind':>7}{'ms a patch':>12}{'mean difference':>17}{'largest':>9}")
    for name, backend in tried:
        for kind in KINDS:
            patches = patches_of(kind, 1)
            wrong = np.abs(backend.change(kind, *patches, 1) - plain.change(kind, *patches, 1))
            cost = median_ms(lambda b=backend, k=kind, p=patches: b.change(k, *p, 1), runs, time.process_time)
            print(f"{name:32}{kind:>7}{cost:12.2f}{wrong.mean():17.4f}{wrong.max():9.3f}")
            row = {"backend": name, "kind": kind, "core_ms": round(cost, 3)}
            rows.append(row | {"mean": round(float(wrong.mean()), 4), "most": round(float(wrong.max()), 3)})
    return rows


def stages(decoder: Decoder, runs: int) -> dict[int, dict[str, float]]:
    """Core-ms of one picture's geometry, of cutting its patches and of laying what was answered, by size."""
    coeffs = np.zeros(len(CHANNELS), np.float32)
    for name, value in (("aperture", 0.07), ("jaw", 0.5), ("blink_left", 0.5), ("blink_right", 0.5)):
        coeffs[CHANNEL_INDEX[name]] = value
    data = next(iter(bundled.portraits().values())).read_bytes()
    taken = {}
    for size in PICTURE_SIZES:
        painter = Painter(identify(data, PortraitSettings(min_resolution=size)), decoder)
        picture, scene = painter._parts.paint(coeffs)
        face: FaceDecoder = painter._parts.face(decoder)
        asks = face.asks(picture, scene)
        answers, settling = decoder.changes(asks, 1), Settling()
        runners: dict[str, Callable[[], object]] = {
            "geometry": lambda p=painter: p._parts.paint(coeffs),
            "cut": lambda f=face, p=picture, s=scene: f.asks(p, s),
            "lay": lambda f=face, p=picture, a=asks, c=answers, s=settling: f.lay(p, a, c, s),
        }
        taken[size] = {name: median_ms(run, runs, time.process_time) for name, run in runners.items()}
    return taken


def networks_ms(decoder: Decoder, batch: int, steps: int, runs: int, clock: Callable[[], float]) -> float:
    """The networks of `batch` pictures, ms a picture."""
    backend = decoder.choice.backend
    mouths, eyes = patches_of("mouth", batch), patches_of("eye", 2 * batch)

    def run() -> None:
        backend.change("mouth", *mouths, steps)
        backend.change("eye", *eyes, steps)

    return median_ms(run, runs, clock) / batch


def rates(
    decoder: Decoder, batches: Sequence[int], steps: Sequence[int], runs: int, on_gpu: bool
) -> list[dict[str, object]]:
    """Pictures a second for each batch and number of steps, and the stages' shares at one step."""
    clock = time.perf_counter if on_gpu else time.process_time
    beside = stages(decoder, runs)
    rows: list[dict[str, object]] = []
    heads = [f"{what} {size}" for size in PICTURE_SIZES for what in ("cut+lay", "all")]
    print(f"{'batch':>6}{'steps':>6}{'networks':>10}" + "".join(f"{h:>14}" for h in heads) + f"{'MiB':>8}")
    for count in steps:
        for batch in batches:
            repeats = max(3, runs // batch) if not on_gpu else runs
            one = networks_ms(decoder, batch, count, repeats, clock)
            told = {"networks": 1e3 / one}
            for size in PICTURE_SIZES:
                around = beside[size]["cut"] + beside[size]["lay"]
                told[f"cut+lay {size}"] = 1e3 / (one + around)
                told[f"all {size}"] = 1e3 / (one + around + beside[size]["geometry"])
            memory = torch.cuda.max_memory_allocated() if on_gpu else _resident()
            line = "".join(f"{told[head]:14.1f}" for head in heads)
            print(f"{batch:>6}{count:>6}{told['networks']:10.1f}{line}{memory / 2**20:8.0f}")
            row: dict[str, object] = {"batch": batch, "steps": count, "networks_ms": round(one, 4)}
            row |= {name: round(value, 1) for name, value in told.items()} | {"MiB": round(memory / 2**20)}
            rows.append(row | {"shares": _shares(one, beside)})
    print("Share of a picture's time at the first number of steps:")
    for row in rows[: len(batches)]:
        shares: dict[int, dict[str, float]] = row["shares"]  # type: ignore[assignment]
        for size, parts in shares.items():
            told_parts = ", ".join(f"{name} {part:.0%}" for name, part in parts.items())
            print(f"  batch {row['batch']}, {size} px: {told_parts}")
    return rows


def _shares(networks: float, beside: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    found = {}
    for size, each in beside.items():
        parts = {**each, "networks": networks}
        found[size] = {name: round(ms / sum(parts.values()), 3) for name, ms in parts.items()}
    return found


def _resident() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--batches", type=int, nargs="+", default=GPU_BATCHES if on_gpu else CPU_BATCHES)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = {"runs": chosen.runs, "device": torch.cuda.get_device_name() if on_gpu else "cpu"}
    compared = back_ends(chosen.weights, chosen.runs)
    if on_gpu:
        choice: Choice = choose("cuda", chosen.weights)
        print(f"\nPictures a second on {settings['device']} ({choice.backend.name}: {choice.reason}):")
    else:
        choice = choose("cpu", chosen.weights)
        print(
            "\nNo GPU that torch can use is here: the same table for one core of the CPU, pictures a second:"
        )
    made = rates(Decoder(choice), chosen.batches, chosen.steps, chosen.runs, on_gpu)
    print(json.dumps({**settings, "back_ends": compared, "rates": made}))


if __name__ == "__main__":
    main()
