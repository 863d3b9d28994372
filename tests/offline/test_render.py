"""Rendering: exact counts, the right sound under the right picture, stored motion, nothing left behind."""

from pathlib import Path

import av
import numpy as np
import pytest

from sonic_stream import pictures, render
from sonic_stream.engine.fake import FakeEngine, read_code
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.audio import open_audio
from sonic_stream.offline import Parts
from sonic_stream.types import CHANNEL_INDEX, CHANNELS


def codes(path: Path) -> list[int]:
    with av.open(str(path)) as made:
        return [read_code(frame.to_ndarray(format="rgb24")) for frame in made.decode(video=0)]


def sound_s(path: Path) -> float:
    with av.open(str(path)) as made:
        sound = made.streams.audio[0]
        return float(sound.duration * sound.time_base)


@pytest.mark.parametrize(
    ("seconds", "rate"), [(1.0, 16_000), (1.019, 44_100), (1.021, 44_100), (2.34, 8_000), (0.2, 48_000)]
)
def test_there_is_a_picture_for_every_40_ms_and_the_sound_is_whole(
    tmp_path, portrait, tone, parts, seconds, rate
):
    out = tmp_path / "out.mp4"
    report = render(portrait, tone(seconds, rate), out, parts=parts)
    assert codes(out) == list(range(round(seconds * 25)))
    assert report.pictures == round(seconds * 25)
    assert sound_s(out) == pytest.approx(seconds, abs=1e-4)


def test_each_picture_shows_the_sound_of_its_time(portrait, tone, parts):
    made = list(pictures(portrait, tone(2.0, 44_100), parts=parts))
    assert [frame.pts for frame in made] == [i * 1920 for i in range(50)]
    grey = np.array([frame.image[50, 50, 0] for frame in made], float)
    # The tone sounds in the first half of every half second, which splits some pictures' 40 ms.
    sounding = np.sin(2 * np.pi * 2 * np.arange(96_000) / 48_000) > 0
    share = sounding.reshape(50, 1920).mean(axis=1)
    np.testing.assert_allclose(grey / grey.max(), share, atol=0.02)


def test_streamed_pictures_are_the_files_pictures(tmp_path, portrait, tone, parts):
    out = tmp_path / "out.mp4"
    render(portrait.read_bytes(), tone(1.0), out, parts=parts)
    assert codes(out) == [read_code(p.image) for p in pictures(portrait, tone(1.0), parts=parts)]


def test_stereo_stays_stereo(tmp_path, portrait, tone, parts):
    out = tmp_path / "out.mp4"
    render(portrait, tone(1.5, 44_100, channels=2), out, parts=parts)
    heard = np.concatenate(list(open_audio(out).heard()), axis=1)
    assert heard.shape[0] == 2
    level = np.sqrt((heard**2).mean(axis=1))
    assert level[1] / level[0] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(("duration", "count"), [(0.5, 12), (1.0, 25), (2.98, 74), (0.04, 1)])
def test_a_shorter_duration_cuts_both(tmp_path, portrait, tone, parts, duration, count):
    out, notes = tmp_path / "out.mp4", []
    render(portrait, tone(3.1), out, duration=duration, note=notes.append, parts=parts)
    assert codes(out) == list(range(count))
    assert sound_s(out) == pytest.approx(count / 25, abs=1e-4)
    assert any("sound end there" in note for note in notes)


def test_a_longer_duration_idles_on_with_silence(tmp_path, portrait, tone, parts):
    out, notes = tmp_path / "out.mp4", []
    render(portrait, tone(1.0), out, duration="3", note=notes.append, parts=parts)
    assert codes(out) == list(range(75))
    assert sound_s(out) == pytest.approx(3, abs=1e-4)
    heard = np.concatenate(list(open_audio(out).blocks()))
    assert np.abs(heard[50_000:]).max() < 1e-3 < np.abs(heard[:48_000]).max()
    assert any("idles on" in note for note in notes)


def test_a_duration_within_one_picture_of_the_sound_needs_no_word(tmp_path, portrait, tone, parts):
    notes: list[str] = []
    render(portrait, tone(1.01), tmp_path / "out.mp4", duration=1, note=notes.append, parts=parts)
    assert notes == ["The head is turned by 12 degrees."]


def test_settings_reach_the_engine_and_old_steps_are_mapped(tmp_path, portrait, tone, parts):
    made: list = []

    def engine(device: str):
        made.append((device, parts.engine(device)))
        return made[-1][1]

    notes: list[str] = []
    own = Parts(engine, parts.identify)
    render(
        portrait, tone(0.3), tmp_path / "o.mp4", parts=own, note=notes.append,
        inference_steps=25, dynamic_scale=1.2, motion_scale=0.5, seed=7, device="cpu",
    )  # fmt: skip
    device, used = made[0]
    assert device == "cpu"
    controls = set(used.controls)
    assert len(controls) == 1
    only = controls.pop()
    assert (only.inference_steps, only.dynamic_scale, only.motion_scale, only.seed) == (4, 1.2, 0.5, 7)
    assert sum("inference_steps 25" in note for note in notes) == 1


def test_motion_written_is_motion_played(tmp_path, portrait, tone, parts):
    stored, again = tmp_path / "a.npz", tmp_path / "b.npz"
    render(portrait, tone(2.0), tmp_path / "a.mp4", write_motion=stored, parts=parts)
    with np.load(stored) as arrays:
        assert arrays["coeffs"].shape == (50, len(CHANNELS)) and arrays["coeffs"].dtype == np.float32
        assert arrays["channels"].tolist() == list(CHANNELS)
        np.testing.assert_allclose(arrays["t"], np.arange(50) / 25, atol=1e-9)
        assert arrays["aperture"].shape == (50,) and arrays["aperture"].max() > 0.01
        assert float(arrays["lookahead_s"]) == pytest.approx(0.08)
        changed = dict(arrays)
    changed["coeffs"] = changed["coeffs"] + np.float32(0.25)
    np.savez(stored, **changed)
    render(
        portrait, tone(2.0), tmp_path / "b.mp4", motion=stored, write_motion=again, parts=parts,
        dynamic_scale=0.0,
    )  # fmt: skip
    with np.load(again) as arrays:
        np.testing.assert_array_equal(arrays["coeffs"], changed["coeffs"])
    assert codes(tmp_path / "b.mp4") == list(range(50))


def test_after_a_short_motion_the_face_follows_the_sound_without_a_jump(tmp_path, portrait, tone, parts):
    stored, shown = tmp_path / "a.npz", tmp_path / "b.npz"
    held = np.zeros((10, len(CHANNELS)), np.float32)
    held[:, CHANNEL_INDEX["jaw"]] = 0.9
    np.savez(stored, t=np.arange(10) / 25, channels=np.array(CHANNELS), coeffs=held)
    notes: list[str] = []
    render(
        portrait, tone(2.0), tmp_path / "o.mp4", motion=stored, write_motion=shown, parts=parts,
        note=notes.append,
    )  # fmt: skip
    with np.load(shown) as arrays:
        jaw = arrays["coeffs"][:, CHANNEL_INDEX["jaw"]]
    assert (jaw[:10] == np.float32(0.9)).all() and (jaw[20:] == 0).all()
    assert np.abs(np.diff(jaw)).max() < 0.15
    assert codes(tmp_path / "o.mp4") == list(range(50))
    assert any("then the face follows the sound" in note for note in notes)


def test_silence_is_accepted_where_stored_motion_plays(tmp_path, portrait, tone, parts):
    silent = tone(1.0)
    silent.write_bytes(silent.read_bytes()[:44] + bytes(32_000))
    np.savez(
        tmp_path / "m.npz",
        t=np.arange(25) / 25,
        channels=np.array(CHANNELS),
        coeffs=np.zeros((25, len(CHANNELS))),
    )
    with pytest.raises(BadInputError, match="is silent"):
        render(portrait, silent, tmp_path / "o.mp4", parts=parts)
    render(portrait, silent, tmp_path / "o.mp4", motion=tmp_path / "m.npz", parts=parts)
    assert len(codes(tmp_path / "o.mp4")) == 25


def test_progress_counts_up_to_all(tmp_path, portrait, tone, parts):
    told: list[tuple[int, int]] = []
    render(portrait, tone(1.0), tmp_path / "o.mp4", progress=lambda a, b: told.append((a, b)), parts=parts)
    assert told == [(i, 25) for i in range(1, 26)]


def test_an_input_is_not_overwritten(tmp_path, portrait, tone, parts):
    film = tmp_path / "film.mp4"
    render(portrait, tone(1.0), film, parts=parts)
    before = film.read_bytes()
    with pytest.raises(BadInputError, match="one of the inputs"):
        render(portrait, film, film, parts=parts)
    assert film.read_bytes() == before


@pytest.mark.parametrize("fails_at", [0, 7, 40])
def test_an_engine_that_fails_leaves_nothing(tmp_path, portrait, tone, parts, fails_at):
    class Failing(type(parts.engine("cpu"))):
        def step(self, batch):
            if batch[0].pts == fails_at * 1920:
                raise SonicError("The engine stopped.")
            return super().step(batch)

    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(SonicError, match="The engine stopped"):
        render(
            portrait, tone(2.0), folder / "o.mp4", write_motion=folder / "m.npz",
            parts=Parts(lambda _: Failing(), parts.identify),
        )  # fmt: skip
    assert list(folder.iterdir()) == []


def test_the_engines_slot_is_freed_when_the_stream_is_left_early(portrait, tone, parts):
    engine = parts.engine("cpu")
    stream = pictures(portrait, tone(2.0), parts=Parts(lambda _: engine, parts.identify))
    next(stream)
    stream.close()
    assert not engine._open


@pytest.mark.parametrize("duration", [0, -1, "long", float("nan"), 1e9, "1:30"])
def test_impossible_durations_name_the_valid_ones(tmp_path, portrait, tone, parts, duration):
    with pytest.raises(BadInputError, match=r"'auto' or seconds from 0\.04 to 86400"):
        render(portrait, tone(1.0), tmp_path / "o.mp4", duration=duration, parts=parts)
    assert not (tmp_path / "o.mp4").exists()


class Geometry(FakeEngine):
    """An engine without a painting network."""

    @property
    def steps_available(self) -> int:
        return 0


def test_painting_steps_without_effect_are_said(portrait, tone, parts):
    notes: list[str] = []
    own = Parts(lambda _: Geometry(), parts.identify)
    list(pictures(portrait, tone(0.3), inference_steps=4, parts=own, note=notes.append))
    assert [note for note in notes if "inference_steps is 4" in note and "no effect" in note]
    notes.clear()
    list(pictures(portrait, tone(0.3), parts=own, note=notes.append))
    assert not [note for note in notes if "inference_steps" in note]
