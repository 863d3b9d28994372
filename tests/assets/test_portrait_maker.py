"""The scripts behind the bundled portraits, as far as they go without Blender."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.train.portraits.__main__ import main, make
from sonic_stream.train.portraits.anatomy import Anatomy, inside_loop
from sonic_stream.train.portraits.clothes import ring_polygons
from sonic_stream.train.portraits.eyes import IRIS_EDGE, PUPIL_EDGE, eyeball
from sonic_stream.train.portraits.finish import brush, finish, paint
from sonic_stream.train.portraits.hair import HairStyle, coils, hairline
from sonic_stream.train.portraits.looks import LOOKS

SKULL_CM = 8.0
SKULL_CENTRE = np.array([0.0, 4.0, 0.0])


@pytest.fixture(scope="module")
def ball() -> Anatomy:
    """A head that is a ball."""
    rows, sectors = 60, 80
    down, around = np.linspace(0.02, np.pi - 0.02, rows)[:, None], np.linspace(0, 2 * np.pi, sectors, False)
    points = np.stack(
        [np.sin(down) * np.sin(around), np.cos(down) + 0 * around, np.sin(down) * np.cos(around)], -1
    )
    quads = np.array(ring_polygons(rows, sectors))
    return Anatomy(SKULL_CENTRE + SKULL_CM * points.reshape(-1, 3), quads, np.zeros((68, 3)))


def halves(side: int = 64) -> np.ndarray:
    """Dark left, light right."""
    image = np.full((side, side, 3), 0.2, np.float32)
    image[:, side // 2 :] = 0.8
    return image


def test_a_closed_grid_has_every_inner_edge_twice() -> None:
    polygons = ring_polygons(4, 7)
    edges = [tuple(sorted((p[k], p[(k + 1) % 4]))) for p in polygons for k in range(4)]
    counts = [edges.count(e) for e in set(edges)]
    assert len(polygons) == 3 * 7
    assert counts.count(1) == 2 * 7, "only the first and the last ring are open"
    assert set(counts) == {1, 2}


def test_distance_to_an_outline_is_signed() -> None:
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    found = inside_loop(square, np.array([[0, 0, 5.0], [0.75, 0, 0], [2, 0, 0]]))
    assert found == pytest.approx([1.0, 0.25, -1.0], abs=0.04)


def test_an_eye_is_dark_in_the_pupil_coloured_around_it_and_white_outside() -> None:
    centre = np.array([1.0, 2.0, 3.0])
    made = eyeball(centre, 1.5, np.array([0.05, 0.19, 0.12]), seed=1)
    out = made.points - centre
    angle = np.arctan2(np.hypot(out[:, 0], out[:, 1]), out[:, 2])
    pupil, white = made.colours[angle < PUPIL_EDGE - 0.02], made.colours[(angle > 0.55) & (angle < 0.7)]
    iris = made.colours[(angle > PUPIL_EDGE + 0.05) & (angle < IRIS_EDGE - 0.05)].mean(0)
    assert pupil.max() < 0.01
    assert iris.argmax() == 1
    assert white.min() > 0.4


def test_coils_grow_from_above_the_hairline_and_stay_short(ball: Anatomy) -> None:
    style = HairStyle(strands=400, length_top=1.7, length_side=0.4, coil=0.1)
    strands, radius = coils(ball, style, seed=4)
    height = np.linalg.norm(strands - SKULL_CENTRE, axis=2) - SKULL_CM
    roots = strands[:, 0] - [0, 0, 1.5]
    assert strands.shape[:2] == radius.shape
    assert np.abs(height[:, 0]).max() < 0.15
    assert height.max() < 1.15 * style.length_top + 3 * style.coil
    assert (strands[:, 0, 1] - hairline(np.arctan2(roots[:, 0], roots[:, 2]))).min() > -0.6
    assert np.array_equal(strands, coils(ball, style, seed=4)[0])
    assert not np.array_equal(strands, coils(ball, style, seed=5)[0])


def test_the_brush_keeps_edges_and_wipes_texture() -> None:
    noisy = halves() + np.random.default_rng(0).normal(0, 0.03, (64, 64, 3)).astype(np.float32)
    brushed = brush(noisy, 4)
    assert brushed[20:44, 4:24].std() < 0.6 * noisy[20:44, 4:24].std()
    step = brushed[10:54, 33].mean() - brushed[10:54, 30].mean()
    assert step > 0.5, "a blur of this reach would leave less than 0.3"


def test_painting_is_repeatable_and_stays_in_range() -> None:
    painted = paint(halves(), seed=3)
    assert np.array_equal(painted, paint(halves(), seed=3))
    assert painted.shape == (64, 64, 3)
    assert 0 <= painted.min() <= painted.max() <= 1
    assert painted[:, 40:].mean() > painted[:, :24].mean() + 0.3


@pytest.mark.parametrize("painted", [False, True])
def test_a_render_becomes_a_jpeg(tmp_path: Path, painted: bool) -> None:
    cv2.imwrite(str(tmp_path / "raw.png"), np.asarray(halves() * 255, np.uint8))
    finish(tmp_path / "raw.png", tmp_path / "out.jpg", painted, seed=1)
    made = cv2.imread(str(tmp_path / "out.jpg"))
    assert made is not None
    assert made.shape == (64, 64, 3)
    assert (np.abs(made / 255 - halves()).max() < 0.05) != painted


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInputError, match="mira"):
        make(tmp_path, tmp_path / "out", "nobody", 64, 1)
    with pytest.raises(BadInputError, match=r"ict_facekit\.npz"):
        make(tmp_path, tmp_path / "out", None, 64, 1)
    assert main(["--head", str(tmp_path), "--out", str(tmp_path / "out")]) == BadInputError.exit_code
    assert "ict_facekit.npz" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("bpy") is not None, reason="Blender is installed")
def test_without_blender_it_says_how_to_get_it(tmp_path: Path) -> None:
    for piece in ("ict_facekit.npz", "index.json"):
        (tmp_path / piece).touch()
    with pytest.raises(MissingPieceError, match="pip install bpy"):
        make(tmp_path / "ict_facekit.npz", tmp_path / "out", LOOKS[0].name, 64, 1)
    assert not (tmp_path / "out").exists()
