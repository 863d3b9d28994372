"""What comes out: other rates, kinds of file, whole portraits; and nothing where it cannot be whole."""

import json
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from sonic_stream import pictures, render
from sonic_stream.cli import main
from sonic_stream.engine.fake import read_code
from sonic_stream.errors import BadInputError
from sonic_stream.media.audio import open_audio


def times(path) -> list[float]:
    with av.open(str(path)) as made:
        return [float(f.pts * f.time_base) for f in made.decode(video=0)]


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_every_rate_is_exact_and_the_sound_is_whole(tmp_path, portrait, tone, parts, fps):
    out = tmp_path / "o.mp4"
    report = render(portrait, tone(2.0), out, parts=parts, fps=fps)
    assert (report.pictures, report.duration_s) == (2 * fps, 2.0)
    assert times(out) == pytest.approx([i / fps for i in range(report.pictures)], abs=1e-9)
    assert open_audio(out).check().duration_s == pytest.approx(2, abs=0.03)
    streamed = list(pictures(portrait, tone(2.0), parts=parts, fps=fps))
    assert [p.pts for p in streamed] == [i * 48_000 // fps for i in range(report.pictures)]


def test_a_given_duration_is_exact_at_every_rate(tmp_path, portrait, tone, parts):
    for fps in (24, 50):
        out = tmp_path / "o.mp4"
        render(portrait, tone(1.5), out, parts=parts, fps=fps, duration=1.0)
        assert len(times(out)) == fps
        with av.open(str(out)) as made:
            sound = made.streams.audio[0]
            assert float(sound.duration * sound.time_base) == pytest.approx(1.0, abs=1e-4)


def test_motion_is_stored_at_25_whatever_the_rate(tmp_path, portrait, tone, parts):
    stored = []
    for fps in (24, 25, 50):
        render(portrait, tone(1.5), tmp_path / "o.mp4", parts=parts, fps=fps, write_motion=tmp_path / "m.npz")
        with np.load(tmp_path / "m.npz") as arrays:
            stored.append(arrays["coeffs"])
    assert len(stored[1]) == len(stored[2]) == 38  # round(37.5), to even as Python does
    assert len(stored[0]) == 38
    np.testing.assert_array_equal(stored[1], stored[2])


def test_webm_and_folders_hold_the_same_pictures(tmp_path, portrait, tone, parts):
    wanted = [read_code(p.image) for p in pictures(portrait, tone(1.0), parts=parts)]
    render(portrait, tone(1.0), tmp_path / "o.webm", parts=parts)
    with av.open(str(tmp_path / "o.webm")) as made:
        assert [read_code(f.to_ndarray(format="rgb24")) for f in made.decode(video=0)] == wanted
    notes: list[str] = []
    report = render(portrait, tone(1.0), f"{tmp_path}/made/", parts=parts, note=notes.append, crf=20)
    assert report.path == tmp_path / "made" and any("crf has no effect" in note for note in notes)
    for number, code in enumerate(wanted):
        assert read_code(cv2.imread(str(tmp_path / "made" / f"{number:05d}.png"))) == code
    assert json.loads((tmp_path / "made" / "pictures.json").read_text())["pictures"] == 25
    assert open_audio(tmp_path / "made" / "sound.wav").check().duration_s == pytest.approx(1.0)


def test_the_whole_portrait_is_kept_with_the_square_in_it(tmp_path, portrait, tone, parts):
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 255, (201, 301, 3), np.uint8)
    cv2.imwrite(str(portrait), whole[..., ::-1])

    def identify(image, settings):
        matte = np.full((96, 96), 255, np.uint8)
        return replace(parts.identify(image, settings), crop=np.zeros((96, 96, 3), np.uint8), matte=matte,
                       crop_box=(150.0, 100.0, 96.0))  # fmt: skip

    laid = replace(parts, identify=identify)
    made = list(pictures(portrait, tone(1.0), parts=laid, keep_resolution=True))
    squares = list(pictures(portrait, tone(1.0), parts=laid))
    assert len(made) == 25
    for frame, square in zip(made, squares, strict=True):
        assert frame.image.shape == (200, 300, 3)
        outside = np.ones((200, 300), bool)
        outside[51:149, 101:199] = False
        assert (frame.image[outside] == whole[:200, :300][outside]).all()
        inside = frame.image[60:140, 110:190].astype(int), square.image[8:88, 8:88].astype(int)
        assert np.abs(np.median(inside[0]) - np.median(inside[1])) <= 1
    render(portrait, tone(0.4), tmp_path / "o.mp4", parts=laid, keep_resolution=True)
    with av.open(str(tmp_path / "o.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (300, 200, 10)


def test_a_portrait_no_video_can_hold_is_told_before_the_work(tmp_path, portrait, tone, parts):
    cv2.imwrite(str(portrait), np.zeros((64, 9000, 3), np.uint8))
    with pytest.raises(BadInputError, match="9000 x 64 pixels, but a video's sides are at most 8192"):
        render(portrait, tone(0.4), tmp_path / "o.mp4", parts=parts, keep_resolution=True)


def test_the_command_line_has_the_same_words(tmp_path, portrait, tone, parts, capfd):
    out = f"{tmp_path}/made/"
    flags = ["--fps", "50", "--crf", "30", "--preset", "newsreader", "--keep-resolution", "--mood", "happy"]
    laid = replace(parts, identify=lambda image, settings: replace(
        parts.identify(image, settings), crop_box=(63.5, 63.5, 128.0), matte=np.zeros((128, 128), np.uint8)
    ))  # fmt: skip
    assert main(["render", str(portrait), str(tone(0.4)), "-o", out, *flags], laid) == 0
    assert len(list((tmp_path / "made").glob("*.png"))) == 20
    assert "20 pictures will take about" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "o.mp4", "--crf", "60"], "mp4 takes 1 (best) to 51"),
        (["-o", "o.webm", "--crf", "64"], "a whole number from 1 to 63"),
        (["-o", "o.mp4", "--fps", "26"], "one of 24, 25, 30, 50, 60"),
        (["-o", "o.mp4", "--preset", "newsreadr"], "did you mean 'newsreader'"),
        (["-o", "o.mp4", "--mood", "cheerful"], "one of neutral, happy"),
        (["-o", "frames"], "or in / for a folder"),
        (["-o", "absent/frames/"], "does not exist"),
        (["-o", "full/"], "is not empty"),
    ],
)
def test_slips_are_one_sentence(tmp_path, portrait, tone, parts, monkeypatch, capfd, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    sound = tone(0.4)
    before = sorted(p for p in tmp_path.rglob("*"))
    assert main(["render", str(portrait), str(sound), *words], parts) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("note: ")]
    assert len(said) == 1 and sentence in said[0]
    assert sorted(p for p in tmp_path.rglob("*")) == before
