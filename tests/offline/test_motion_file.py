"""Stored motion: any rate in, 25 rows a second out, and every bad file in words."""

import numpy as np
import pytest

from sonic_stream.errors import BadInputError
from sonic_stream.offline.motion_file import MotionRecorder, read_motion, write_motion
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, MotionFrame


def test_round_trip(tmp_path):
    recorder, rng = MotionRecorder(), np.random.default_rng(0)
    rows = rng.standard_normal((30, len(CHANNELS))).astype(np.float32)
    for i, row in enumerate(rows):
        recorder.add(MotionFrame(i * 1920, row, 1.0))
    write_motion(tmp_path / "m.npz", recorder.motion(3840))
    back = read_motion(tmp_path / "m.npz")
    np.testing.assert_array_equal(back.coeffs, rows)
    assert back.lookahead == 3840
    assert back.frame(29).pts == 29 * 1920 and back.frame(30) is None
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_other_rates_and_fewer_channels_are_brought_to_ours(tmp_path):
    t = np.arange(61) / 60
    np.savez(tmp_path / "m.npz", t=t, channels=np.array(["jaw", "yaw"]), coeffs=np.stack([t, -t], axis=1))
    back = read_motion(tmp_path / "m.npz")
    assert back.coeffs.shape == (26, len(CHANNELS))
    np.testing.assert_allclose(back.coeffs[:, CHANNEL_INDEX["jaw"]], np.arange(26) / 25, atol=1e-6)
    np.testing.assert_allclose(back.coeffs[:, CHANNEL_INDEX["yaw"]], -np.arange(26) / 25, atol=1e-6)
    assert not back.coeffs[:, CHANNEL_INDEX["roll"]].any()


GOOD = {"t": np.arange(5) / 25, "channels": np.array(["jaw"]), "coeffs": np.zeros((5, 1), np.float32)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"t": None}, "has no t"),
        ({"channels": np.array(["jww"])}, "unknown channel 'jww'; did you mean 'jaw'"),
        ({"coeffs": np.zeros((4, 1))}, "does not fit together"),
        ({"coeffs": np.full((5, 1), np.nan)}, "not numbers"),
        ({"t": np.arange(5)[::-1] / 25}, "do not grow"),
        ({"t": np.arange(5) * 1e6}, "too far apart"),
        ({"t": np.zeros(0), "coeffs": np.zeros((0, 1))}, "does not fit together"),
        ({"channels": np.array([{"a": 1}], object)}, "not a motion file"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(tmp_path, changes, words):
    arrays = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(BadInputError, match=words):
        read_motion(tmp_path / "m.npz")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="no motion file"):
        read_motion(tmp_path / "absent.npz")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_motion(tmp_path)
    text = tmp_path / "text.npz"
    text.write_text("words")
    with pytest.raises(BadInputError, match="not a motion file"):
        read_motion(text)
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(BadInputError, match="not a motion file"):
        read_motion(tmp_path / "bare.npy")
    np.savez(tmp_path / "whole.npz", **GOOD)
    cut = tmp_path / "cut.npz"
    cut.write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    with pytest.raises(BadInputError, match="not a motion file"):
        read_motion(cut)


def test_damaged_files_are_refused_wherever_the_damage_is(tmp_path):
    path, rng = tmp_path / "m.npz", np.random.default_rng(0)
    np.savez_compressed(path, **{**GOOD, "coeffs": rng.standard_normal((5, 1)).astype(np.float32)})
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(data)
        try:
            read_motion(path)
        except BadInputError:
            refused += 1
    assert refused > 200


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "m.npz", **{**GOOD, "more": np.zeros(600 * 2**20, np.uint8)})
    with pytest.raises(BadInputError, match="over 512 MB"):
        read_motion(tmp_path / "m.npz")
