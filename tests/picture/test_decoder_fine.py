"""What lies beneath a patch is known before it was rounded, so that sum and picture are rounded once."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sonic_stream.picture import Painter
from sonic_stream.picture.decoder import lay_change
from sonic_stream.picture.decoder_fine import ROUNDED, Fine, Sampled
from sonic_stream.picture.decoder_patch import MAPS, MOUTH, Patch
from sonic_stream.types import F32, U8

Make = Callable[..., F32]
SIDE = 120
AS_IT_IS = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


def patch_at(x: float, y: float, width: int = 30, height: int = 20) -> Patch:
    inputs = np.zeros((height, width, MAPS), np.uint8)
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return Patch(MOUTH, matrix, inputs, inputs[..., :3], np.zeros((3, 3), np.float32), 1.0)


def sampled(shift: float, origin: tuple[int, int] = (0, 0)) -> Sampled:
    """A person who gets lighter to the right by a step a pixel, moved left by `shift` px."""
    layer = np.full((SIDE, SIDE, 4), 255, np.uint8)
    layer[..., :3] = np.arange(SIDE, dtype=np.uint8)[None, :, None]
    rows, columns = np.indices((SIDE - origin[1], SIDE - origin[0]), np.float32)
    flow = np.stack([columns + origin[0] + shift, rows + origin[1]], -1)
    return Sampled(layer, flow, origin, cv2.INTER_LINEAR)


def test_it_is_what_was_rounded_and_lies_where_it_says() -> None:
    for origin in ((0, 0), (13, 7)):
        fine = sampled(0.25, origin).beneath(patch_at(40.5, 50))
        assert (fine.x, fine.y) == (40, 50) and fine.pixels.shape == (20, 31, 3)
        wanted = np.arange(40, 71, dtype=np.float32) + 0.25
        np.testing.assert_allclose(
            fine.pixels, np.broadcast_to(wanted[None, :, None], (20, 31, 3)), atol=1e-3
        )


def test_a_patch_that_leaves_the_picture_is_known_as_far_as_that_goes() -> None:
    fine = sampled(0.25).beneath(patch_at(-10, 110))
    assert (fine.x, fine.y) == (0, 110) and fine.pixels.shape == (10, 20, 3)
    assert sampled(0.25).beneath(patch_at(500, 10)) is ROUNDED


def test_of_a_painted_picture_most_of_the_patch_is_known(painter: Painter, coeffs: Make) -> None:
    picture, scene = painter._parts.paint(coeffs(aperture=0.06, jaw=0.4, yaw=0.1))
    assert scene.sampled is not None
    patch = painter._parts.watch.look(picture, scene, MOUTH, 1.0)
    fine = scene.sampled.beneath(patch)
    below = picture[fine.y : fine.y + fine.pixels.shape[0], fine.x : fine.x + fine.pixels.shape[1]]
    away = np.abs(fine.pixels - below)
    assert (away <= 0.51).mean() > 0.8, "the opening and its seam are painted over, nothing else"
    assert away[away <= 0.51].mean() > 0.1, "it was rounded, not taken from the picture"


def flat(value: float) -> F32:
    return np.full((3, 8, 8), value, np.float32)


def laid(picture: int, fine: float, change: float) -> int:
    """What a pixel of the middle becomes."""
    shown = np.full((8, 8, 3), picture, np.uint8)
    lay_change(shown, flat(change), AS_IT_IS, 1.0, *Fine(np.full((8, 8, 3), fine, np.float32), 0, 0))
    return int(shown[4, 4, 0])


def test_sum_and_picture_are_rounded_once() -> None:
    assert [laid(10, 10.4, change) for change in (0.05, 0.2, 1.0, -0.8, -1.0)] == [10, 11, 11, 10, 9]


def test_where_nothing_is_laid_on_nothing_changes_even_at_the_very_half() -> None:
    assert [laid(10, fine, 0.0) for fine in (9.49, 9.5, 10.0, 10.5, 10.52)] == [10] * 5


def test_what_was_painted_over_is_taken_as_it_is() -> None:
    assert laid(10, 90.4, 0.2) == 10 and laid(10, 12.4, 0.6) == 11


def test_a_shade_that_comes_up_on_changing_skin_trembles_less() -> None:
    rng = np.random.default_rng(1)
    start, pace = rng.uniform(60, 180, (SIDE, SIDE, 3)), rng.uniform(-0.6, 0.6, (SIDE, SIDE, 3))
    truth: list[F32] = []
    shown: dict[str, list[U8]] = {"once": [], "twice": []}
    for count in range(24):
        fine = np.asarray(start + count * pace, np.float32)
        change = np.full((3, SIDE, SIDE), 0.17 * count, np.float32)
        truth.append(fine + np.float32(0.17 * count))
        for name, known in (("once", Fine(fine, 0, 0)), ("twice", ROUNDED)):
            picture = np.rint(fine).astype(np.uint8)
            lay_change(picture, change, AS_IT_IS, 1.0, *known)
            shown[name].append(picture)

    def away(pictures: list[U8]) -> float:
        return float(np.abs(np.stack(pictures) - np.stack(truth)).max())

    def restless(pictures: list[U8]) -> float:
        return float(np.abs(np.diff(np.stack(pictures).astype(np.float32), 2, 0)).mean())

    assert away(shown["once"]) < 0.51 and away(shown["twice"]) > 0.9
    assert restless(shown["once"]) < 0.9 * restless(shown["twice"])
