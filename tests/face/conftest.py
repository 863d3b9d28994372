"""Known heads made from the head model itself, the bundled portraits, and what may be done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_stream.face.head import load_head
from sonic_stream.media.image import load_image
from sonic_stream.types import U8


@dataclass(frozen=True)
class KnownHead:
    """What a fit should find again."""

    landmarks: np.ndarray
    """[478, 2] px."""
    depth: np.ndarray
    """[478] px, away from the camera."""
    rotation: np.ndarray
    scale: float
    translation: np.ndarray
    shape: np.ndarray
    expression: np.ndarray


def make_head(seed: int, yaw_deg: float = 0.0, **expression: float) -> KnownHead:
    """A random identity with the expressions named, seen under `yaw_deg`, as 478 landmarks."""
    head, random = load_head(), np.random.default_rng(seed)
    shape = np.zeros(len(head.identity), np.float32)
    shape[:40] = random.normal(0, 0.6, 40)
    weights = np.zeros(len(head.expression_names), np.float32)
    for name, value in expression.items():
        weights[head.expression_index(name)] = value
    turn = np.radians([random.uniform(-6, 6), yaw_deg, random.uniform(-6, 6)])
    rotation = np.asarray(cv2.Rodrigues(turn)[0])
    scale, translation = 11.0, np.array([260.0, 240.0])
    turned = head.shaped(shape, weights)[head.landmarks] @ rotation.T
    points = np.zeros((478, 2), np.float32)
    points[:468] = translation + scale * turned[:, :2] * [1, -1]
    depth = np.zeros(478, np.float32)
    depth[:468] = -scale * turned[:, 2]
    return KnownHead(points, depth, rotation, scale, translation, shape, weights)


@pytest.fixture(scope="session")
def known_head() -> Callable[..., KnownHead]:
    return make_head


@pytest.fixture(scope="session")
def portraits() -> list[Path]:
    """The bundled portraits."""
    folder = Path(str(resources.files("sonic_stream") / "assets" / "portraits"))
    found = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg", ".webp"))
    assert found, "no bundled portraits"
    return found


@pytest.fixture(scope="session")
def photo(portraits: list[Path]) -> U8:
    """The first bundled portrait at 512 px, as pixels."""
    image = load_image(portraits[0])
    return np.asarray(cv2.resize(image, (512, 512), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="session")
def as_png() -> Callable[[U8], bytes]:
    def encode(image: U8) -> bytes:
        done, data = cv2.imencode(".png", image[:, :, ::-1])
        assert done
        return data.tobytes()

    return encode
