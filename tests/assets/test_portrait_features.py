"""Glasses, years, beards and hairlines of made portraits, on a head that is a ball."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonic_stream.train.portraits.ageing import aged
from sonic_stream.train.portraits.anatomy import SCLERA, Anatomy
from sonic_stream.train.portraits.clothes import ring_polygons
from sonic_stream.train.portraits.facial import LONG_CM, beard
from sonic_stream.train.portraits.glasses import CLEAR_CM, Glasses, frame
from sonic_stream.train.portraits.hair import hairline
from sonic_stream.train.portraits.looks import LOOKS

SKULL_CM = 8.0
ROWS, SECTORS = 90, 120
EYE_X, EYE_Y = 3.2, 1.5


def _on_ball(x: float, y: float) -> list[float]:
    return [x, y, float(np.sqrt(SKULL_CM**2 - x**2 - y**2))]


@pytest.fixture(scope="module")
def head() -> Anatomy:
    """A ball with landmarks where a face has them, and eyeballs where the file has them."""
    down, around = np.linspace(0.02, np.pi - 0.02, ROWS)[:, None], np.linspace(0, 2 * np.pi, SECTORS, False)
    ball = SKULL_CM * np.stack(
        [np.sin(down) * np.sin(around), np.cos(down) + 0 * around, np.sin(down) * np.cos(around)], -1
    ).reshape(-1, 3)
    points = np.zeros((max(end for _, end in SCLERA.values()), 3))
    # What the ball leaves over lies in its middle, where nothing looks for skin.
    points[: len(ball)] = ball
    rng = np.random.default_rng(0)
    for side, (start, end) in SCLERA.items():
        out = rng.normal(size=(end - start, 3))
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        points[start:end] = _on_ball(EYE_X if side == "left" else -EYE_X, EYE_Y) + 1.2 * out - [0, 0, 1.2]
    marks = np.zeros((68, 3))
    marks[36:42] = [_on_ball(x, y) for x, y in _ring(-EYE_X, EYE_Y, 1.3, 0.5)]
    marks[42:48] = [_on_ball(x, y) for x, y in _ring(EYE_X, EYE_Y, 1.3, 0.5)]
    marks[48:60] = [
        _on_ball(2.4 * np.cos(t), -3.5 + 0.7 * np.sin(t)) for t in np.linspace(np.pi, -np.pi, 13)[:12]
    ]
    marks[31], marks[33], marks[35] = _on_ball(-1.2, -1.4), _on_ball(0, -1.6), _on_ball(1.2, -1.4)
    marks[6], marks[8], marks[10] = _on_ball(-2.5, -6), _on_ball(0, -6.5), _on_ball(2.5, -6)
    quads = np.array(ring_polygons(ROWS, SECTORS))
    return Anatomy(points, quads, marks)


def _ring(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    """Six places around an eye, from its corner on the person's right over the top."""
    turn = np.pi - np.arange(6) * np.pi / 3
    return [(x + wide * float(np.cos(t)), y + high * float(np.sin(t))) for t in turn]


@pytest.mark.parametrize("worn", [Glasses(), Glasses(2.35, 1.75, 2.3, 0.05, metal=True)])
def test_rims_surround_the_eyes_and_touch_no_skin(head: Anatomy, worn: Glasses) -> None:
    fitted = frame(head, worn)
    for rim, side in zip(fitted.rims, (1, -1), strict=True):
        assert rim[:, 0].mean() == pytest.approx(side * EYE_X, abs=0.1)
        assert np.ptp(rim[:, 0]) == pytest.approx(2 * worn.half_width, rel=0.02)
        assert np.ptp(rim[:, 1]) == pytest.approx(2 * worn.half_height, rel=0.02)
        outer = rim[np.abs(rim[:, 0]) > 1.4]
        assert (np.linalg.norm(outer, axis=1) - SKULL_CM).min() > 0.5 * CLEAR_CM
    bridge, left, right = fitted.wires
    assert bridge[0, 0] > 0 > bridge[-1, 0]
    assert left[-1, 0] > 0 > right[-1, 0]
    assert left[-1, 2] < 0 < left[0, 2]


def test_no_years_change_nothing_and_more_change_more(head: Anatomy) -> None:
    assert aged(head, 0.0) is head
    some, many = (np.abs(aged(head, years).vertices - head.vertices) for years in (0.5, 1.0))
    assert 0.05 < many.max() < 0.4
    assert many[:, 2].max() == pytest.approx(2 * some[:, 2].max(), rel=0.01)
    assert many[head.vertices[:, 2] < 0.9].max() == 0, "the back of the head keeps its shape"


def test_a_beard_is_long_on_the_chin_and_short_over_the_lips(head: Anatomy) -> None:
    strands, _ = beard(head, 3000, 1.0, seed=1)
    stubble, _ = beard(head, 3000, 0.16, seed=1)
    assert LONG_CM < 1.0

    def reach(hairs: np.ndarray, where: np.ndarray) -> float:
        return float(np.linalg.norm(hairs[where, -1] - hairs[where, 0], axis=1).mean())

    root = strands[:, 0]
    over = (root[:, 1] > -3.0) & (np.abs(root[:, 0]) < 2.0)
    chin = (root[:, 1] < -5.2) & (np.abs(root[:, 0]) < 2.0)
    assert over.any() and chin.any()
    assert reach(strands, over) < 0.65 * reach(strands, chin)
    assert reach(stubble, np.ones(len(stubble), bool)) < 0.3


def test_a_hairline_recedes_in_front_only() -> None:
    around = np.radians([0, 45, 180])
    higher = hairline(around, 1.0) - hairline(around)
    assert higher[0] > 0.5 and higher[1] > 0.5
    assert higher[2] == 0


def test_the_looks_are_different_people() -> None:
    assert len({look.name for look in LOOKS}) == len(LOOKS) >= 8
    assert len({tuple(look.identity.values()) for look in LOOKS}) == len(LOOKS)
    nobody = replace(LOOKS[0], name="nobody")
    assert nobody.glasses is None and not nobody.teeth and nobody.years == 0
