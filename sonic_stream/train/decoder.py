"""Trains the decoder and writes `decoder.safetensors` (and, with it, the ONNX files).

    python -m sonic_stream.train.decoder --data DIR [--kind mouth|eye] [--minutes 40] [--out FILE]
    python -m sonic_stream.train.decoder --quick          # a tiny set and a tiny run, in minutes

DIR holds shards of `sonic_stream.train.heads`. A run can be stopped at any time and goes on from its
checkpoint. Each step of the decoder is trained to be the best picture it can be from where the steps before
left off (those are not blamed for it), so every number of steps is good.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from sonic_stream.errors import BadInputError
from sonic_stream.picture.decoder_net import EYE_CONFIG, MAX_STEPS, MOUTH_CONFIG, DecoderNet
from sonic_stream.picture.decoder_weights import KINDS, SHIPPED, save_nets
from sonic_stream.train.decoder_data import Batch, Shards, draw, load
from sonic_stream.train.decoder_export import export
from sonic_stream.train.decoder_loss import loss_of
from sonic_stream.train.decoder_measure import measure

CONFIGS = {"mouth": MOUTH_CONFIG, "eye": EYE_CONFIG}
STEPS_DRAWN = (1, 2, 3, 4, 8)
STEPS_SHARE = (0.4, 0.26, 0.14, 0.13, 0.07)
BLAMED = 2
"""How many of the last steps of a drawn number learn, besides the first."""
WARM_UP = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained."""

    minutes: float = 40.0
    batches: int = 0
    """If not 0, so many batches instead of minutes."""
    runs: int = 4
    """Runs of consecutive pictures in a batch."""
    rate: float = 2e-3
    seed: int = 0


def loss_of_batch(net: DecoderNet, batch: Batch, steps: int) -> tuple[Tensor, list[float]]:
    """Mean loss over the steps that learn; and each one's."""
    inputs, reference, target, tone = map(
        torch.from_numpy, (batch.inputs, batch.reference, batch.target, batch.tone)
    )
    weight = torch.from_numpy(batch.weight)[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        given = net.given(inputs, reference, tone)
    mean, contrast = tone[:, :3, None, None], tone[:, 3:, None, None]
    wanted = (target.permute(0, 3, 1, 2) - mean) / contrast
    state, losses = net.rest(len(inputs)), []
    for step in range(steps):
        learns = step == 0 or step >= steps - BLAMED
        number = torch.full((len(inputs),), step)
        with torch.set_grad_enabled(learns), torch.autocast("cpu", torch.bfloat16):
            state = net.refine(given, state, number)
        if learns:
            change = net.change(given.bounds, state.float())
            losses.append(loss_of(change, given.rgb, wanted, weight, given.bounds.near))
        state = state.detach().float()
    return torch.stack(losses).mean(), [float(loss.detach()) for loss in losses]


class Run:
    """The training of one network, with its checkpoint."""

    def __init__(self, kind: str, recipe: Recipe, checkpoint: Path, fresh: bool) -> None:
        torch.manual_seed(recipe.seed)
        self.kind, self.recipe, self.checkpoint = kind, recipe, checkpoint
        self.net = DecoderNet(CONFIGS[kind])
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.rate, weight_decay=0.01, betas=(0.9, 0.98)
        )
        self.averaged = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        self.step, self.spent_s, self.worked_s = 0, 0.0, 0.0
        if checkpoint.exists() and not fresh:
            kept = torch.load(checkpoint, weights_only=True)
            self.net.load_state_dict(kept["net"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.averaged, self.step, self.spent_s = kept["averaged"], kept["step"], kept["spent_s"]
            self.worked_s = kept["worked_s"]
            print(f"going on from step {self.step}", flush=True)

    def keep(self) -> None:
        """Writes the checkpoint."""
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "net": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "averaged": self.averaged,
                "step": self.step,
                "spent_s": self.spent_s,
                "worked_s": self.worked_s,
            },
            unfinished,
        )
        unfinished.replace(self.checkpoint)

    def _done(self) -> float:
        if self.recipe.batches:
            return self.step / self.recipe.batches
        return self.spent_s / (60 * self.recipe.minutes)

    def go(self, shards: Shards, more: Callable[[Shards], Shards] = lambda shards: shards) -> None:
        """Trains until the recipe's minutes are spent; `more` is asked for newer shards now and then."""
        recipe, rng = self.recipe, np.random.default_rng((self.recipe.seed, self.step))
        began = told = kept = time.monotonic()
        already_s, smooth = self.spent_s, 0.0
        working_s, worked_s = time.process_time(), self.worked_s
        while (done := self._done()) < 1:
            rate = recipe.rate * min(1.0, (self.step + 1) / WARM_UP)
            rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            steps = int(rng.choice(STEPS_DRAWN, p=STEPS_SHARE))
            batch = draw(shards, recipe.runs, self.kind == "mouth", rng)
            loss, each = loss_of_batch(self.net, batch, steps)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            decay = min(0.997, self.step / (self.step + 10))
            with torch.no_grad():
                for name, value in self.net.state_dict().items():
                    self.averaged[name].lerp_(value, 1 - decay)
            smooth = 0.98 * (smooth or each[0]) + 0.02 * each[0]
            now = time.monotonic()
            self.spent_s = already_s + now - began
            self.worked_s = worked_s + time.process_time() - working_s
            if now - told > 30:
                told = now
                print(self.kind, self.step, f"{self.spent_s:.0f} s, first step {smooth:.4f}", flush=True)
            if now - kept > 180:
                kept = now
                self.keep()
                shards = more(shards)
        self.keep()


def trained(kind: str, checkpoint: Path) -> tuple[DecoderNet, dict[str, Any]]:
    """The averaged network of a checkpoint; one that changes nothing where there is none."""
    net = DecoderNet(CONFIGS[kind])
    if not checkpoint.exists():
        return net, {"trained": False}
    kept = torch.load(checkpoint, weights_only=True)
    net.load_state_dict(kept["averaged"])
    return net.eval(), {
        "steps": kept["step"],
        "minutes": round(kept["spent_s"] / 60, 1),
        "core_minutes": round(kept["worked_s"] / 60, 1),
    }


def checkpoint_of(out: Path, kind: str) -> Path:
    """Where a run of one kind keeps its state."""
    return out.with_name(f"{out.stem}-{kind}.checkpoint.pt")


def finish(out: Path, data: Path, recipe: Recipe) -> None:
    """Joins the checkpoints of all kinds to one file, measures it on the pairs held back, writes ONNX."""
    nets, notes = {}, dict[str, Any](asdict(recipe))
    for kind in KINDS:
        net, told = trained(kind, checkpoint_of(out, kind))
        try:
            held_back = load(data, kind, "val")
            told["held_back"] = {"people": held_back.people, "pictures": held_back.rows}
            told["measured"] = measure(net, held_back, tuple(range(1, MAX_STEPS + 1)))
            print(kind, json.dumps(told), flush=True)
        except BadInputError as error:
            print(f"{kind}: not measured. {error}", flush=True)
        nets[kind], notes[kind] = net, told
    save_nets(out, nets, notes)
    for path in (out, *export(out, data)):
        print(path, f"{path.stat().st_size / 2**20:.1f} MB", flush=True)


def _newer(data: Path, kind: str, shards: Shards) -> Shards:
    """All shards there are now, if they have become more: pairs may still be made while training runs."""
    if len(list(data.glob(f"{kind}-train-*.npz"))) == len(shards.inputs):
        return shards
    shards = load(data, kind)
    print(f"{kind}: now {shards.rows} patches of {shards.people} people", flush=True)
    return shards


def quick(out: Path, minutes: float) -> None:
    """A tiny set of pairs and a tiny run of the recipe, to see that all of it works."""
    data = out.parent / "heads"
    subprocess.run(
        [sys.executable, "-m", "sonic_stream.train.heads", "--quick", "--out", str(data)], check=True
    )
    for kind in KINDS:
        shards = load(data, kind)
        Run(kind, Recipe(minutes=minutes / 2), checkpoint_of(out, kind), fresh=True).go(shards)
    finish(out, data, Recipe(minutes=minutes))


def main() -> None:
    """Trains."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/decoder") / SHIPPED.name)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this network (twice: both)")
    parser.add_argument("--minutes", type=float, default=None, help="for each network")
    parser.add_argument("--rate", type=float, default=Recipe().rate, help="learning rate at its height")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="do not go on from a checkpoint")
    parser.add_argument("--finish", action="store_true", help="train no more: join, measure, write")
    parser.add_argument("--quick", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    if a.quick:
        quick(a.out, a.minutes or 2.0)
        return
    if a.data is None:
        parser.error("--data DIR is needed (or --quick)")
    recipe = Recipe(minutes=a.minutes or Recipe().minutes, rate=a.rate, seed=a.seed)
    kinds = () if a.finish else tuple(a.kind or KINDS)
    for kind in kinds:
        shards = load(a.data, kind)
        print(f"{kind}: {shards.rows} patches of {shards.people} people", flush=True)
        Run(kind, recipe, checkpoint_of(a.out, kind), a.fresh).go(shards, partial(_newer, a.data, kind))
    if a.finish or set(kinds) == set(KINDS):
        finish(a.out, a.data, recipe)


if __name__ == "__main__":
    main()
