"""The cache gives the same object, survives damage, and never holds more than it was told."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.errors import NoFaceError
from sonic_stream.face.cache import IdentityCache, pack, unpack
from sonic_stream.face.portrait import identity_key
from sonic_stream.types import Colours, Identity, PortraitSettings


def make_identity(image_bytes: bytes, settings: PortraitSettings) -> Identity:
    random = np.random.default_rng(len(image_bytes))
    size = 16

    def numbers(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    return Identity(
        id=identity_key(image_bytes, settings),
        settings=settings,
        crop=random.integers(0, 255, (size, size, 3), np.uint8),
        crop_box=(1.5, 2.25, 99.125),
        landmarks=numbers(478, 2),
        shape=numbers(100),
        expression=numbers(56),
        vertices=numbers(50, 3),
        rotation=numbers(3, 3),
        scale=11.25,
        translation=numbers(2),
        matte=random.integers(0, 255, (size, size), np.uint8),
        colours=Colours(numbers(3), numbers(3), numbers(3), 0.5),
        fit_error=0.0125,
        lids_fit=True,
        advice=("The head is turned.", "Ein Satz mit ä."),
    )


class Counter:
    """Counts how often an identity is really made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image_bytes: bytes, settings: PortraitSettings) -> Identity:
        self.calls += 1
        if image_bytes == b"no face":
            raise NoFaceError("No face.")
        return make_identity(image_bytes, settings)


@pytest.fixture
def count() -> Iterator[Counter]:
    yield Counter()


def same(a: Identity, b: Identity) -> bool:
    ours, theirs = pack(a), pack(b)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k]) for k in ours)


def test_pack_and_unpack_lose_nothing() -> None:
    identity = make_identity(b"abc", PortraitSettings(0.35, 768))
    again = unpack({name: array.copy() for name, array in pack(identity).items()})
    assert same(identity, again)
    assert again.settings == identity.settings and again.advice == identity.advice
    assert again.crop_box == identity.crop_box and again.scale == identity.scale
    assert again.cache == {}


def test_one_portrait_one_object(count: Counter) -> None:
    cache = IdentityCache(compute=count)
    assert cache.identify(b"a") is cache.identify(b"a")
    assert count.calls == 1


def test_picture_and_settings_both_count(count: Counter) -> None:
    cache = IdentityCache(compute=count)
    made = {
        cache.identify(b"a").id,
        cache.identify(b"b").id,
        cache.identify(b"a", PortraitSettings(expand_ratio=0.3)).id,
        cache.identify(b"a", PortraitSettings(min_resolution=768)).id,
    }
    assert len(made) == count.calls == 4


def test_the_least_recently_used_goes(count: Counter) -> None:
    cache = IdentityCache(capacity=2, compute=count)
    for name in (b"a", b"b", b"a", b"c"):
        cache.identify(name)
    assert len(cache) == 2 and count.calls == 3
    cache.identify(b"a")
    assert count.calls == 3
    cache.identify(b"b")
    assert count.calls == 4


def test_errors_are_not_kept(count: Counter) -> None:
    cache = IdentityCache(compute=count)
    for _ in range(2):
        with pytest.raises(NoFaceError):
            cache.identify(b"no face")
    assert count.calls == 2 and len(cache) == 0


def test_it_survives_the_process(count: Counter, tmp_path: Path) -> None:
    first = IdentityCache(folder=tmp_path / "new", compute=count).identify(b"a")
    second = IdentityCache(folder=tmp_path / "new", compute=count).identify(b"a")
    assert count.calls == 1 and second is not first and same(first, second)
    with pytest.raises(ValueError, match="read-only"):
        second.crop[0] = 0
    assert [p.suffix for p in (tmp_path / "new").iterdir()] == [".npz"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "other", "missing array"])
def test_damaged_files_are_made_anew(count: Counter, tmp_path: Path, damage: str) -> None:
    IdentityCache(folder=tmp_path, compute=count).identify(b"a")
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not an identity")
    elif damage == "pickle":
        np.savez(path, facts=np.array([{"id": "x"}], dtype=object))
    elif damage == "other":
        np.savez(path, **pack(make_identity(b"another", PortraitSettings())))
    else:
        arrays = pack(make_identity(b"a", PortraitSettings()))
        del arrays["vertices"]
        np.savez(path, **arrays)
    assert IdentityCache(folder=tmp_path, compute=count).identify(b"a").id == path.stem
    assert count.calls == 2
    IdentityCache(folder=tmp_path, compute=count).identify(b"a")
    assert count.calls == 2, "the damaged file was replaced"


def test_the_folder_is_bounded(count: Counter, tmp_path: Path) -> None:
    cache = IdentityCache(folder=tmp_path, stored=3, compute=count)
    for i in range(6):
        cache.identify(bytes(i + 1))
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_a_folder_that_cannot_be_written_is_no_hindrance(count: Counter, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert IdentityCache(folder=blocked / "inside", compute=count).identify(b"a").scale == 11.25


def test_two_callers_share_one_computation() -> None:
    entered, go_on = threading.Event(), threading.Event()
    calls = []

    def slow(image_bytes: bytes, settings: PortraitSettings) -> Identity:
        calls.append(image_bytes)
        entered.set()
        assert go_on.wait(20)
        return make_identity(image_bytes, settings)

    cache = IdentityCache(compute=slow)
    results: list[Identity] = []
    threads = [threading.Thread(target=lambda: results.append(cache.identify(b"a"))) for _ in range(4)]
    threads[0].start()
    assert entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(calls) == 1 and len(results) == 4
    assert all(result is results[0] for result in results)
