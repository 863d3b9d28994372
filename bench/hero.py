"""The picture at the top of the README: four of the bundled portraits, and moments of them speaking.

    python -m bench.hero [--out docs/hero.jpg]

Every moment is a picture of a real render of a bundled voice; nothing is posed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from sonic_stream import pictures
from sonic_stream.timebase import FPS

ROWS = (("mira", "hello"), ("otto", "hello-low"), ("amara", "hello"), ("pim", "hello"))
MOMENTS_S = (0.6, 1.4, 1.72, 2.28, 2.84)
TILE_PX, GAP_PX = 230, 6


def row(portrait: str, voice: str) -> np.ndarray:
    """The portrait at rest and the moments beside each other, uint8 [TILE, W, 3] RGB."""
    shown: list[np.ndarray] = []
    for number, picture in enumerate(pictures(portrait, voice, duration=MOMENTS_S[-1] + 0.2)):
        if number == 0 or number in {round(s * FPS) for s in MOMENTS_S}:
            shown.append(cv2.resize(picture.image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA))
    gap = np.full((TILE_PX, GAP_PX, 3), 255, np.uint8)
    return np.hstack([part for tile in shown for part in (tile, gap)][:-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/hero.jpg"))
    args = parser.parse_args()
    rows = [row(*names) for names in ROWS]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    sheet = np.vstack([part for strip in rows for part in (strip, gap)][:-1])
    cv2.imwrite(str(args.out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f"{args.out} {args.out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
