"""Compiles the inner loops before the first picture is due: seconds once, then read from disk."""

from __future__ import annotations

import numpy as np

from sonic_stream.face.head import load_head
from sonic_stream.picture.painter import Painter
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, Colours, Identity, PortraitSettings

_SIZE = 96


def warm_up() -> None:
    """Paints a featureless head once with everything moving, so that every loop is compiled."""
    head = load_head()
    scale = _SIZE / 40
    centre = np.full(2, _SIZE / 2, np.float32)
    points = centre + scale * head.mean[head.landmarks, :2] * (1, -1)
    irises = centre + scale * head.eye_centres[::-1, :2] * (1, -1)
    ring = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
    grey = np.full(3, 0.5, np.float32)
    matte = np.zeros((_SIZE, _SIZE), np.uint8)
    matte[_SIZE // 8 :, _SIZE // 4 : -_SIZE // 4] = 255
    identity = Identity(
        id="warm-up",
        settings=PortraitSettings(min_resolution=_SIZE),
        crop=np.random.default_rng(0).integers(0, 255, (_SIZE, _SIZE, 3), np.uint8),
        crop_box=(_SIZE / 2, _SIZE / 2, float(_SIZE)),
        landmarks=np.concatenate([points, *(iris + ring for iris in irises)]).astype(np.float32),
        shape=np.zeros(0, np.float32),
        expression=np.zeros(len(head.expression_names), np.float32),
        vertices=head.mean,
        rotation=np.eye(3, dtype=np.float32),
        scale=float(scale),
        translation=centre,
        matte=matte,
        colours=Colours(grey, grey, np.array([0, 0, 1], np.float32), 0.5),
        fit_error=0.0,
        lids_fit=True,
    )
    coeffs = np.zeros(len(CHANNELS), np.float32)
    for name, value in (("aperture", 0.1), ("blink_left", 0.5), ("blink_right", 1.0), ("yaw", 0.1)):
        coeffs[CHANNEL_INDEX[name]] = value
    Painter(identity).paint(coeffs, steps=1)
