"""Training pairs of the decoder: shards of patches, drawn three consecutive pictures at a time and varied.

A shard `KIND-train-NNNN.npz` or `KIND-val-NNNN.npz` (KIND mouth or eye; `sonic_stream.train.heads` writes
them) holds `inputs` uint8 [N, h, w, MAPS], `target` uint8 [N, h, w, 3], `weight` uint8 [N, h, w],
`reference` uint8 [P, h, w, 3], `person` int32 [N] (index into `reference`), `people` int32 [P], `clip` and
`frame` int32 [N] and `same` bool [N]. Whatever is done to colours is done alike to picture, target and
reference: the network shall mend what the geometry got wrong under any light, grade, paint or camera, and
leave those alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.errors import BadInputError
from sonic_stream.picture.decoder_net import tone_of
from sonic_stream.types import F32, U8

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
RUN: Final = 3
"""Consecutive pictures that are drawn together: the fewest that show whether a change is even."""
_COMMON_LIGHT = 0.5
"""How much of an opening's mean lightness is learned."""
_DARKEST, _MOST_COLOUR = 24.0, 1.6
"""Lightness (8-bit) under which the colour of what lies in the opening is not trusted, and the most that one
channel may change for one step of lightness."""
_IDENTITY_PAIRS = 0.12
"""Share of pairs whose picture is already the target: what needs no mending is left alone."""


@dataclass(frozen=True, slots=True)
class Shards:
    """All pairs of one kind and split, in memory."""

    inputs: list[U8]
    target: list[U8]
    weight: list[U8]
    reference: list[U8]
    person: list[NDArray[np.int32]]
    pairs: NDArray[np.int64]
    """[M, 3]: shard, and two rows that follow each other."""
    runs: NDArray[np.int64]
    """[M, 1 + RUN]: shard, and `RUN` rows that follow each other."""
    same: list[NDArray[np.bool_]]
    people: int

    @property
    def rows(self) -> int:
        """How many patches there are."""
        return sum(map(len, self.inputs))


@dataclass(frozen=True, slots=True)
class Batch:
    """Patches of consecutive pictures: `RUN` rows from a multiple of `RUN` on belong together."""

    inputs: F32
    reference: F32
    target: F32
    weight: F32
    tone: F32


def load(folder: Path, kind: str, split: str = "train") -> Shards:
    """Reads every shard of a kind.

    Errors: `BadInputError` where there is none.
    """
    paths = sorted(folder.glob(f"{kind}-{split}-*.npz"))
    if not paths:
        raise BadInputError(
            f"No {kind}-{split}-*.npz in {folder}; make some with: python -m sonic_stream.train.heads --help"
        )
    parts: dict[str, list[NDArray[np.generic]]] = {}
    pairs, runs, people = [], [], set()
    for number, path in enumerate(paths):
        with np.load(path) as stored:
            for name in ("inputs", "target", "weight", "reference", "person", "same"):
                parts.setdefault(name, []).append(stored[name])
            people |= set(stored["people"].tolist())
            key = np.stack([stored["person"], stored["clip"], stored["frame"]], 1)
        pairs.append(_consecutive(key, 2, number))
        runs.append(_consecutive(key, RUN, number))
    return Shards(
        **parts,  # type: ignore[arg-type]
        pairs=np.concatenate(pairs),
        runs=np.concatenate(runs),
        people=len(people),
    )


def _consecutive(key: NDArray[np.int32], count: int, shard: int) -> NDArray[np.int64]:
    """[M, 1 + count]: the shard and `count` rows of `key` [N, 3] (person, clip, frame) in a row."""
    last = len(key) - count + 1
    first, end = key[: max(last, 0)], key[count - 1 :]
    starts = np.flatnonzero((first[:, :2] == end[:, :2]).all(1) & (end[:, 2] == first[:, 2] + count - 1))
    rows = starts[:, None] + np.arange(count)
    return np.concatenate([np.full((len(starts), 1), shard), rows], 1).astype(np.int64)


def draw(shards: Shards, count: int, mirror: bool, rng: np.random.Generator) -> Batch:
    """`count` runs of consecutive pictures at random, varied."""
    batches = [_run(shards, index, mirror, rng) for index in rng.integers(0, len(shards.runs), count)]
    stacked = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    inputs, reference, target, weight = (np.asarray(part, np.float32) for part in stacked)
    return Batch(inputs, reference, target, weight, tone_of(reference))


def _run(shards: Shards, index: int, mirror: bool, rng: np.random.Generator) -> tuple[F32, F32, F32, F32]:
    shard, *rows = shards.runs[index]
    inputs = shards.inputs[shard][rows].astype(np.float32)
    target = shards.target[shard][rows].astype(np.float32)
    weight = shards.weight[shard][rows].astype(np.float32) / 255
    reference = shards.reference[shard][shards.person[shard][rows]].astype(np.float32)
    target = _without_guesses(inputs, target)
    if rng.random() < _IDENTITY_PAIRS:
        inputs[..., :3] = target
    pixels = np.stack([inputs[..., :3], target, reference])
    pixels = varied(pixels, rng)
    inputs[..., :3], target, reference = pixels
    if mirror and rng.random() < 0.5:
        inputs, target, reference, weight = (
            np.ascontiguousarray(a[:, :, ::-1]) for a in (inputs, target, reference, weight)
        )
    return inputs, reference, target, weight


def _without_guesses(inputs: F32, target: F32) -> F32:
    """The target of pictures [T, h, w, .] without what nobody could know: the colour of teeth and tongue.

    In the opening only lighter and darker are asked for, in the colour that is there already (yellow teeth
    stay as yellow), and less of what all of it has in common: a network that guessed colours there would give
    everybody the mean of all teeth it was shown.
    """
    cover = inputs[..., 3:4] / 255
    wrong = target - inputs[..., :3]
    light = (wrong @ LUMA)[..., None]
    common = float((light * cover).sum() / max(float(cover.sum()), 1.0))
    here = (inputs[..., :3] @ LUMA)[..., None]
    colour = np.clip((inputs[..., :3] + _DARKEST) / (here + _DARKEST), 0, _MOST_COLOUR)
    asked = (light - (1 - _COMMON_LIGHT) * common) * colour
    return np.asarray(target + cover * (asked - wrong), np.float32)


def varied(pixels: F32, rng: np.random.Generator) -> F32:
    """Another light, grade, paint or camera: pixels [3, T, h, w, 3] 0..255 (picture, target, reference)."""
    x = np.clip(pixels / 255, 0, 1)
    x **= np.float32(np.exp(rng.normal(0, 0.25)))
    grey = (x @ LUMA)[..., None]
    saturation = 0.0 if rng.random() < 0.12 else float(rng.uniform(0.4, 1.6))
    x = grey + np.float32(saturation) * (x - grey)
    mix = np.eye(3) + rng.normal(0, 0.06, (3, 3))
    mix *= np.exp(rng.normal(0, 0.15, (1, 3)))
    if rng.random() < 0.1:  # a face of quite another colour: green, blue, ...
        mix = mix[:, rng.permutation(3)]
    x = x @ mix.astype(np.float32)
    contrast, brightness = float(rng.uniform(0.55, 1.35)), float(rng.normal(0, 0.07))
    x = (x - 0.45) * np.float32(contrast) + np.float32(0.45 + brightness)
    kind = rng.random()
    if kind < 0.12:  # soft pictures
        sigma = float(rng.uniform(0.5, 1.3))
        for part in x.reshape(-1, *x.shape[2:]):
            cv2.GaussianBlur(part, (0, 0), sigma, dst=part)
    elif kind < 0.17:  # flat paint
        levels = np.float32(rng.integers(6, 16))
        x = np.round(x * levels) / levels
    if rng.random() < 0.35:  # canvas, brush, stubble, grain: moves with the skin, so it is in the target too
        x += _texture(x.shape[2:4], rng)
    return np.clip(x * 255, 0, 255).astype(np.float32)


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> F32:
    noise = rng.normal(0, 1, shape).astype(np.float32)
    along, across = np.exp(rng.uniform(-1, 1, 2))
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=float(along), sigmaY=float(across)).astype(np.float32)
    noise *= np.float32(rng.uniform(0.01, 0.05) / max(float(noise.std()), 1e-6))
    return np.asarray(noise[..., None], np.float32)
