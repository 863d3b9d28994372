"""The sheets show what they say: twelve states, both ways of painting, parts at one scale, small files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import sheets_cast
from bench.sheets import coefficients
from sonic_stream.offline.bundled import portraits


@dataclass
class Face:
    """What a crop asks of an identity."""

    landmarks: np.ndarray


@pytest.fixture
def face() -> Face:
    points = np.zeros((478, 2), np.float32)
    points[10], points[152] = (256, 120), (256, 400)
    points[61], points[291] = (200, 330), (312, 330)
    points[33], points[263] = (170, 220), (342, 220)
    return Face(points)


def test_there_are_twelve_different_poses_of_known_channels() -> None:
    rows = {coefficients(named).tobytes() for named in sheets_cast.POSES.values()}
    assert len(sheets_cast.POSES) == len(rows) == 12


@pytest.mark.parametrize(("part", "ends"), [("head", (10, 152)), ("mouth", (61, 291)), ("eyes", (33, 263))])
def test_a_crop_is_centred_on_its_part(face: Face, part: str, ends: tuple[int, int]) -> None:
    middle = face.landmarks[list(ends)].mean(0)
    image = np.zeros((512, 512, 3), np.uint8)
    cv2.circle(image, (int(middle[0]), int(middle[1])), 12, (255, 255, 255), -1)
    shown = sheets_cast.crop(image, face, 200, part)  # type: ignore[arg-type]
    ys, xs = np.nonzero(shown[..., 0] > 128)
    assert shown.shape[1] == 200
    assert xs.mean() == pytest.approx(100, abs=1.5)
    assert abs(ys.mean() / shown.shape[0] - 0.5) < 0.06


def test_a_crop_that_shrinks_averages(face: Face) -> None:
    checks = np.indices((512, 512)).sum(0) % 2 * 255
    image = np.repeat(checks[..., None], 3, 2).astype(np.uint8)
    shown = sheets_cast.crop(image, face, 100, "head")  # type: ignore[arg-type]
    assert shown.std() < 10


def test_sheets_fit_their_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    sheets_cast.write(tmp_path / "a.jpg", noise)
    assert (tmp_path / "a.jpg").stat().st_size <= sheets_cast.LARGEST_BYTES


def test_the_portraits_of_the_strips_exist() -> None:
    assert set(sheets_cast.IN_STRIPS) <= set(portraits())
