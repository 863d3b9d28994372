"""The renderer's inner loops: what is nearest, what the sky and the lamp see."""

from __future__ import annotations

import numpy as np

from sonic_stream.train.heads import kernels

SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def square(size: float, z: float) -> np.ndarray:
    """A square that faces the camera (picture axes: clockwise as seen with y down)."""
    return np.array([[0, 0, z], [0, size, z], [size, size, z], [size, 0, z]], np.float32)


def drawn(points: np.ndarray, triangles: np.ndarray, side: int, fine: int) -> tuple[np.ndarray, np.ndarray]:
    depth = np.full((side * fine, side * fine), kernels.FAR, np.float32)
    owner = np.full(depth.shape, -1, np.int32)
    kernels.draw(points, triangles, 0.0, 0.0, fine, depth, owner)
    return depth, owner


def test_the_nearest_surface_owns_a_sample() -> None:
    points = np.concatenate([square(9, 1), square(4, 5)])
    triangles = np.concatenate([SQUARE, SQUARE + 4])
    depth, owner = drawn(points, triangles, 10, 2)
    assert set(np.unique(owner[:7, :7])) <= {2, 3, -1}
    assert depth[4, 4] == 5
    assert depth[15, 15] == 1


def test_surfaces_that_turn_away_are_not_drawn() -> None:
    _, owner = drawn(square(9, 1), SQUARE[:, ::-1].copy(), 10, 1)
    assert (owner == -1).all()


def test_values_are_interpolated_at_the_place_of_each_sample() -> None:
    points, fine = square(9, 1), 2
    _, owner = drawn(points, SQUARE, 10, fine)
    values = np.concatenate([points[:, :2], points[:, :2] * 3], 1).astype(np.float32)
    out = np.zeros((*owner.shape, 4), np.float32)
    tangents = np.zeros((*owner.shape, 2, 3), np.float32)
    kernels.interpolate(points, SQUARE, values, owner, 0.0, 0.0, fine, out, tangents)
    assert np.allclose(out[9, 7, :2], [(7 + 0.5) / fine - 0.5, (9 + 0.5) / fine - 0.5], atol=1e-4)
    assert np.allclose(tangents[9, 7, 0], [1 / 3, 0, 0], atol=1e-4)
    assert np.allclose(tangents[9, 7, 1], [0, 1 / 3, 0], atol=1e-4)


def relief() -> np.ndarray:
    """Level ground with a pit in the middle."""
    depth = np.zeros((40, 40), np.float32)
    depth[15:25, 15:25] = -12
    return depth


def test_level_ground_sees_the_whole_sky_and_a_pit_little_of_it() -> None:
    normals = np.zeros((40, 40, 3), np.float32)
    normals[..., 2] = 1
    out = np.empty((40, 40), np.float32)
    kernels.ambient(relief(), normals, 1, 12.0, out)
    assert out[3, 3] == 1
    assert out[20, 20] < 0.6


def test_a_lamp_from_the_left_leaves_the_left_of_a_pit_in_shadow() -> None:
    out = np.empty((40, 40), np.float32)
    towards = np.array([-0.7, 0, 0.7], np.float32)
    kernels.shadow(relief(), towards, 1, 20.0, 0.2, out)
    assert out[20, 30] > 0.9
    assert out[20, 16] < 0.1
    kernels.shadow(relief(), towards * np.array([-1, 1, 1], np.float32), 1, 20.0, 0.2, out)
    assert out[20, 23] < 0.1
