"""Draws docs/moods.jpg: the bundled portraits in every mood, at rest and on an open vowel.

python -m bench.moods [OUT.jpg]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from sonic_stream.face import identify
from sonic_stream.motion.moods import LOOKS, MoodBlend
from sonic_stream.offline.bundled import portrait_path
from sonic_stream.picture import Painter
from sonic_stream.types import (
    ATTENTIONS,
    CHANNEL_INDEX,
    CHANNELS,
    F32,
    MOODS,
    MOUTH_CHANNELS,
    U8,
    PortraitSettings,
)

VOWEL = {"aperture": 0.075, "jaw": 0.4, "lower_down": 0.3, "upper_up": 0.15}
WIDTH = 180


def coeffs_of(look: str, mouth: dict[str, float]) -> F32:
    """The face of a mood or an attention, float32 [CHANNELS]."""
    mood, attention = (look, "auto") if look in MOODS else ("neutral", look)
    assert attention in ATTENTIONS
    offsets, droop, _ = MoodBlend().step(mood, 1.0, attention)
    coeffs = np.zeros(len(CHANNELS), np.float32)
    coeffs[len(MOUTH_CHANNELS) :] = offsets
    coeffs[[CHANNEL_INDEX["blink_left"], CHANNEL_INDEX["blink_right"]]] = droop
    for name, value in mouth.items():
        coeffs[CHANNEL_INDEX[name]] = value
    return coeffs


def sheet(portraits: tuple[str, ...]) -> U8:
    """Rows: each portrait at rest, then on a vowel; columns: LOOKS."""
    rows = []
    for name in portraits:
        identity = identify(Path(portrait_path(name)).read_bytes(), PortraitSettings())
        painter = Painter(identity)
        for mouth in ({}, VOWEL):
            row = []
            for look in LOOKS:
                picture = painter.paint(coeffs_of(look, mouth), painter.steps_available and 1)
                small = cv2.resize(
                    picture[20:460, 56:456], (WIDTH, WIDTH * 440 // 400), interpolation=cv2.INTER_AREA
                )
                if not mouth and name == portraits[0]:
                    cv2.putText(
                        small, look, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA
                    )
                row.append(small)
            rows.append(np.hstack(row))
    return np.asarray(np.vstack(rows), np.uint8)


def main() -> None:
    cv2.setNumThreads(1)
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/moods.jpg")
    cv2.imwrite(str(out), sheet(("mira", "tariq"))[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    print(out)


if __name__ == "__main__":
    main()
