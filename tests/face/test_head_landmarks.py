"""Mirrored landmarks: on a made-up mesh, and on the head that is shipped."""

from __future__ import annotations

import numpy as np

from sonic_stream.face import regions
from sonic_stream.face.head import load_head
from sonic_stream.train.landmarks import MIRROR, mirrored_places

FLIP = np.array([-1, 1, 1])


def test_the_mirror_of_the_mirror_is_the_point_itself() -> None:
    other = np.array(MIRROR)
    np.testing.assert_array_equal(other[other], np.arange(regions.MESH_POINTS))
    for left, right in zip(regions.CORNERS_LEFT, regions.CORNERS_RIGHT, strict=True):
        assert other[left] == right
    assert other[regions.MOUTH_LEFT] == regions.MOUTH_RIGHT and other[regions.CHIN] == regions.CHIN


def test_a_pair_is_brought_to_mirrored_vertices_and_the_rest_stays() -> None:
    rng = np.random.default_rng(3)
    half = rng.uniform(0.2, 3, (400, 3))
    middle = rng.uniform(-1, 1, (60, 3)) * [0, 1, 1]
    mesh = np.concatenate([half, half * FLIP, middle])
    other = np.array(MIRROR)
    places = rng.integers(0, 400, regions.MESH_POINTS)
    places[other < np.arange(len(other))] += 400
    moved = mirrored_places(places, (317, 14), (mesh, 1.3 * mesh), len(mesh))
    np.testing.assert_allclose(mesh[moved[87]] * FLIP, mesh[moved[317]])
    assert mesh[moved[14], 0] == 0
    untouched = np.setdiff1d(np.arange(regions.MESH_POINTS), [87, 317, 14])
    np.testing.assert_array_equal(moved[untouched], places[untouched])


def test_the_shipped_head_has_even_lips() -> None:
    head = load_head()
    for rim in (head.lip_rim_upper, head.lip_rim_lower):
        line = head.mean[rim]
        np.testing.assert_allclose(line, line[::-1] * FLIP, atol=0.01)
