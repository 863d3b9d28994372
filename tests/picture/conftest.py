"""A person drawn from the head model itself, so that the truth about every pixel is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from sonic_stream.face.head import Head, load_head
from sonic_stream.picture import Painter, raster
from sonic_stream.picture.rig import Pose
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, Colours, Identity, PortraitSettings

BACKGROUND = (90, 120, 160)


def drawn_identity(
    size: int = 256, expression: dict[str, float] | None = None, roll: float = 0.0, lids_fit: bool = True
) -> Identity:
    """A shaded head with speckled skin before a plain background, fitted perfectly."""
    head = load_head()
    weights = np.zeros(len(head.expression_names), np.float32)
    for name, value in (expression or {}).items():
        weights[head.expression_index(name)] = value
    vertices = head.shaped(np.zeros(10, np.float32), weights)
    cosine, sine = np.cos(roll), np.sin(roll)
    rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)
    scale = size / 42
    translation = np.array([size * 0.5, size * 0.5], np.float32)
    pivot = np.array((0.0, -8.0, -1.0), np.float32)
    anchor = translation + scale * (rotation @ pivot)[:2] * (1, -1)
    placed = Pose(rotation, scale, anchor.astype(np.float32)).project(vertices)
    crop, matte = _drawn(head, placed, size)
    points = placed[head.landmarks, :2]
    irises = np.concatenate([_iris(placed, head, part) for part in ("eye_right", "eye_left")])
    return Identity(
        id=f"drawn-{size}",
        settings=PortraitSettings(min_resolution=size),
        crop=crop,
        crop_box=(size / 2, size / 2, float(size)),
        landmarks=np.concatenate([points, irises]).astype(np.float32),
        shape=np.zeros(10, np.float32),
        expression=weights,
        vertices=head.mean.copy(),
        rotation=rotation,
        scale=float(scale),
        translation=translation,
        matte=matte,
        colours=Colours(
            np.array([0.8, 0.6, 0.5], np.float32),
            np.array([0.7, 0.35, 0.35], np.float32),
            np.array([0.0, -0.5, 0.87], np.float32),
            0.6,
        ),
        fit_error=0.0,
        lids_fit=lids_fit,
    )


def _iris(placed: F32, head: Head, part: str) -> F32:
    ball = placed[np.unique(head.triangles_of(part))]
    front = ball[np.argmax(ball[:, 2]), :2]
    radius = 0.35 * float(np.ptp(ball[:, 0])) / 2
    ring = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * radius
    return np.asarray(front + ring, np.float32)


def _drawn(head: Head, placed: F32, size: int) -> tuple[np.ndarray, np.ndarray]:
    triangles = head.triangles_of("skin", "skull", "eye_left", "eye_right")
    a, b, c = (placed[triangles[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)
    normal = facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-6)
    light = np.clip(-normal @ np.array([-0.3, -0.5, 0.8]), 0, 1)
    eye = np.isin(triangles, np.unique(head.triangles_of("eye_left", "eye_right"))).all(1)
    lips = np.isin(triangles[:, 0], np.flatnonzero(np.abs(head.mean[:, 1] + 3.3) < 0.8)) & (
        np.abs(placed[triangles[:, 0], 0] - size / 2) < size * 0.055
    )
    tone = np.where(eye[:, None], (235, 235, 235), (205, 160, 135)).astype(np.float32)
    tone[lips] = (180, 90, 90)
    colour = tone * (0.45 + 0.55 * light[:, None])
    corners = placed[triangles].reshape(-1, 3)
    image = np.empty((size, size, 3), np.float32)
    image[:] = BACKGROUND
    depth = np.full((size, size), raster.FAR, np.float32)
    numbered = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    values = np.repeat(colour.astype(np.float32), 3, 0)
    raster.draw_mesh(corners, numbered, values, 1.0, 0.0, 0.0, depth, image)
    noise = np.random.default_rng(5).normal(0, 9, (size, size, 1)).astype(np.float32)
    person = depth > raster.FAR
    image += cv2.GaussianBlur(noise, (0, 0), 2.0)[..., None] * 4 * person[..., None]
    matte = cv2.GaussianBlur(person.astype(np.float32) * 255, (0, 0), 1.0)
    return np.clip(image, 0, 255).astype(np.uint8), matte.astype(np.uint8)


@pytest.fixture(scope="session")
def identity() -> Identity:
    """The drawn person, mouth shut."""
    return drawn_identity()


@pytest.fixture(scope="session")
def painter(identity: Identity) -> Painter:
    return Painter(identity)


@pytest.fixture(scope="session")
def coeffs() -> Callable[..., F32]:
    """Coefficients by name; what is not named is at rest."""

    def make(**named: float) -> F32:
        out = np.zeros(len(CHANNELS), np.float32)
        for name, value in named.items():
            out[CHANNEL_INDEX[name]] = value
        return out

    return make


@pytest.fixture(scope="session")
def draw() -> Callable[..., Identity]:
    """Makes other drawn persons."""
    return drawn_identity
