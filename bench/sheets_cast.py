"""The sheets of docs/sheets.md: bundled portraits in twelve states, and strips, with and without the decoder.

    python -m bench.sheets_cast [--out docs] [--only NAME...]

Writes `sheet-NAME.jpg` for each bundled portrait (above geometry alone, below the decoder at one step) and
`strip-blink.jpg`, `strip-words.jpg` and `strip-smile.jpg` of a few. The words are spoken by espeak-ng
(the program), and the network that moves every mouth hears them; the other states are posed.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.sheets import STATES, coefficients, strip_of
from sonic_stream.config import settle
from sonic_stream.errors import MissingPieceError
from sonic_stream.face import identify
from sonic_stream.offline.bundled import portraits
from sonic_stream.offline.parts import Parts
from sonic_stream.offline.voice_motion import voice_motion_file
from sonic_stream.picture import Painter, Settling
from sonic_stream.types import F32, MOUTH_CHANNELS, U8, Identity, PortraitSettings

POSES: dict[str, dict[str, float]] = {
    "rest": {},
    "ah": STATES["ah"],
    "ee": STATES["ee"],
    "oo": STATES["oo"],
    "f": STATES["f"],
    "m, shut": STATES["p after a"],
    "smile": STATES["smile"],
    "smile, teeth": {"smile": 0.9, "aperture": 0.035, "upper_up": 0.35, "width": 0.012},
    "surprise": {"wide": 0.8, "brow_inner": 0.9, "brow_outer": 0.9, "aperture": 0.06, "jaw": 0.5},
    "blink": STATES["blink"],
    "look aside": {"gaze_x": 0.35},
    "turned 15": {"yaw": 0.262},
}
STEPS = (0, 1)
"""Geometry alone, then the decoder at its default."""
WORDS = "mama, papa, father, we"
WORDS_EVERY = 3
"""Every third picture of the words is shown."""
WORDS_BY = ("mira", "amara")
IN_STRIPS = ("mira", "otto", "amara", "pim")
COLUMNS, TILE_PX, STRIP_PX, STRIP_COLUMNS = 6, 200, 104, 13
LARGEST_BYTES = 300_000


def crop(image: U8, identity: Identity, width: int, part: str) -> U8:
    """The head, the mouth or the eyes, `width` px wide."""
    points, half, tall, at = {
        "head": ((10, 152), 0.74, 1.0, 0.5),
        "mouth": ((61, 291), 0.95, 0.9, 0.46),
        "eyes": ((33, 263), 0.78, 0.5, 0.5),
    }[part]
    ends = identity.landmarks[list(points), :2]
    reach = half * float(np.linalg.norm(ends[1] - ends[0]))
    scale = width / (2 * reach)
    height = round(width * tall)
    move = (width / 2, height * at) - scale * ends.mean(0)
    matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]])
    if scale < 1:
        # warpAffine does not average: soften first what is going to be left out.
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.45 / scale), np.uint8)
    border = cv2.BORDER_REPLICATE
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.uint8)


def labelled(image: U8, text: str) -> U8:
    """The picture with a word in its corner."""
    image = np.ascontiguousarray(image)
    for shade, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, (5, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, shade, thick, cv2.LINE_AA)
    return image


def state_sheet(identity: Identity) -> U8:
    """Twelve states: two rows without, two rows with the decoder."""
    painter = Painter(identity)
    rows = []
    for steps in STEPS:
        tiles = [
            labelled(crop(painter.paint(coefficients(named), steps), identity, TILE_PX, "head"), name)
            for name, named in POSES.items()
        ]
        rows += [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def strip(identity: Identity, rows: Sequence[F32], part: str, every: int = 1) -> U8:
    """Consecutive pictures: a row without, below it one with the decoder; long ones go on below."""
    painter = Painter(identity)
    made: list[list[U8]] = []
    for steps in STEPS:
        settling = Settling()
        shown = []
        for number, coeffs in enumerate(rows):
            image = painter.paint(coeffs, steps, settling)
            if number % every == 0:
                shown.append(crop(image, identity, STRIP_PX, part))
        blank = np.zeros_like(shown[0])
        made.append(shown + [blank] * (-len(shown) % STRIP_COLUMNS if len(shown) > STRIP_COLUMNS else 0))
    lines = [
        np.hstack(shown[at : at + STRIP_COLUMNS])
        for at in range(0, len(made[0]), STRIP_COLUMNS)
        for shown in made
    ]
    return np.asarray(np.vstack(lines), np.uint8)


def spoken(text: str) -> F32:
    """What the mouth does when espeak-ng says `text`, float32 [T, CHANNELS]; the head is still.

    Errors: MissingPieceError without the program.
    """
    with tempfile.TemporaryDirectory() as folder:
        voice, motion = Path(folder, "voice.wav"), Path(folder, "motion.npz")
        try:
            subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", voice, text], check=True)
        except FileNotFoundError as missing:
            raise MissingPieceError("The words need the program espeak-ng; install it.") from missing
        coeffs = voice_motion_file(voice, motion, settle({}), None, print, None, Parts()).coeffs
    coeffs[:, len(MOUTH_CHANNELS) :] = 0
    return coeffs


def write(path: Path, image: U8) -> None:
    """A JPEG as good as fits into the allowed size."""
    for quality in (90, 86, 82, 76, 70, 60):
        data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if data.nbytes <= LARGEST_BYTES:
            break
    path.write_bytes(data.tobytes())
    print(path, f"{data.nbytes // 1024} KB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--only", nargs="+", choices=list(portraits()), help="portraits; no strips then")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    wanted = chosen.only or list(portraits())
    faces = {name: identify(portraits()[name].read_bytes(), PortraitSettings()) for name in wanted}
    for name, identity in faces.items():
        write(chosen.out / f"sheet-{name}.jpg", state_sheet(identity))
    if chosen.only:
        return
    blink = [(0.0, 0.0), (3.0, 1.0), (4.0, 1.0), (9.0, 0.0)]
    runs: dict[str, tuple[list[F32], str, int]] = {
        "blink": (strip_of([(t, {"blink_left": b, "blink_right": b}) for t, b in blink]), "eyes", 1),
        "words": (list(spoken(WORDS)), "mouth", WORDS_EVERY),
        "smile": (strip_of([(0, POSES["smile, teeth"]), (8, {}), (11, {})]), "mouth", 1),
    }
    for name, (rows, part, every) in runs.items():
        shown = WORDS_BY if name == "words" else IN_STRIPS
        made = [strip(faces[who], rows, part, every) for who in shown if who in faces]
        write(chosen.out / f"strip-{name}.jpg", np.asarray(np.vstack(made), np.uint8))


if __name__ == "__main__":
    main()
