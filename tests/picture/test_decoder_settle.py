"""The decoder's shading settles on skin, stays with it, and never holds the opening back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonic_stream.picture import Painter, Settling
from sonic_stream.picture.decoder_patch import MAPS, MOUTH, Patch
from sonic_stream.picture.decoder_settle import CUT_PX, PACE, STILLED, UNSEEN, WHOLE
from sonic_stream.types import F32

Make = Callable[..., F32]
WIDTH, HEIGHT = 128, 96
RIMS_AT = 20
"""Row of the opening; what is asked for is looked at in the skin far below it, and there."""
TRIANGLES = np.array([[0, 1, 2], [1, 3, 2]], np.int32)


def patch(shift_px: float = 0.0) -> Patch:
    """A mouth patch whose skin, one flat square, has moved right by `shift_px`."""
    inputs = np.zeros((HEIGHT, WIDTH, MAPS), np.uint8)
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    inputs[..., 4] = np.clip(128 + 4 * (rows - RIMS_AT + 3), 0, 255)
    inputs[..., 5] = np.clip(128 + 4 * (RIMS_AT + 3 - rows), 0, 255)
    corners = np.array([(-60, -60, 0), (190, -60, 0), (-60, 160, 0), (190, 160, 0)], np.float32)
    corners[:, 0] += shift_px
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    return Patch(MOUTH, matrix, inputs, inputs[..., :3], corners, 1.0)


def flat(value: float) -> F32:
    return np.full((3, HEIGHT, WIDTH), value, np.float32)


def skin_of(shown: F32) -> F32:
    return shown[:, 70:90, 10:118]


def test_the_first_picture_and_one_after_forgetting_are_as_asked_for() -> None:
    settling = Settling()
    for _ in range(2):
        np.testing.assert_array_equal(settling.settled(patch(), flat(5), TRIANGLES), flat(5))
        settling.settled(patch(), flat(-5), TRIANGLES)
        settling.forget()


def test_a_picture_beside_the_run_knows_its_past_and_leaves_no_trace() -> None:
    alone, watched = Settling(), Settling()
    for settling in (alone, watched):
        settling.settled(patch(), flat(0), TRIANGLES)
    beside = watched.branch().settled(patch(), flat(7), TRIANGLES)
    assert 0 < skin_of(beside).mean() < 7
    expected = alone.settled(patch(), flat(5), TRIANGLES)
    np.testing.assert_array_equal(watched.settled(patch(), flat(5), TRIANGLES), expected)


def test_what_is_hardly_seen_stays_and_what_is_seen_comes_over_some_pictures() -> None:
    settling = Settling()
    settling.settled(patch(), flat(0), TRIANGLES)
    assert not skin_of(settling.settled(patch(), flat(0.9 * UNSEEN), TRIANGLES)).any()
    wanted = UNSEEN + 0.5 * WHOLE
    values = [float(skin_of(settling.settled(patch(), flat(wanted), TRIANGLES)).mean()) for _ in range(40)]
    assert PACE * (wanted - UNSEEN) < values[0] < 0.7 * wanted
    assert (np.diff(values) >= 0).all() and wanted - UNSEEN - 0.3 < values[-1] <= wanted


def test_a_large_change_comes_at_once() -> None:
    settling = Settling()
    settling.settled(patch(), flat(0), TRIANGLES)
    shown = skin_of(settling.settled(patch(), flat(UNSEEN + WHOLE), TRIANGLES))
    assert shown.min() > WHOLE - STILLED - 1e-3 and shown.max() <= WHOLE


def test_after_rest_a_shade_comes_up_over_some_pictures() -> None:
    settling = Settling()
    settling.settled(patch(), flat(20), TRIANGLES)
    settling.rest(MOUTH)
    beside = skin_of(settling.branch().settled(patch(), flat(20), TRIANGLES))
    values = [float(skin_of(settling.settled(patch(), flat(20), TRIANGLES)).mean()) for _ in range(12)]
    assert beside.mean() == pytest.approx(values[0])
    assert PACE * (20 - UNSEEN) <= values[0] < 10, "neither what was shown before the rest nor all at once"
    assert (np.diff(values) >= 0).all() and values[-1] > 20 - UNSEEN - 0.5


def test_a_deep_shade_that_comes_and_goes_is_evened() -> None:
    settling = Settling()
    asked = [flat(12.5 + 12.5 * float(np.sin(0.65 * k))) for k in range(60)]
    shown = [float(skin_of(settling.settled(patch(), one, TRIANGLES)).mean()) for one in asked]
    wanted = [float(one.mean()) for one in asked]
    assert np.abs(np.diff(shown, 2)).mean() < 0.7 * np.abs(np.diff(wanted, 2)).mean()


def test_a_trembling_request_trembles_less() -> None:
    rng, settling = np.random.default_rng(0), Settling()
    asked = [flat(10 + float(rng.normal(0, 1.5))) for _ in range(40)]
    shown = [settling.settled(patch(), one, TRIANGLES) for one in asked]

    def restless(pictures: list[F32]) -> float:
        return float(np.abs(np.diff([skin_of(one).mean() for one in pictures], 2)).mean())

    assert restless(shown) < 0.2 * restless(asked)


def test_the_opening_and_its_rims_are_as_asked_for() -> None:
    settling = Settling()
    settling.settled(patch(), flat(0), TRIANGLES)
    shown = settling.settled(patch(), flat(3), TRIANGLES)
    np.testing.assert_array_equal(shown[:, RIMS_AT - 3 : RIMS_AT + 4], 3)
    assert (np.delete(shown, np.s_[RIMS_AT - 4 : RIMS_AT + 5], 1) < 2).all()


def trembling(rng: np.random.Generator, reach: float) -> Patch:
    """A patch whose skin stays but is lighter or darker by up to `reach`, coarsely grained."""
    one = patch()
    grain = rng.uniform(-reach, reach, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)
    one.inputs[..., :3] = np.rint(120 + grain)[..., None]
    return one


def test_skin_that_trembles_is_stilled_by_a_little_and_nothing_else_is() -> None:
    for reach in (2.0, 40.0):
        rng, settling = np.random.default_rng(0), Settling()
        asked = [trembling(rng, reach) for _ in range(30)]
        laid = [settling.settled(one, flat(0), TRIANGLES) for one in asked]
        bare = np.stack([one.inputs[..., :3].transpose(2, 0, 1).astype(np.float32) for one in asked])
        shown = bare + np.stack(laid)
        skin = np.s_[:, :, 70:80, 20:100]
        stiller = np.abs(np.diff(shown[skin], 2, 0)).mean() / np.abs(np.diff(bare[skin], 2, 0)).mean()
        assert stiller < (0.65 if reach == 2 else 0.99)
        assert 0.2 < np.abs(np.stack(laid)).max() <= STILLED, "what truly changes is off by no more"
        inside = np.stack(laid)[:, :, RIMS_AT - 3 : RIMS_AT + 4]
        assert not inside.any() and not np.stack(laid)[..., [0, -1]].any(), "the opening; the margin"


def test_skin_is_drawn_back_to_where_it_was_in_the_picture_before() -> None:
    settling, here, there = Settling(), patch(), patch(shift_px=10)
    here.inputs[60:90, 40:60, :3] = 100
    there.inputs[60:90, 50:70, :3] = 100
    settling.settled(here, flat(0), TRIANGLES)
    np.testing.assert_allclose(settling.settled(there, flat(0), TRIANGLES)[:, 55:, 14:], 0, atol=1e-3)


def test_a_share_of_a_change_is_laid_on_and_the_whole_remembered() -> None:
    whole, part = Settling(), Settling()
    for value in (10.0, 10.0, 30.0, 30.0):
        wanted = whole.settled(patch(), flat(value), TRIANGLES)
        laid = part.settled(patch(), flat(value), TRIANGLES, 0.25)
        np.testing.assert_allclose(laid, 0.25 * wanted, atol=1e-3)


def test_what_settled_rides_with_the_skin() -> None:
    settling, spot = Settling(), flat(0)
    spot[:, 60:90, 40:60] = 12
    settling.settled(patch(), spot, TRIANGLES)
    moved = settling.settled(patch(shift_px=10), np.roll(spot, 10, 2), TRIANGLES)
    np.testing.assert_allclose(skin_of(moved)[:, :, 4:], skin_of(np.roll(spot, 10, 2))[:, :, 4:], atol=1e-3)


def test_a_cut_is_not_blurred() -> None:
    settling = Settling()
    settling.settled(patch(), flat(0), TRIANGLES)
    shown = settling.settled(patch(shift_px=CUT_PX + 1), flat(3), TRIANGLES)
    np.testing.assert_array_equal(shown, flat(3))


class TestPainted:
    @pytest.fixture
    def speaking(self, coeffs: Make) -> list[F32]:
        opening = np.abs(np.sin(np.arange(10)))
        return [coeffs(aperture=0.1 * much, jaw=0.5 * much, width=0.02) for much in opening]

    def test_runs_do_not_mix_and_the_same_run_gives_the_same_pictures(
        self, painter: Painter, speaking: list[F32]
    ) -> None:
        def run(settling: Settling) -> list[np.ndarray]:
            return [painter.paint(coeffs, 1, settling) for coeffs in speaking]

        alone, one, other = run(Settling()), Settling(), Settling()
        for k, coeffs in enumerate(speaking):
            np.testing.assert_array_equal(painter.paint(coeffs, 1, one), alone[k])
            painter.paint(speaking[-1 - k], 1, other)
        used = Settling()
        run(used)
        used.forget()
        np.testing.assert_array_equal(run(used), alone)

    def test_without_settling_a_picture_depends_on_nothing_before(
        self, painter: Painter, speaking: list[F32]
    ) -> None:
        first = painter.paint(speaking[3], 1)
        painter.paint(speaking[5], 1)
        np.testing.assert_array_equal(painter.paint(speaking[3], 1), first)

    def test_a_face_at_rest_after_speech_is_the_portrait_again(
        self, painter: Painter, speaking: list[F32], coeffs: Make
    ) -> None:
        settling, rest = Settling(), coeffs()
        for asked in speaking:
            painter.paint(asked, 1, settling)
        np.testing.assert_array_equal(painter.paint(rest, 1, settling), painter.paint(rest))
