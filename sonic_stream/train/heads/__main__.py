"""Makes training pairs for the picture's decoder out of synthetic heads.

python -m sonic_stream.train.heads --out DIR [--people N] [--pictures M] [--seed S] [--workers W] [--quick]

Everything comes from the shipped head model and a seed; speech for the motion is made by espeak-ng where it
is installed. About three core-seconds a person and seventy core-milliseconds a picture.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from sonic_stream.errors import BadInputError, SonicError


def make_shard(out: Path, name: str, numbers: list[int], pictures: int, seed: int) -> tuple[int, int]:
    """Writes one shard of each kind; how many people and rows it holds."""
    import cv2
    import numpy as np
    import torch

    from sonic_stream.train.heads.motion import CLIP, speech_motion
    from sonic_stream.train.heads.pairs import rows_of
    from sonic_stream.train.heads.person import make_person
    from sonic_stream.train.heads.shards import write_shards

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    motion = speech_motion(seed + numbers[0], 1)
    people = []
    for number in numbers:
        person = make_person(number, seed)
        if person is not None:
            rng = np.random.default_rng([seed, number, 2])
            people.append((number, rows_of(person, motion, max(1, pictures // CLIP), rng)))
    return len(people), write_shards(out, name, people) if people else 0


def plan(people: int, per_shard: int, held_back: int, first: int = 0) -> list[tuple[str, list[int]]]:
    """Names and people of the shards; the first `held_back` people are kept for validation.

    People are numbered from `first` on, and so are their shards: a set can be added to.
    """
    groups = [("val", range(first, first + held_back)), ("train", range(first + held_back, first + people))]
    shards = []
    for group, numbers in groups:
        for k in range(0, len(numbers), per_shard):
            number = (first + k) // per_shard
            shards.append((f"{group}-{number:04d}", list(numbers[k : k + per_shard])))
    # Validation is wanted early, but not first: training can begin with the first shard of each.
    return sorted(shards, key=lambda s: (s[0][-4:], s[0]))


def make(
    out: Path,
    people: int,
    pictures: int,
    seed: int,
    workers: int,
    per_shard: int,
    held_back: int,
    first: int = 0,
) -> None:
    """Makes all shards that are not there yet. Raises BadInputError for numbers that make no sense."""
    if people < 2 or pictures < 4 or workers < 1 or per_shard < 1 or first < 0 or not 0 < held_back < people:
        raise BadInputError(
            f"{people} people of {pictures} pictures, {held_back} held back, {per_shard} to a shard,"
            f" by {workers} workers cannot be made; give at least 2 people, 4 pictures, 1 held back."
        )
    out.mkdir(parents=True, exist_ok=True)
    planned = plan(people, per_shard, held_back, first)
    shards = [s for s in planned if not (out / f"mouth-{s[0]}.npz").exists()]
    begun, rows, made = time.monotonic(), 0, 0
    if workers == 1:
        results = (make_shard(out, name, numbers, pictures, seed) for name, numbers in shards)
        for count, of_shard in results:
            made, rows = made + count, rows + of_shard
            print(f"{made} people, {rows} rows, {time.monotonic() - begun:.0f} s", flush=True)
        return
    with ProcessPoolExecutor(workers) as pool:
        tasks = [pool.submit(make_shard, out, name, numbers, pictures, seed) for name, numbers in shards]
        for task in tasks:
            count, of_shard = task.result()
            made, rows = made + count, rows + of_shard
            print(f"{made} people, {rows} rows, {time.monotonic() - begun:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sonic_stream.train.heads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--pictures", type=int, default=24, help="pictures of each person (in clips of 4)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--per-shard", type=int, default=12, help="people in a shard")
    parser.add_argument("--held-back", type=int, default=0, help="people for validation (0: a twelfth)")
    parser.add_argument("--first", type=int, default=0, help="number of the first person: adds to a set")
    parser.add_argument("--quick", action="store_true", help="a few people, in about a minute")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if args.quick:
        args.people, args.pictures, args.per_shard, args.held_back = 8, 8, 4, 2
    held_back = args.held_back or max(1, args.people // 12)
    how = (args.pictures, args.seed, args.workers, args.per_shard, held_back, args.first)
    try:
        make(args.out, args.people, *how)
    except SonicError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
