"""Pairs of one person: the render agrees with what the painter intends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonic_stream.errors import BadInputError
from sonic_stream.picture.decoder_patch import MOUTH, SIZES, cut
from sonic_stream.train.heads.__main__ import make, plan
from sonic_stream.train.heads.motion import CLIP, clip_of, speech_motion
from sonic_stream.train.heads.pairs import box_of, flow_between, rows_of
from sonic_stream.train.heads.person import Person, make_person
from sonic_stream.train.heads.shards import write_shards
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8


@pytest.fixture(scope="module")
def person() -> Person:
    found = make_person(1, 1)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def motion() -> F32:
    return speech_motion(1, 0)


def face(**values: float) -> F32:
    coeffs = np.zeros(len(CHANNELS), np.float32)
    for name, value in values.items():
        coeffs[CHANNEL_INDEX[name]] = value
    return coeffs


def pair(person: Person, coeffs: F32, region: int = 0) -> tuple[U8, U8, U8]:
    """Patch, its opening and the render of the portrait without noise."""
    _, patches = person.clean.patches(coeffs)
    patch = patches[region]
    box = box_of(patch, 512)
    truth, _ = person.render(coeffs, box)
    matrix = patch.matrix.copy()
    matrix[:, 2] -= box[:2]
    return patch.inputs[..., :3].copy(), patch.inputs[..., 3], cut(truth, matrix, SIZES[patch.region])


def test_the_portrait_is_rendered_as_it_is(person: Person) -> None:
    shown, _, truth = pair(person, face())
    assert np.abs(shown.astype(int) - truth).mean() < 2.0


@pytest.mark.parametrize("values", [{"aperture": 0.08}, {"smile": 0.6}, {"yaw": 0.15}, {"pitch": 0.1}])
def test_patch_and_render_lie_on_each_other(person: Person, values: dict[str, float]) -> None:
    shown, _, truth = pair(person, face(**values))
    everywhere = np.full(shown.shape[:2], 255, np.uint8)
    assert flow_between(shown, truth, everywhere) < 0.5
    moved = np.roll(truth, 3, 1)
    assert flow_between(shown, moved, everywhere) > 1.5


def test_an_open_mouth_shows_its_inside_where_the_geometry_opens_it(person: Person) -> None:
    coeffs = face(aperture=0.1)
    _, opening, truth = pair(person, coeffs)
    _, _, shut = pair(person, face())
    inside = opening > 200
    changed = np.abs(truth.astype(int) - shut).sum(-1)
    assert inside.sum() > 200
    assert changed[inside].mean() > 2 * changed[opening == 0].mean()


def test_a_shut_eye_hides_its_white(person: Person) -> None:
    _, opening, truth = pair(person, face(), 1)
    shut = pair(person, face(blink_left=1.0, blink_right=1.0), 1)[2]
    where = opening > 200
    assert where.sum() > 50
    assert truth[where].max() > 1.3 * np.percentile(shut[where], 95)


def test_the_same_seed_makes_the_same_rows(person: Person, motion: F32) -> None:
    one, two = (rows_of(person, motion, 1, np.random.default_rng(3)) for _ in range(2))
    assert len(one) == len(two) >= CLIP
    assert all(np.array_equal(a.target, b.target) for a, b in zip(one, two, strict=True))


def test_rows_are_as_a_decoder_takes_them(person: Person, motion: F32, tmp_path: Path) -> None:
    rows = rows_of(person, motion, 3, np.random.default_rng(5))
    written = write_shards(tmp_path, "train-0000", [(7, rows)])
    assert written == len(rows)
    total = 0
    for kind, (width, height) in (("mouth", SIZES[MOUTH]), ("eye", (64, 48))):
        with np.load(tmp_path / f"{kind}-train-0000.npz") as shard:
            count = len(shard["inputs"])
            total += count
            assert shard["inputs"].shape == (count, height, width, 7)
            assert shard["target"].shape == (count, height, width, 3)
            assert shard["weight"].shape == (count, height, width)
            assert shard["reference"].shape[1:] == (height, width, 3)
            assert set(shard["people"].tolist()) == {7}
            assert shard["person"].max() < len(shard["reference"])
            assert shard["coeffs"].shape == (count, len(CHANNELS))
            assert all(shard[name].dtype == np.uint8 for name in ("inputs", "target", "weight", "reference"))
            assert shard["weight"].mean() > 100
    assert total == written
    assert not list(tmp_path.glob("*.part"))


def test_clips_are_consecutive_and_finite(motion: F32) -> None:
    rng = np.random.default_rng(0)
    rests = 0
    for _ in range(200):
        frames, rest = clip_of(motion, rng)
        rests += rest
        assert frames.shape == (CLIP, len(CHANNELS))
        assert np.isfinite(frames).all()
        if rest:
            assert (frames[:, CHANNEL_INDEX["aperture"]] == 0).all()
    assert 2 <= rests <= 40


def test_people_held_back_are_in_no_training_shard() -> None:
    shards = plan(50, 7, 9)
    val = {n for name, numbers in shards if name.startswith("val") for n in numbers}
    train = {n for name, numbers in shards if name.startswith("train") for n in numbers}
    assert val == set(range(9))
    assert train == set(range(9, 50))
    assert len({name for name, _ in shards}) == len(shards)


@pytest.mark.parametrize("people, pictures, held_back", [(1, 8, 1), (8, 2, 1), (8, 8, 8), (8, 8, 0)])
def test_numbers_that_make_no_sense_are_refused(
    people: int, pictures: int, held_back: int, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="give at least 2 people"):
        make(tmp_path / "out", people, pictures, 1, 1, 4, held_back)
    assert not (tmp_path / "out").exists()


def test_a_set_can_be_added_to() -> None:
    first, more = plan(12, 6, 6), plan(12, 6, 6, first=12)
    assert [name for name, _ in more] == ["train-0002", "val-0002"]
    numbers = [number for _, group in (*first, *more) for number in group]
    assert sorted(numbers) == list(range(24))
