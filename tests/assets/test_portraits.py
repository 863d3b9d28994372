"""The bundled portraits: small files, each with one face, eyes open, lips closed (one smiles), frontal (one
is turned)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.face.tracker import FaceTracker, TrackedFace
from sonic_stream.media.image import load_image

FOLDER = Path(str(resources.files("sonic_stream") / "assets" / "portraits"))
PORTRAITS = sorted(p for p in FOLDER.iterdir() if p.suffix in (".png", ".jpg", ".webp"))
LARGEST_BYTES = 150_000
SMILES = "amara"
"""Shows teeth between parted lips."""
TURNED = "idris"
"""Shown in three-quarter view."""
INNER_UPPER_LIP, INNER_LOWER_LIP = 13, 14
EYES = ((159, 145, 33, 133), (386, 374, 263, 362))
"""Upper lid, lower lid, outer corner, inner corner."""


@pytest.fixture(scope="module")
def tracker() -> FaceTracker:
    return FaceTracker()


def face_of(tracker: FaceTracker, path: Path) -> TrackedFace:
    image = load_image(path)
    faces = tracker.search(image)
    assert len(faces) == 1, f"{path.name} shows {len(faces)} faces"
    face = tracker.refine(image, faces[0])
    assert face is not None
    return face


def test_there_is_a_cast_and_all_are_described() -> None:
    text = (FOLDER / "README.md").read_text()
    assert len(PORTRAITS) >= 10
    assert all(f"`{p.stem}`" in text for p in PORTRAITS)
    assert "CC0" in text


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda p: p.stem)
def test_files_are_small_and_large_enough(path: Path) -> None:
    height, width = load_image(path).shape[:2]
    assert path.stat().st_size <= LARGEST_BYTES
    assert min(height, width) >= 768
    assert 0.9 < width / height < 1.1


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda p: p.stem)
def test_one_frontal_face_fills_a_good_part(path: Path, tracker: FaceTracker) -> None:
    face = face_of(tracker, path)
    height, width = load_image(path).shape[:2]
    right, down, away = face.backward
    turned_deg = np.degrees(np.arctan2(abs(right), away))
    assert 15 < turned_deg < 30 if path.stem == TURNED else turned_deg < 5
    assert np.degrees(np.arctan2(abs(down), away)) < 8
    assert abs(np.degrees(face.tilt)) < 3
    assert 0.3 < face.height / height < 0.65
    # The face of a turned head lies beside the head's middle.
    assert abs(face.centre[0] / width - 0.5) < (0.12 if path.stem == TURNED else 0.06)


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda p: p.stem)
def test_lips_are_closed_and_eyes_open(path: Path, tracker: FaceTracker) -> None:
    face = face_of(tracker, path)
    points = face.points[:, :2]
    gap = np.linalg.norm(points[INNER_LOWER_LIP] - points[INNER_UPPER_LIP]) / face.height
    if path.stem == SMILES:
        assert 0.012 < gap < 0.06
    else:
        assert gap < 0.012
    for upper, lower, outer, inner in EYES:
        opening = np.linalg.norm(points[upper] - points[lower])
        assert opening / np.linalg.norm(points[outer] - points[inner]) > 0.2
