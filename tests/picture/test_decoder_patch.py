from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.picture import Painter
from sonic_stream.picture.decoder_patch import (
    EYE_LEFT,
    EYE_RIGHT,
    MOUTH,
    REGIONS,
    RIM_STEP,
    SIZES,
    Patch,
    cut,
    draw_rims,
)
from sonic_stream.types import F32, Identity

Make = Callable[..., F32]


def patches(painter: Painter, coeffs: F32) -> dict[str, Patch]:
    return {patch.region: patch for patch in painter.patches(coeffs)[1]}


def at(patch: Patch, point: F32) -> F32:
    """Where a point of the picture lies in the patch."""
    return np.asarray(np.linalg.solve(patch.matrix[:, :2], point - patch.matrix[:, 2]), np.float32)


def test_patches_hold_the_picture_where_their_matrix_says(painter: Painter, coeffs: Make) -> None:
    picture, found = painter.patches(coeffs(aperture=0.1, jaw=0.5, roll=0.1))
    assert tuple(patch.region for patch in found) == REGIONS
    for patch in found:
        width, height = SIZES[patch.region]
        assert patch.inputs.shape == (height, width, 7) and patch.reference.shape == (height, width, 3)
        for x, y in ((10, 10), (width // 2, height // 2), (width - 8, height - 9)):
            px, py = patch.matrix @ (x, y, 1)
            i, j = int(py), int(px)
            around = picture[i : i + 2, j : j + 2].astype(int)
            assert (patch.inputs[y, x, :3] >= around.min((0, 1)) - 1).all()
            assert (patch.inputs[y, x, :3] <= around.max((0, 1)) + 1).all()


@pytest.mark.parametrize("size", [192, 384, 768])
def test_a_patch_does_not_depend_on_the_size_of_the_picture(
    draw: Callable[..., Identity], painter: Painter, coeffs: Make, size: int
) -> None:
    asked = coeffs(aperture=0.1, jaw=0.5, yaw=0.1)
    own = patches(painter, asked)[MOUTH].inputs.astype(int)
    other = patches(Painter(draw(size)), asked)[MOUTH].inputs.astype(int)
    assert np.abs(own[..., 4:6] - other[..., 4:6]).mean() < 2 * RIM_STEP
    assert np.abs(own[..., :3] - other[..., :3]).mean() < 8


def test_a_patch_rides_with_the_head_and_not_with_the_jaw(
    painter: Painter, identity: Identity, coeffs: Make
) -> None:
    shut, wide = (
        patches(painter, coeffs(aperture=a, roll=0.2, shift_x=0.05))[MOUTH].matrix for a in (0, 0.15)
    )
    np.testing.assert_array_equal(shut, wide)
    rest = patches(painter, coeffs())[MOUTH]
    corner = at(rest, identity.landmarks[61, :2])
    width, height = SIZES[MOUTH]
    assert 0.15 * width < corner[0] < 0.35 * width and abs(corner[1] - 0.42 * height) < 0.12 * height


def test_the_right_eye_is_mirrored(painter: Painter, identity: Identity, coeffs: Make) -> None:
    found = patches(painter, coeffs())
    assert np.linalg.det(found[EYE_LEFT].matrix[:, :2]) > 0 > np.linalg.det(found[EYE_RIGHT].matrix[:, :2])
    # Both corners by the nose lie on the same side of their patches.
    by_the_nose = ((EYE_LEFT, 362), (EYE_RIGHT, 133))
    left, right = (at(found[region], identity.landmarks[point, :2]) for region, point in by_the_nose)
    assert np.abs(left - right).max() < 4


def test_activity_wakes_only_what_moves(painter: Painter, coeffs: Make) -> None:
    awake = {region: patch.activity for region, patch in patches(painter, coeffs(yaw=0.2)).items()}
    assert awake == {MOUTH: 0, EYE_LEFT: 0, EYE_RIGHT: 0}
    awake = {region: patch.activity for region, patch in patches(painter, coeffs(blink_left=1)).items()}
    assert awake[EYE_LEFT] == 1 and awake[EYE_RIGHT] == awake[MOUTH] == 0
    awake = {region: patch.activity for region, patch in patches(painter, coeffs(aperture=0.1)).items()}
    assert awake[MOUTH] == 1 and awake[EYE_LEFT] == 0


def test_the_shade_map_is_neutral_in_the_portrait_and_tells_of_a_turned_jaw(
    painter: Painter, coeffs: Make
) -> None:
    rest = patches(painter, coeffs())[MOUTH].inputs[..., 6].astype(int)
    assert np.abs(rest - 128).max() <= 1
    wide = patches(painter, coeffs(aperture=0.15, jaw=1))[MOUTH].inputs[..., 6].astype(int)
    chin = wide[-14:, 50:78]
    assert np.abs(chin - 128).mean() > 3


def test_rims_tell_distances_also_of_what_is_shut_and_beside_the_corners() -> None:
    inputs = np.zeros((20, 40, 7), np.uint8)
    top = np.full(20, 8, np.float32)
    bottom = np.full(20, 12, np.float32)
    top[[0, -1]] = bottom[[0, -1]] = np.nan
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    draw_rims(top, bottom, 10, matrix, inputs)
    assert (inputs[8, 15:25, 4] == 128).all() and (inputs[12, 15:25, 5] == 128).all()
    assert inputs[10, 20, 3] == 255 and inputs[5, 20, 3] == 0
    assert inputs[10, 2, 4] < 128 - 4 * RIM_STEP and inputs[10, 2, 3] == 0
    draw_rims(np.full(5, np.nan, np.float32), np.full(5, np.nan, np.float32), 10, matrix, inputs)
    assert not inputs[..., 3:6].any()


def test_cutting_a_large_picture_averages_instead_of_aliasing() -> None:
    fine = np.zeros((400, 400, 3), np.uint8)
    fine[:, ::2] = 255
    matrix = np.array([[4, 0, 20], [0, 4, 20]], np.float32)
    piece = cut(fine, matrix, (64, 48)).astype(int)
    assert np.abs(piece - 127).max() <= 2
    beyond = cut(fine, np.array([[4, 0, 900], [0, 4, 900]], np.float32), (64, 48))
    assert beyond.shape == (48, 64, 3)
