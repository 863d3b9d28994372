"""Tells a mouth of which one side is covered, as by a microphone or a hand, from one that is free.

Colours about the two halves of the mouth are compared, mirrored, against how the two cheeks differ: light
from one side changes both alike. Bundled and painted portraits have a median difference of 3 to 9 (CIELAB,
lightness counted half), the same with one corner of the mouth behind a grey disc 17 to 53.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from sonic_stream.face.colours import sample, spots
from sonic_stream.types import Identity

_MOUTH: Final = (
    (57, 287), (43, 273), (167, 393), (165, 391), (83, 313), (61, 291), (40, 270), (91, 321), (39, 269),
    (181, 405), (106, 335), (204, 424), (186, 410),
)  # fmt: skip
_CHEEKS: Final = (
    (50, 280),
    (205, 425),
    (187, 411),
    (123, 352),
    (116, 345),
    (111, 340),
    (101, 330),
    (36, 266),
)
_WEIGHTS: Final = (0.5, 1.0, 1.0)
_COVERED: Final = 14.0
_MOST_TURN: Final = 0.35
"""Sine of the turn up to which both halves of the mouth are seen alike."""
_SENTENCE: Final = (
    "One half of the mouth seems to be covered (by a microphone, a hand?); a portrait that shows both lips"
    " speaks much better."
)


def difference(identity: Identity) -> float:
    """How unlike the two halves of the mouth are, beyond the cheeks; CIELAB."""
    lab = np.asarray(cv2.cvtColor(identity.crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)

    def apart(pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
        one = sample(lab, spots(identity.landmarks, tuple(a for a, _ in pairs)))
        other = sample(lab, spots(identity.landmarks, tuple(b for _, b in pairs)))
        return np.asarray(one - other)

    beyond = (apart(_MOUTH) - np.median(apart(_CHEEKS), axis=0)) * _WEIGHTS
    return float(np.median(np.linalg.norm(beyond, axis=1)))


def advice(identity: Identity) -> tuple[str, ...]:
    """A sentence where one half of the mouth is covered; none for turned heads, where nothing can be told.

    None either where the portrait's own advice already says that the mouth is covered.
    """
    if any("mouth seems to be covered" in sentence for sentence in identity.advice):
        return ()
    if abs(float(identity.rotation[0, 2])) > _MOST_TURN or not identity.landmarks.any():
        return ()
    return (_SENTENCE,) if difference(identity) > _COVERED else ()
