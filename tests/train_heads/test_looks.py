"""Looks, charts and the camera: drawn from a seed alone, within what is possible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.train.heads.camera import degrade, develop
from sonic_stream.train.heads.chart import ALBEDO, GLOSS, HEIGHT, WIDTH, chart, paint_chart
from sonic_stream.train.heads.look import STYLES, draw_look


def test_a_seed_is_one_look_and_another_seed_another() -> None:
    assert repr(draw_look(5)) == repr(draw_look(5))
    assert repr(draw_look(5)) != repr(draw_look(6))


def test_looks_are_possible() -> None:
    looks = [draw_look(seed) for seed in range(300)]
    for look in looks:
        for colour in (look.skin, look.lip, look.teeth, look.gum, look.tongue):
            assert (colour > 0).all()
            assert (colour <= 0.96).all()
        assert np.isclose(np.linalg.norm(look.key), 1)
        assert look.key[2] > 0
    assert {look.style for look in looks} == set(STYLES)
    assert 0.03 < np.mean([look.glasses for look in looks]) < 0.3
    assert 0.1 < np.mean([look.beard > 0 for look in looks]) < 0.5


def test_the_face_lies_on_the_chart() -> None:
    marks = chart().marks
    assert (marks > 0).all()
    assert (marks < [WIDTH, HEIGHT]).all()
    upper, lower = np.array(regions.LIDS_LEFT).T
    assert (marks[lower, 1] >= marks[upper, 1]).all()


def test_lips_are_painted_where_the_lips_are() -> None:
    look = replace(draw_look(3), beard=0.0)
    painted = paint_chart(look)
    marks = chart().marks
    x, y = marks[[0, 17]].mean(0).astype(int)
    lip, cheek = painted[y + 8, x], painted[tuple(marks[50].astype(int)[::-1])]
    assert np.abs(lip[ALBEDO] - look.lip).max() < np.abs(cheek[ALBEDO] - look.lip).max()
    assert lip[GLOSS] > cheek[GLOSS]
    assert np.array_equal(painted, paint_chart(look))


def test_a_part_is_developed_as_in_the_whole() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (60, 60, 3)).astype(np.float32)
    for style in STYLES:
        look = replace(draw_look(1), style=style, blur_px=0.8)
        whole = develop(light, look)
        part = develop(np.ascontiguousarray(light[10:50, 10:50]), look)
        assert np.abs(part[10:-10, 10:-10].astype(int) - whole[20:40, 20:40]).max() <= 1, style


def test_more_light_is_brighter() -> None:
    look = replace(draw_look(1), style="photograph")
    levels = [develop(np.full((4, 4, 3), v, np.float32), look).mean() for v in (0.05, 0.2, 0.6)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_noise_is_as_strong_as_the_look_says(noise: float) -> None:
    look = replace(draw_look(2), noise=noise, jpeg=98)
    grey = np.full((64, 64, 3), 128, np.uint8)
    spread = float(degrade(grey, look).astype(float).std())
    assert abs(spread - noise) < 0.5 + 0.35 * noise
