"""Coefficients get the name of the shape they make."""

from __future__ import annotations

import numpy as np
import pytest

from sonic_stream.stream.visemes import SHAPES, mouth_shape
from sonic_stream.types import CHANNEL_INDEX, CHANNELS


def face(**channels: float) -> np.ndarray:
    coeffs = np.zeros(len(CHANNELS), np.float32)
    for name, value in channels.items():
        coeffs[CHANNEL_INDEX[name]] = value
    return coeffs


@pytest.mark.parametrize(
    ("channels", "shape"),
    [
        ({}, "tongue"),
        ({"close": 0.9, "aperture": 0.01}, "closed"),
        ({"labiodental": 0.8, "aperture": 0.02}, "teeth"),
        ({"aperture": 0.08}, "open"),
        ({"stretch": 0.6, "aperture": 0.02}, "wide"),
        ({"width": 0.03, "aperture": 0.02}, "wide"),
        ({"funnel": 0.7, "aperture": 0.05}, "round"),
        ({"pucker": 0.8, "funnel": 0.4, "aperture": 0.01}, "narrow"),
        ({"tongue_tip": 0.7, "aperture": 0.01}, "tongue"),
    ],
)
def test_a_shape_that_speaks(channels, shape):
    name, amount = mouth_shape(face(**channels), speaking=1.0)
    assert name == shape and 0 <= amount <= 1 and name in SHAPES


def test_a_mouth_that_does_not_speak_rests():
    assert mouth_shape(face(aperture=0.08), speaking=0.0) == ("rest", 1.0)
