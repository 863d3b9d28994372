"""What the decoder does to a picture, to be looked at: mouths and eyes without it and with it.

    python -m bench.decoder_figure [PORTRAIT...] --out FILE.jpg [--steps 1 4]

For each portrait a row of geometry alone (0 steps) and one for each number of steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.sheets import STATES, coefficients
from sonic_stream.face import identify
from sonic_stream.picture import Painter
from sonic_stream.types import F32, U8, Identity, PortraitSettings

MOUTHS = ("ah", "ee", "oo", "f", "p after a", "smile")
EYES = ("half blink", "blink")
MOUTH_POINTS, EYE_POINTS = (61, 291), (33, 263)
TILE = (200, 150)


def _tile(image: U8, points: F32, grow: float, text: str) -> U8:
    """The piece of the picture about two landmarks, enlarged to a tile."""
    centre = points.mean(0)
    pace = TILE[0] / (grow * float(np.ptp(points[:, 0])))
    matrix = np.array([[pace, 0, 0], [0, pace, 0]])
    matrix[:, 2] = (TILE[0] / 2, TILE[1] * 0.45) - matrix[:, :2] @ centre
    tile = np.ascontiguousarray(cv2.warpAffine(image, matrix, TILE, flags=cv2.INTER_CUBIC))
    for colour, width in (((0, 0, 0), 3), ((255, 255, 0), 1)):
        cv2.putText(tile, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


def rows_of(identity: Identity, steps: Sequence[int]) -> U8:
    """The rows of one portrait."""
    painter, rows = Painter(identity), []
    for count in steps:
        tiles = []
        for names, points, grow in ((MOUTHS, MOUTH_POINTS, 2.3), (EYES, EYE_POINTS, 1.35)):
            for name in names:
                image = painter.paint(coefficients(STATES[name]), count)
                told = f"{name}, {count} step{'s' if count != 1 else ''}" if count else f"{name}, geometry"
                tiles.append(_tile(image, identity.landmarks[list(points), :2], grow, told))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Paints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    bundled = sorted((Path(__file__).parents[1] / "sonic_stream" / "assets" / "portraits").glob("*.jpg"))
    parser.add_argument("portraits", nargs="*", type=Path, default=bundled)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, nargs="+", default=[1], help="0 is always there")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    rows = [
        rows_of(identify(path.read_bytes(), PortraitSettings(min_resolution=512)), (0, *chosen.steps))
        for path in chosen.portraits
    ]
    sheet = np.vstack(rows)
    cv2.imwrite(str(chosen.out), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(chosen.out, f"{chosen.out.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
