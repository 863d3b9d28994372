"""The real engine, offline: laws that hold from file to pixels."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sonic_stream import pictures
from sonic_stream.cli import main
from sonic_stream.engine.local import LocalEngine
from sonic_stream.offline import Parts, bundled
from sonic_stream.offline.motion_file import read_motion
from sonic_stream.timebase import FRAME_TICKS

SIZE = 384
SECONDS = 1.2
COUNT = 30
LOOKAHEAD = 2


@pytest.fixture(scope="module")
def face() -> Path:
    found = bundled.portraits()
    if not found:
        pytest.skip("the package has no bundled portrait")
    return next(iter(found.values()))


@pytest.fixture(scope="module")
def real_parts(face) -> Parts:
    """One engine and one identity for all tests of this file; slots are opened and closed by each."""
    from sonic_stream.face import IdentityCache

    engine, cache = LocalEngine.load(), IdentityCache()
    return Parts(engine=lambda _: engine, identify=cache.identify)


def images(face: Path, parts: Parts, **words: object) -> np.ndarray:
    """Uint8 [T, S, S, 3] of the bundled voice, which starts at once."""
    words = {"duration": SECONDS, "min_resolution": SIZE, **words}
    return np.stack([p.image for p in pictures(face, "hello", parts=parts, **words)])


@pytest.fixture(scope="module")
def shown(face, real_parts) -> np.ndarray:
    return images(face, real_parts)


def test_the_face_speaks(shown):
    assert shown.shape == (COUNT, SIZE, SIZE, 3)
    change = np.abs(np.diff(shown.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    assert (change > 0).mean() > 0.9, "pictures in a row are the same: the face is frozen"
    spread = shown.astype(np.float32).std(axis=0).mean(axis=2)
    middle = slice(SIZE // 4, 3 * SIZE // 4)
    corners = np.concatenate([spread[:20, :20].ravel(), spread[:20, -20:].ravel()])
    assert spread[middle, middle].mean() > 3 * corners.mean(), "not the face moves but its surroundings"


def test_again_is_the_same_and_another_seed_is_not(face, real_parts, shown):
    np.testing.assert_array_equal(images(face, real_parts), shown)
    assert (images(face, real_parts, seed=5) != shown).any()


def test_a_picture_does_not_know_more_than_its_lookahead(face, real_parts, shown):
    """Cut after 0.6 s: every picture that may not have heard the cut is the same."""
    cut = images(face, real_parts, duration=0.6)
    assert len(cut) == 15
    deaf = 15 - LOOKAHEAD - 1  # the look-ahead, and the 2 ms that resampling looks ahead
    np.testing.assert_array_equal(cut[:deaf], shown[:deaf])


def test_stored_motion_gives_the_same_pictures(face, real_parts, shown, tmp_path):
    stored = tmp_path / "m.npz"
    words = ["--duration", str(SECONDS), "--min-resolution", str(SIZE), "--quiet"]
    out = tmp_path / "o.mp4"
    render = ["render", str(face), "hello", "-o", str(out), "--write-motion", str(stored)]
    assert main([*render, *words], real_parts) == 0
    np.testing.assert_array_equal(images(face, real_parts, motion=stored), shown)
    with av.open(str(out)) as made:
        decoded = np.stack([f.to_ndarray(format="rgb24") for f in made.decode(video=0)])
    assert decoded.shape == shown.shape
    error = np.abs(decoded.astype(np.int16) - shown)
    assert error.mean() < 3, "the file does not show the engine's pictures"


def test_motion_without_a_portrait_is_the_motion_that_is_rendered(face, real_parts, tmp_path):
    own, rendered = tmp_path / "own.npz", tmp_path / "rendered.npz"
    words = ["--duration", str(SECONDS), "--seed", "4", "--dynamic-scale", "1.1", "--quiet"]
    assert main(["motion", "hello", "-o", str(own), *words]) == 0
    render = ["render", str(face), "hello", "-o", str(tmp_path / "o.mp4"), "--min-resolution", str(SIZE)]
    assert main([*render, "--write-motion", str(rendered), *words], real_parts) == 0
    one, other = read_motion(own), read_motion(rendered)
    np.testing.assert_allclose(one.coeffs, other.coeffs, atol=1e-6)
    assert one.lookahead == other.lookahead == LOOKAHEAD * FRAME_TICKS


def test_a_face_idles_on_after_its_sound(face, real_parts):
    """Six seconds after the voice has ended the face is still alive, and its mouth at rest."""
    last = images(face, real_parts, duration=12.0, min_resolution=SIZE)[-50:]
    assert (np.abs(np.diff(last.astype(np.int16), axis=0)).max(axis=(1, 2, 3)) > 0).mean() > 0.8


def test_a_picture_without_a_face_is_refused(tmp_path, capsys):
    noise = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)).save(noise)
    out = tmp_path / "o.mp4"
    assert main(["render", str(noise), "hello", "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert "No face" in said and "Traceback" not in said
    assert not out.exists()
