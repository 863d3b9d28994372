"""Shows what is in a folder of training pairs: a sheet of pictures, and figures.

python -m sonic_stream.train.heads.sheet --data DIR --out SHEET.png [--kind mouth] [--split val]

Each pair of rows is one person: what the painter made above, the render below. The last line is JSON: rows,
people, the shift between patch and target (px, median and 90th percentile) and the PSNR of the patches.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.train.heads.pairs import flow_between
from sonic_stream.types import U8

_COLUMNS, _PEOPLE = 10, 8


def figures(shards: list[Path]) -> dict[str, float]:
    """What the pairs of some shards are like."""
    shifts, errors, rows, people = [], [], 0, set()
    for path in shards:
        with np.load(path) as shard:
            inputs, target, weight = shard["inputs"][..., :3], shard["target"], shard["weight"]
            same = shard["same"]
            people |= set(shard["people"].tolist())
            rows += len(inputs)
            for i in np.flatnonzero(~same)[::3]:
                shifts.append(flow_between(np.ascontiguousarray(inputs[i]), target[i], weight[i]))
                share = weight[i][..., None] / 255
                wrong = (share * (inputs[i].astype(np.float32) - target[i]) ** 2).sum() / (
                    3 * share.sum() + 1
                )
                errors.append(10 * np.log10(255**2 / max(float(wrong), 1e-3)))
    return {
        "rows": rows,
        "people": len(people),
        "shift_median_px": round(float(np.median(shifts)), 3),
        "shift_p90_px": round(float(np.percentile(shifts, 90)), 3),
        "psnr_db": round(float(np.mean(errors)), 2),
    }


def sheet(path: Path) -> U8:
    """Pairs of some people of a shard."""
    with np.load(path) as shard:
        inputs, target, person = shard["inputs"][..., :3], shard["target"], shard["person"]
        moving = ~shard["same"]
    strips: list[NDArray[Any]] = []
    for number in np.unique(person)[:_PEOPLE]:
        rows = np.flatnonzero((person == number) & moving)
        if len(rows) == 0:
            continue
        picked = rows[np.linspace(0, len(rows) - 1, _COLUMNS).astype(int)]
        strips += [np.concatenate(list(inputs[picked]), 1), np.concatenate(list(target[picked]), 1)]
        strips.append(np.zeros((4, strips[-1].shape[1], 3), np.uint8))
    return np.asarray(np.concatenate(strips), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sonic_stream.train.heads.sheet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--out", type=Path, required=True, help="the picture, .png or .jpg")
    parser.add_argument("--kind", choices=("mouth", "eye"), default="mouth")
    parser.add_argument("--split", choices=("train", "val"), default="val")
    args = parser.parse_args()
    try:
        shards = sorted(args.data.glob(f"{args.kind}-{args.split}-*.npz"))
        if not shards:
            raise BadInputError(
                f"There is no {args.kind}-{args.split}-*.npz in {args.data}; make some with:"
                f" python -m sonic_stream.train.heads --out {args.data}"
            )
    except SonicError as error:
        sys.exit(str(error))
    cv2.imwrite(str(args.out), sheet(shards[0])[..., ::-1])
    print(json.dumps({"kind": args.kind, "split": args.split, **figures(shards)}))


if __name__ == "__main__":
    main()
