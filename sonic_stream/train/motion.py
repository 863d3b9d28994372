"""Trains the motion network.

    python -m sonic_stream.train.motion --data DIR --out sonic_stream/weights/motion.safetensors --minutes 60
    python -m sonic_stream.train.motion --quick

`--data` is what `sonic_stream.train.corpus` made. The run lasts `--minutes` of wall time or `--steps`,
the learning rate falling to nothing by its end; a checkpoint is kept beside the output, from which the
same command goes on (not with `--fresh`). `--quick` makes half an hour of espeak-ng speech and trains on
it for a few minutes: it proves the recipe and is no voice to ship.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sonic_stream.errors import BadInputError
from sonic_stream.motion.features import FRAMES_PER_HOP, LOG_FLOOR, MELS
from sonic_stream.motion.model import MotionNet, NetConfig, NetOutput
from sonic_stream.motion.weights import load_net, save_net
from sonic_stream.train import corpus
from sonic_stream.train.augment import degrade
from sonic_stream.train.grow import grow
from sonic_stream.train.phones import CLASSES, Segment
from sonic_stream.train.targets import UNITS, Targets, targets
from sonic_stream.types import F32, MOUTH_CHANNELS

SHARES = {
    "espeak": 0.17,
    "festival": 0.10,
    "flite": 0.07,
    "rhvoice": 0.13,
    "pico": 0.08,
    "revoiced": 0.17,
    "sung": 0.03,
    "recorded": 0.17,
    "still": 0.14,
}
"""How often an utterance of each part is drawn (by length within the part)."""

CHANNEL_SPREADS = {
    "aperture": 0.1,
    "jaw": 0.14,
    "close": 0.3,
    "labiodental": 0.25,
    "pucker": 0.23,
    "funnel": 0.19,
    "stretch": 0.16,
    "upper_up": 0.08,
    "lower_down": 0.1,
    "tongue_tip": 0.3,
    "tongue_out": 0.18,
    "tongue_back": 0.22,
    "width": 0.2,
}
"""Standard deviation of each channel's targets in speech, in units: errors are judged against it."""
CHANNEL_WEIGHTS = {
    "aperture": 2.5,
    "jaw": 1.0,
    "close": 0.1,  # the events say when lips shut
    "labiodental": 0.1,
    "pucker": 1.0,
    "funnel": 0.7,
    "stretch": 0.7,
    "upper_up": 0.7,
    "lower_down": 0.7,
    "tongue_tip": 0.3,
    "tongue_out": 0.2,
    "tongue_back": 0.2,
    "width": 1.5,
}
LOOKAHEAD_WEIGHTS = {2: 1.0}
"""The look-ahead that is used most counts most; the others count OTHER_LOOKAHEADS."""
OTHER_LOOKAHEADS = 0.6
HUBER = 0.7
"""Error, in spreads, up to which it counts squared: what follows the sound should be a mean."""
VELOCITY_WEIGHT = 1.5
EVENT_WEIGHTS = (0.9, 0.5, 0.4)
PHONE_WEIGHT = 0.25
CHUNK_PICTURES = 50
WARM_UP_STEPS = 80
WARM_UP_PICTURES = 12
"""Pictures at the start of a crop that are heard but not judged: the network has no past yet."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides a run, kept with its weights."""

    minutes: float = 60.0
    steps: int = 0
    """Instead of minutes, when not 0."""
    batch: int = 8
    pictures: int = 150
    rate: float = 1.0e-3
    seed: int = 0
    net: NetConfig = field(default_factory=NetConfig)


@dataclass(frozen=True, slots=True)
class Part:
    """One shard with its targets."""

    name: str
    mel: np.ndarray[tuple[int, int], np.dtype[np.float16]]
    targets: Targets
    starts: np.ndarray[tuple[int], np.dtype[np.int64]]
    """First picture of every utterance."""
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]]


def load_part(folder: Path, name: str) -> Part:
    """Reads a shard and makes its curves."""
    index = np.load(folder / f"{name}.npz")
    lengths = index["pictures"].astype(np.int64)
    order = np.searchsorted(index["utterance"], np.arange(len(lengths) + 1))
    rows = list(zip(index["phone"], index["start_s"], index["end_s"], index["stressed"], strict=True))
    made = []
    for i, pictures in enumerate(lengths):
        segments = [
            Segment(int(p), float(s), float(e), bool(st)) for p, s, e, st in rows[order[i] : order[i + 1]]
        ]
        made.append(targets(segments, int(pictures)))
    return Part(
        name,
        np.load(folder / f"{name}.mel.npy", mmap_mode="r"),
        Targets(
            np.concatenate([m.curves for m in made]),
            np.concatenate([m.events for m in made]),
            np.concatenate([m.phone for m in made]),
        ),
        np.cumsum(lengths) - lengths,
        lengths,
    )


@dataclass(frozen=True, slots=True)
class Batch:
    mel: F32
    curves: F32
    events: F32
    phone: np.ndarray[tuple[int, int], np.dtype[np.int64]]


class Sampler:
    """Crops of `pictures` pictures; utterances follow each other, so that speakers change within one."""

    def __init__(self, parts: list[Part], pictures: int, rng: np.random.Generator) -> None:
        self._parts, self._pictures, self._rng = parts, pictures, rng
        kinds = [p.name.split("_")[0] for p in parts]
        total = {k: sum(p.lengths.sum() for p in parts if p.name.split("_")[0] == k) for k in set(kinds)}
        share = np.array([SHARES[k] * p.lengths.sum() / total[k] for k, p in zip(kinds, parts, strict=True)])
        self._share = np.cumsum(share / share.sum())
        self._within = [np.cumsum(p.lengths / p.lengths.sum()) for p in parts]
        self._still = [i for i, k in enumerate(kinds) if k == "still"]

    def _fill(self, batch: Batch, b: int, part: int | None = None) -> None:
        at = 0
        while at < self._pictures:
            k = part if part is not None else int(np.searchsorted(self._share, self._rng.random()))
            p = self._parts[min(k, len(self._parts) - 1)]
            i = min(
                int(np.searchsorted(self._within[min(k, len(self._parts) - 1)], self._rng.random())),
                len(p.lengths) - 1,
            )
            skip = int(self._rng.integers(0, max(1, p.lengths[i] - 25))) if at == 0 else 0
            n = int(min(p.lengths[i] - skip, self._pictures - at))
            start = int(p.starts[i]) + skip
            frames = slice(start * FRAMES_PER_HOP, (start + n) * FRAMES_PER_HOP)
            batch.mel[b, at * FRAMES_PER_HOP : (at + n) * FRAMES_PER_HOP] = p.mel[frames]
            batch.curves[b, at : at + n] = p.targets.curves[start : start + n]
            batch.events[b, at : at + n] = p.targets.events[start : start + n]
            batch.phone[b, at : at + n] = p.targets.phone[start : start + n]
            at += n

    def draw(self, size: int) -> Batch:
        """A degraded batch."""
        batch = self._empty(size)
        for b in range(size):
            self._fill(batch, b)
        behind = self._empty(4)
        if self._still:
            for b in range(4):
                self._fill(behind, b, self._still[int(self._rng.integers(len(self._still)))])
        return replace(batch, mel=degrade(batch.mel, behind.mel, self._rng))

    def _empty(self, size: int) -> Batch:
        t = self._pictures
        return Batch(
            np.full((size, t * FRAMES_PER_HOP, MELS), LOG_FLOOR, np.float32),
            np.zeros((size, t, len(MOUTH_CHANNELS)), np.float32),
            np.zeros((size, t, 3), np.float32),
            np.zeros((size, t), np.int64),
        )


def loss_of(
    out: NetOutput, phone_logits: Tensor, batch: Batch, config: NetConfig
) -> tuple[Tensor, dict[str, float]]:
    """Curves by Huber distance of value and velocity, events and phones by cross-entropy.

    Nobody uses the phones later; asking for them sharpens the ear.
    """
    spreads = np.array([CHANNEL_SPREADS[c] for c in MOUTH_CHANNELS], np.float32)
    weights = torch.tensor([CHANNEL_WEIGHTS[c] for c in MOUTH_CHANNELS])
    weights = weights / weights.sum()
    curves = torch.from_numpy(batch.curves / UNITS / spreads)
    events, phone = torch.from_numpy(batch.events), torch.from_numpy(batch.phone)
    length = curves.shape[1]

    def distance(a: Tensor, b: Tensor) -> Tensor:
        each = functional.smooth_l1_loss(a, b, reduction="none", beta=HUBER)
        return (each.mean((0, 1)) * weights).sum()

    value = velocity = event = torch.zeros(())
    for k, later in enumerate(config.lookaheads):
        share = LOOKAHEAD_WEIGHTS.get(later, OTHER_LOOKAHEADS)
        heard = slice(later + WARM_UP_PICTURES, None)
        shown = slice(WARM_UP_PICTURES, length - later)
        got, want = out.curves[:, heard, k].float() / torch.from_numpy(spreads), curves[:, shown]
        value = value + share * distance(got, want)
        velocity = velocity + share * distance(got.diff(dim=1), want.diff(dim=1))
        logits, truth = out.events[:, heard, k].float(), events[:, shown]
        crossed = functional.binary_cross_entropy_with_logits(
            logits, truth, reduction="none", pos_weight=torch.tensor([2.0, 2.0, 1.0])
        )
        event = event + share * (crossed.mean((0, 1)) * torch.tensor(EVENT_WEIGHTS)).sum()
    later = config.lookaheads[min(1, len(config.lookaheads) - 1)]
    heard_phone = functional.cross_entropy(
        phone_logits[:, later + WARM_UP_PICTURES :].float().flatten(0, 1),
        phone[:, WARM_UP_PICTURES : length - later].flatten(),
        label_smoothing=0.05,
    )
    loss = value + VELOCITY_WEIGHT * velocity + event + PHONE_WEIGHT * heard_phone
    told = {"value": value, "velocity": velocity, "event": event, "phone": heard_phone}
    return loss, {name: float(x.detach()) for name, x in told.items()}


def hear(net: MotionNet, mel_SFM: Tensor) -> NetOutput:
    """The whole crop in chunks, state carried along: attention over long runs would cost more."""
    state, parts = net.rest(len(mel_SFM)), []
    for chunk in torch.split(mel_SFM, CHUNK_PICTURES * FRAMES_PER_HOP, dim=1):
        part, state = net(chunk, state)
        parts.append(part)
    return NetOutput(*(torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True)))


def train(data: Path, out: Path, recipe: Recipe, fresh: bool = False, start: Path | None = None) -> None:
    """Runs the recipe, from the weights `start` if given; writes to `out` (a checkpoint beside it)."""
    names = sorted(p.name.removesuffix(".mel.npy") for p in data.glob("*.mel.npy"))
    names = [n for n in names if n.split("_")[0] in SHARES]
    if not names:
        raise BadInputError(
            f"No shards in {data}; make some with: python -m sonic_stream.train.corpus --help"
        )
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    parts = [load_part(data, name) for name in names]
    hours = {p.name: round(float(p.lengths.sum()) / 25 / 3600, 2) for p in parts}
    print("hours", json.dumps(hours), flush=True)
    sampler = Sampler(parts, recipe.pictures, rng)
    net = grow(load_net(start)[0], recipe.net) if start else MotionNet(recipe.net)
    phone_head = nn.Linear(recipe.net.width, len(CLASSES))
    parameters = [*net.parameters(), *phone_head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.02, betas=(0.9, 0.98))
    averaged = [p.detach().clone() for p in net.parameters()]
    checkpoint = out.with_suffix(".checkpoint.pt")
    step, spent_s = 0, 0.0
    smooth: dict[str, float] = {}
    if checkpoint.exists() and not fresh:
        kept = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(kept["net"])
        phone_head.load_state_dict(kept["phone_head"])
        optimizer.load_state_dict(kept["optimizer"])
        averaged, step, spent_s = kept["averaged"], kept["step"], kept["spent_s"]
        print(f"going on from step {step}", flush=True)
    began = last_told = last_kept = time.monotonic()
    already_s = spent_s

    def keep() -> None:
        torch.save(
            {
                "net": net.state_dict(),
                "phone_head": phone_head.state_dict(),
                "optimizer": optimizer.state_dict(),
                "averaged": averaged,
                "step": step,
                "spent_s": spent_s,
            },
            checkpoint,
        )
        best = MotionNet(recipe.net)
        best.load_state_dict(net.state_dict())
        with torch.no_grad():
            for p, a in zip(best.parameters(), averaged, strict=True):
                p.copy_(a)
        notes = {"steps": step, "minutes": round(spent_s / 60, 1), "hours": hours, "seed": recipe.seed}
        save_net(out, best, UNITS, notes)

    while True:
        spent_s = already_s + time.monotonic() - began
        done = step / recipe.steps if recipe.steps else spent_s / (60 * recipe.minutes)
        if done >= 1:
            break
        rate = (
            recipe.rate
            * min(1.0, (step + 1) / WARM_UP_STEPS)
            * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = sampler.draw(recipe.batch)
        with torch.autocast("cpu", torch.bfloat16):
            result = hear(net, torch.from_numpy(batch.mel))
            loss, told = loss_of(result, phone_head(result.hidden), batch, recipe.net)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        decay = min(0.998, step / (step + 10))
        with torch.no_grad():
            for a, p in zip(averaged, net.parameters(), strict=True):
                a.lerp_(p, 1 - decay)
        smooth = {k: 0.98 * smooth.get(k, v) + 0.02 * v for k, v in told.items()}
        now = time.monotonic()
        if now - last_told > 30:
            last_told = now
            print(
                step,
                f"{spent_s:.0f} s",
                {k: round(v, 4) for k, v in smooth.items()},
                f"{rate:.1e}",
                flush=True,
            )
        if now - last_kept > 240:
            last_kept = now
            keep()
    keep()
    print(f"done: {step} steps in {spent_s / 60:.1f} minutes -> {out}", flush=True)


def quick(out: Path, minutes: float) -> None:
    """A little corpus by espeak-ng alone and a short run, beside `out`."""
    data = out.parent / "corpus"
    for part, hours in (("espeak", 0.5), ("still", 0.08)):
        corpus.build(part, data, hours, seed=1)
    train(data, out, Recipe(minutes=minutes), fresh=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/motion/motion.safetensors"))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=Recipe().rate, help="learning rate at its height")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="begin with these weights instead of random ones")
    parser.add_argument("--fresh", action="store_true", help="do not go on from a checkpoint")
    parser.add_argument("--quick", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    if a.quick:
        quick(a.out, a.minutes or 3.0)
    elif a.data is None:
        parser.error("--data DIR is needed (or --quick)")
    else:
        train(a.data, a.out, Recipe(a.minutes or 60.0, a.steps, rate=a.rate, seed=a.seed), a.fresh, a.start)


if __name__ == "__main__":
    main()
