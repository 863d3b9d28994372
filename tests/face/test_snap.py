"""Snapping brings the mesh onto the landmarks and leaves alone what they say nothing about."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sonic_stream.face import regions
from sonic_stream.face.fit import HeadFitter
from sonic_stream.face.head import PARTS, load_head
from sonic_stream.face.snap import Snapper

HEAD = load_head()
HeadMaker = Callable[..., Any]
FITTER, SNAPPER = HeadFitter(HEAD), Snapper(HEAD)


def worn(vertices: np.ndarray, expression: np.ndarray) -> np.ndarray:
    return vertices + np.tensordot(expression, HEAD.expression, 1)


def smooth_noise(points: np.ndarray, seed: int, size: float) -> np.ndarray:
    """Landmarks displaced by a few slow waves, as a person's own features differ from the model's."""
    random = np.random.default_rng(seed)
    moved = points.copy()
    for _ in range(4):
        wave = np.sin(points @ random.normal(0, 0.08, 2) + random.uniform(0, 6))
        moved += (wave[:, None] * random.normal(0, size, 2)).astype(np.float32)
    return moved


@pytest.mark.parametrize("yaw_deg", [0, 15, -28])
def test_projected_landmarks_coincide(yaw_deg: float, known_head: HeadMaker) -> None:
    known = known_head(11, yaw_deg, jawOpen=0.3, mouthSmile_L=0.4, mouthSmile_R=0.4)
    points = smooth_noise(known.landmarks, 1, 1.5)
    fit = FITTER.fit(points)
    vertices = SNAPPER.snap(HEAD, fit, points)
    apart = np.linalg.norm(fit.project(worn(vertices, fit.expression)[HEAD.landmarks]) - points[:468], axis=1)
    interocular = np.linalg.norm(points[33] - points[263])
    assert fit.error > 0.003, "the noise should leave the fit something to do"
    assert apart.mean() < 0.002 * interocular
    assert apart[list(regions.LIPS_OUTER + regions.LIPS_INNER)].max() < 0.006 * interocular


def test_a_perfect_fit_is_left_alone(known_head: HeadMaker) -> None:
    known = known_head(12, 10)
    fit = FITTER.fit(known.landmarks)
    exact = np.zeros((478, 2), np.float32)
    exact[:468] = fit.project(HEAD.shaped(fit.shape, fit.expression)[HEAD.landmarks])
    assert np.abs(SNAPPER.snap(HEAD, fit, exact) - HEAD.shaped(fit.shape)).max() < 1e-3


def test_nothing_moves_along_the_line_of_sight(known_head: HeadMaker) -> None:
    points = smooth_noise(known_head(13, 20).landmarks, 2, 2)
    fit = FITTER.fit(points)
    moved = SNAPPER.snap(HEAD, fit, points) - HEAD.shaped(fit.shape)
    assert np.abs(moved @ fit.rotation[2]).max() < 1e-4
    assert np.abs(moved).max() > 0.05


@pytest.mark.parametrize("part", ["eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue"])
def test_hard_parts_move_as_one_piece(part: str, known_head: HeadMaker) -> None:
    points = smooth_noise(known_head(14).landmarks, 3, 2)
    fit = FITTER.fit(points)
    moved = SNAPPER.snap(HEAD, fit, points) - HEAD.shaped(fit.shape)
    piece = moved[HEAD.vertex_part == PARTS.index(part)]
    assert np.ptp(piece, axis=0).max() < 1e-3
    assert np.abs(piece).max() > 1e-3


def test_one_lip_does_not_pull_the_other(known_head: HeadMaker) -> None:
    """In a shut mouth the lips touch; a raised upper lip must not carry the lower one along."""
    points = known_head(15).landmarks
    fit = FITTER.fit(points)
    exact = np.zeros((478, 2), np.float32)
    exact[:468] = fit.project(HEAD.shaped(fit.shape, fit.expression)[HEAD.landmarks])
    raised = exact.copy()
    upper = [a for a, _ in regions.LIPS_PAIRS] + list(regions.LIPS_OUTER[12:19])
    raised[upper, 1] -= 3.0
    lift = (SNAPPER.snap(HEAD, fit, raised) - HEAD.shaped(fit.shape))[:, 1] * fit.scale
    assert lift[HEAD.lip_rim_upper[2:-2]].mean() > 2.0
    assert np.abs(lift[HEAD.lip_rim_lower[2:-2]]).max() < 0.6


def test_far_from_the_face_nothing_moves(known_head: HeadMaker) -> None:
    points = smooth_noise(known_head(16).landmarks, 4, 2)
    fit = FITTER.fit(points)
    moved = SNAPPER.snap(HEAD, fit, points) - HEAD.shaped(fit.shape)
    back = HEAD.mean[:, 2] < HEAD.mean[HEAD.landmarks, 2].min() - 6.5
    assert back.any()
    assert np.abs(moved[back]).max() < 1e-6
