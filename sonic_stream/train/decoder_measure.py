"""How much better than geometry the decoder is on pairs held back, for each number of steps.

    python -m sonic_stream.train.decoder_measure [--data DIR] [--weights FILE] [--plot FILE]

PSNR and MS-SSIM (three scales, luminance) against the render, over all pixels that can be trusted and over
the opening and its rims alone; and how much the error flickers from picture to picture. The last line is
JSON; `--plot` draws quality against steps. Without `--data`, what was measured when the weights were made.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from sonic_stream.picture.decoder_net import DecoderNet, tone_of
from sonic_stream.picture.decoder_patch import RIM_STEP
from sonic_stream.picture.decoder_weights import KINDS, SHIPPED, load_nets, notes_of
from sonic_stream.train.decoder_data import LUMA, Shards, load
from sonic_stream.types import F32, U8

BATCH = 24
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SCALES = 3
MEASURES = ("psnr", "psnr_opening", "ms_ssim", "flicker")


def refined(net: DecoderNet, inputs: U8, reference: U8, steps: tuple[int, ...]) -> dict[int, F32]:
    """The patches float32 [N, h, w, 3] after each of the `steps`; 0 is the geometry's."""
    made: dict[int, F32] = {0: inputs[..., :3].astype(np.float32)}
    parts: dict[int, list[F32]] = {count: [] for count in steps}
    for begin in range(0, len(inputs), BATCH):
        looked, own = inputs[begin : begin + BATCH], reference[begin : begin + BATCH]
        tone = torch.from_numpy(tone_of(own))
        with torch.inference_mode():
            given = net.given(torch.from_numpy(looked), torch.from_numpy(own), tone)
            state = net.rest(len(looked))
            for step in range(max(steps)):
                state = net.refine(given, state, torch.full((len(looked),), step))
                if step + 1 in parts:
                    change = net.shown(given.bounds, state, tone)
                    result = looked[..., :3] + change.permute(0, 2, 3, 1).numpy()
                    parts[step + 1].append(np.clip(result, 0, 255).astype(np.float32))
    return made | {count: np.concatenate(done) for count, done in parts.items()}


def psnr(a: F32, b: F32, weight: F32) -> F32:
    """Of each patch [N], dB; `weight` [N, h, w]."""
    error = (((a - b) ** 2).mean(-1) * weight).sum((1, 2)) / np.maximum(weight.sum((1, 2)), 1e-6)
    return np.asarray(10 * np.log10(255**2 / np.maximum(error, 0.05)), np.float32)


def ms_ssim(a: F32, b: F32, weight: F32) -> float:
    """Of one patch [h, w, 3] on luminance, over three scales."""
    x, y = np.asarray(a @ LUMA, np.float32), np.asarray(b @ LUMA, np.float32)
    value = 1.0
    for scale in range(_SCALES):
        mx, my = cv2.GaussianBlur(x, (11, 11), 1.5), cv2.GaussianBlur(y, (11, 11), 1.5)
        sxx = cv2.GaussianBlur(x * x, (11, 11), 1.5) - mx * mx
        syy = cv2.GaussianBlur(y * y, (11, 11), 1.5) - my * my
        sxy = cv2.GaussianBlur(x * y, (11, 11), 1.5) - mx * my
        part = (2 * sxy + _C2) / (sxx + syy + _C2)
        if scale == _SCALES - 1:
            part = part * (2 * mx * my + _C1) / (mx * mx + my * my + _C1)
        mean = float((part * weight).sum() / max(float(weight.sum()), 1e-6))
        value *= max(mean, 1e-3) ** (1 / _SCALES)
        half = (x.shape[1] // 2, x.shape[0] // 2)
        x, y, weight = (
            np.asarray(cv2.resize(m, half, interpolation=cv2.INTER_AREA), np.float32) for m in (x, y, weight)
        )
    return value


def measure(net: DecoderNet, shards: Shards, steps: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """For geometry ("0") and each number of steps: PSNR, MS-SSIM, flicker, and the gains over geometry."""
    sums: dict[int, dict[str, list[float]]] = {}
    for number, inputs in enumerate(shards.inputs):
        target = shards.target[number].astype(np.float32)
        weight = shards.weight[number].astype(np.float32) / np.float32(255)
        rims = (inputs[..., 4:6].min(-1).astype(np.float32) - 128) / RIM_STEP
        opening = np.where(rims > -net.config.fine_px, weight, 0).astype(np.float32)
        pairs = shards.pairs[shards.pairs[:, 0] == number][:, 1:]
        reference = shards.reference[number][shards.person[number]]
        for count, made in refined(net, inputs, reference, steps).items():
            into = sums.setdefault(
                count, {name: [] for name in ("psnr", "psnr_opening", "ms_ssim", "flicker")}
            )
            into["psnr"] += psnr(made, target, weight).tolist()
            seen = opening.sum((1, 2)) > 20
            into["psnr_opening"] += psnr(made[seen], target[seen], opening[seen]).tolist()
            into["ms_ssim"] += [ms_ssim(*one) for one in zip(made, target, weight, strict=True)]
            wrong = (made - target) * weight[..., None]
            into["flicker"] += np.abs(wrong[pairs[:, 1]] - wrong[pairs[:, 0]]).mean((1, 2, 3)).tolist()
    means = {
        str(count): {name: round(float(np.mean(values)), 4) for name, values in each.items()}
        for count, each in sums.items()
    }
    for each in means.values():
        for name in ("psnr", "psnr_opening", "ms_ssim"):
            each[f"{name}_gain"] = round(each[name] - means["0"][name], 4)
    return means


def plot(results: dict[str, dict[str, dict[str, float]]], out: Path) -> None:
    """Gain over geometry against steps, a panel for each measure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = (
        ("psnr_gain", "PSNR, dB"),
        ("psnr_opening_gain", "PSNR at the opening, dB"),
        ("ms_ssim_gain", "MS-SSIM"),
    )
    figure, axes = pyplot.subplots(1, len(panels), figsize=(10, 3), layout="constrained")
    for axis, (name, title) in zip(axes, panels, strict=True):
        for kind, each in results.items():
            counts = sorted(map(int, each))
            axis.plot(counts, [each[str(count)][name] for count in counts], marker="o", label=kind)
        axis.set_title(f"{title}: gain over geometry", fontsize=9)
        axis.set_xlabel("steps (0: geometry alone)")
        axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(out, dpi=90)


def main() -> None:
    """Measures, prints and draws."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path, help="shards of sonic_stream.train.heads")
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--plot", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    nets, results = load_nets(a.weights), dict[str, Any]()
    for kind in KINDS:
        if a.data is None:
            results[kind] = notes_of(a.weights)[kind]["measured"]
        else:
            results[kind] = measure(nets[kind], load(a.data, kind, "val"), tuple(range(1, 9)))
        print(kind)
        names = list(results[kind]["0"])
        print("steps" + "".join(f"{name:>18}" for name in names))
        for count, each in results[kind].items():
            print(f"{count:>5}" + "".join(f"{each[name]:18.4f}" for name in names))
    if a.plot:
        plot(results, a.plot)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
