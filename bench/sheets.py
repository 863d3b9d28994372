"""Contact sheets, to be looked at: each portrait in sixteen states, and strips of consecutive pictures.

    python -m bench.sheets PORTRAIT... --out DIR [--size 512] [--tile 320] [--steps 0,1]

Writes `NAME-states.jpg` and `NAME-strip*.jpg` for each portrait, `mouths.jpg` and `eyes.jpg` with enlarged
details of all of them, and says what was written. With several decoder steps all of it is made for each, and
the names end in `-steps0`, `-steps1`, so that geometry alone lies beside the decoder's work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sonic_stream.config import MAX_STEPS
from sonic_stream.face import identify
from sonic_stream.picture import Painter
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8, Identity, PortraitSettings

STATES: dict[str, dict[str, float]] = {
    "rest": {},
    "ah": {"aperture": 0.12, "jaw": 0.8, "upper_up": 0.2, "lower_down": 0.3},
    "ee": {"aperture": 0.06, "width": 0.02, "stretch": 0.7, "upper_up": 0.3, "lower_down": 0.4, "jaw": 0.2},
    "oo": {"aperture": 0.03, "width": -0.03, "pucker": 0.9, "funnel": 0.35},
    "f": {"aperture": 0.014, "labiodental": 1},
    "p after a": {"close": 1, "jaw": 0.2},
    "smile": {"smile": 0.9},
    "blink": {"blink_left": 1, "blink_right": 1},
    "half blink": {"blink_left": 0.5, "blink_right": 0.5},
    "yaw +12": {"yaw": 0.21, "aperture": 0.05, "jaw": 0.3},
    "yaw -12": {"yaw": -0.21},
    "pitch +12": {"pitch": 0.21},
    "pitch -12": {"pitch": -0.21},
    "roll +12": {"roll": 0.21},
    "gaze": {"gaze_x": 0.3, "gaze_y": 0.1},
    "th, brows up": {
        "aperture": 0.04,
        "tongue_out": 0.8,
        "brow_inner": 0.8,
        "brow_outer": 0.8,
        "gaze_y": -0.15,
    },
}
_MOUTHS = ("rest", "ah", "ee", "oo", "f", "p after a", "smile", "th, brows up")
_EYES = ("rest", "half blink", "blink", "gaze")
_KEYS: dict[str, tuple[tuple[float, dict[str, float]], ...]] = {
    "blink": tuple((t, {"blink_left": b, "blink_right": b}) for t, b in ((0, 0), (3, 1), (4, 1), (9, 0))),
    "mama papa": (
        (0, {}),
        (1, {"close": 1}),
        (4, STATES["ah"]),
        (6, {"close": 1}),
        (9, STATES["ah"]),
        (11, {"close": 1, "jaw": 0.2}),
    ),
    "father we": (
        (0, {}),
        (2, STATES["f"]),
        (5, STATES["ah"]),
        (7, {"aperture": 0.03, "tongue_out": 0.7}),
        (9, {"aperture": 0.02, "width": -0.028, "pucker": 0.9, "funnel": 0.35}),
        (11, STATES["ee"]),
    ),
    "smile closing, head turning": ((0, {"smile": 1, "aperture": 0.04, "yaw": -0.12}), (11, {"yaw": 0.12})),
}
_STRIP = 12


def coefficients(named: dict[str, float]) -> F32:
    """Coefficients by name; the rest at rest."""
    out = np.zeros(len(CHANNELS), np.float32)
    for name, value in named.items():
        out[CHANNEL_INDEX[name]] = value
    return out


def strip_of(keys: Sequence[tuple[float, dict[str, float]]]) -> list[F32]:
    """Twelve consecutive pictures through the key positions."""
    times = [time for time, _ in keys]
    curves = np.stack([coefficients(named) for _, named in keys], 1)
    return [
        np.array([np.interp(frame, times, curve) for curve in curves], np.float32) for frame in range(_STRIP)
    ]


def _labelled(image: U8, text: str) -> U8:
    image = np.ascontiguousarray(image)
    scale = image.shape[1] / 640
    at = (int(10 * scale), int(30 * scale))
    cv2.putText(
        image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), max(1, int(4 * scale)), cv2.LINE_AA
    )
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 0), 1, cv2.LINE_AA)
    return image


def _tiled(tiles: list[U8], columns: int) -> U8:
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


def _part(image: U8, identity: Identity, points: Sequence[int], grow: float, width: int, tall: float) -> U8:
    """An enlarged piece of the picture about some landmarks, `tall` times as high as wide."""
    at = identity.landmarks[list(points)]
    centre, half = at.mean(0), grow * float(np.ptp(at[:, 0])) / 2
    matrix = np.array([[width / (2 * half), 0, 0], [0, width / (2 * half), 0]])
    height = round(width * tall)
    matrix[:, 2] = (width / 2, height * 0.42) - matrix[:, :2] @ centre
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC), np.uint8)


def _write(path: Path, image: U8) -> None:
    cv2.imwrite(str(path), image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(path, f"{path.stat().st_size // 1024} KB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("portraits", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512, help="side of the pictures, px")
    parser.add_argument("--tile", type=int, default=320, help="side of a tile on the sheets, px")
    parser.add_argument(
        "--steps", type=_counts, default=(0,), help="decoder steps, as 0,1; 0: geometry alone"
    )
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    chosen.out.mkdir(parents=True, exist_ok=True)
    identities = {
        path.stem: identify(path.read_bytes(), PortraitSettings(min_resolution=chosen.size))
        for path in chosen.portraits
    }
    for steps in chosen.steps:
        ending = f"-steps{steps}.jpg" if len(chosen.steps) > 1 else ".jpg"
        _sheets(identities, steps, chosen.tile, chosen.out, ending)


def _counts(text: str) -> tuple[int, ...]:
    """Numbers of decoder steps out of "0,1"."""
    counts = tuple(int(word) for word in text.split(","))
    if not all(0 <= count <= MAX_STEPS for count in counts):
        raise argparse.ArgumentTypeError(f"steps are 0 to {MAX_STEPS}, separated by commas, not {text!r}")
    return counts


def _sheets(identities: dict[str, Identity], steps: int, tile: int, out: Path, ending: str) -> None:
    """All sheets for one number of decoder steps."""
    mouths, eyes = [], []
    for stem, identity in identities.items():
        painter = Painter(identity)
        painted = {name: painter.paint(coefficients(named), steps) for name, named in STATES.items()}
        tiles = [_labelled(_small(image, tile), name) for name, image in painted.items()]
        _write(out / f"{stem}-states{ending}", _tiled(tiles, 4))
        strips = []
        side = tile * 2 // 3
        for name, keys in _KEYS.items():
            for number, coeffs in enumerate(strip_of(keys)):
                image = painter.paint(coeffs, steps)
                if "head" in name:
                    piece = _small(image, side)
                elif name == "blink":
                    piece = _part(image, identity, (33, 263), 1.5, side, 0.5)
                else:
                    piece = _part(image, identity, (61, 291), 2.0, side, 1.0)
                strips.append(_labelled(piece, str(number) if number else name))
        for row in range(0, len(strips), _STRIP):
            strip = _tiled(strips[row : row + _STRIP], 6)
            _write(out / f"{stem}-strip{row // _STRIP + 1}{ending}", strip)
        mouths += [
            _labelled(_part(painted[name], identity, (61, 291, 13, 14), 1.9, tile, 0.8), name)
            for name in _MOUTHS
        ]
        eyes += [
            _labelled(_part(painted[name], identity, (33, 263, 159, 386), 1.35, tile, 0.5), name)
            for name in _EYES
        ]
    _write(out / f"mouths{ending}", _tiled(mouths, len(_MOUTHS)))
    _write(out / f"eyes{ending}", _tiled(eyes, len(_EYES)))


def _small(image: U8, side: int) -> U8:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
