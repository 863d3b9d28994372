"""Pairs whose truth is simple: the opening should be redder, and skin as light as the shade map says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonic_stream.picture.decoder_patch import MAPS
from sonic_stream.types import F32, U8

PEOPLE, CLIPS, FRAMES = 2, 2, 3


def pairs_of(width: int, height: int, seed: int) -> dict[str, U8 | np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    inputs, targets, person, clip, frame = [], [], [], [], []
    references = rng.uniform(90, 160, (PEOPLE, 1, 1, 3)) + rng.normal(0, 12, (PEOPLE, height, width, 1))
    for who in range(PEOPLE):
        for run in range(CLIPS):
            wide = rng.uniform(0.1, 0.2) * height
            for step in range(FRAMES):
                half = wide * (1 + 0.2 * step)
                upper, lower = rows - (0.45 * height - half), (0.45 * height + half) - rows
                cover = ((upper > 0) & (lower > 0) & (np.abs(columns - width / 2) < width / 4))[..., None]
                shade: F32 = 0.2 * np.sin(columns / width * 6 + step)
                looked = np.empty((height, width, MAPS), np.float32)
                looked[..., :3] = np.where(cover, 60, references[who])
                looked[..., 3:4] = 255 * cover
                looked[..., 4], looked[..., 5] = 128 + 4 * upper, 128 + 4 * lower
                looked[..., 6] = 128 + 127 * shade
                truth = looked[..., :3] + np.where(cover, [50, 0, 0], 60 * shade[..., None])
                inputs.append(looked.clip(0, 255).astype(np.uint8))
                targets.append(truth.clip(0, 255).astype(np.uint8))
                person.append(who)
                clip.append(run)
                frame.append(step)
    return {
        "inputs": np.stack(inputs),
        "target": np.stack(targets),
        "weight": np.full((len(inputs), height, width), 255, np.uint8),
        "reference": references.clip(0, 255).astype(np.uint8),
        "person": np.array(person, np.int32),
        "people": np.arange(PEOPLE, dtype=np.int32) + 10 * seed,
        "clip": np.array(clip, np.int32),
        "frame": np.array(frame, np.int32),
        "same": np.zeros(len(inputs), bool),
    }


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for kind, size in (("mouth", (128, 96)), ("eye", (64, 48))):
        for seed, split in enumerate(("train", "val")):
            np.savez(folder / f"{kind}-{split}-0000.npz", **pairs_of(*size, seed))  # type: ignore[arg-type]
    return folder
