"""Renders the bundled portraits.

python -m sonic_stream.train.portraits --head PATH/ict_facekit.npz --out DIR [--only NAME] [--size PX]

Needs Blender as a module (`pip install bpy`, Python 3.11) and the `train` extra; about ten minutes a portrait
on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sonic_stream.errors import BadInputError, MissingPieceError, SonicError
from sonic_stream.train.portraits.finish import finish
from sonic_stream.train.portraits.looks import LOOKS


def make(head: Path, out: Path, only: str | None, size_px: int, samples: int) -> None:
    """Renders one portrait or all of them into `out`, as JPEG.

    Raises BadInputError for a wrong name or head, MissingPieceError without Blender's module.
    """
    names = [look.name for look in LOOKS]
    if only is not None and only not in names:
        raise BadInputError(f"There is no portrait named {only!r}; there are {', '.join(names)}.")
    folder = head if head.is_dir() else head.parent
    for piece in ("ict_facekit.npz", "index.json"):
        if not (folder / piece).is_file():
            raise BadInputError(f"{folder} has no {piece}; --head is the path of ICT-FaceKit packed as npz.")
    try:
        from sonic_stream.train.portraits.scene import render
    except ImportError as missing:
        text = f"Rendering needs Blender as a Python module ({missing}): pip install bpy, under Python 3.11."
        raise MissingPieceError(text) from missing
    out.mkdir(parents=True, exist_ok=True)
    for look in LOOKS:
        if only in (None, look.name):
            raw = out / f"{look.name}.raw.png"
            render(folder, look, raw, size_px, samples)
            finish(raw, out / f"{look.name}.jpg", look.painted, look.seed)
            raw.unlink()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sonic_stream.train.portraits", description=__doc__)
    parser.add_argument(
        "--head", type=Path, required=True, help="path of ict_facekit.npz (index.json beside it)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--only", help="name of one portrait")
    parser.add_argument("--size", type=int, default=896, help="side in pixels")
    parser.add_argument("--samples", type=int, default=28, help="light paths a pixel, before denoising")
    given = parser.parse_args(arguments)
    try:
        make(given.head, given.out, given.only, given.size, given.samples)
    except SonicError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
