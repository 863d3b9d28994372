"""Lip calibration on real renders, on videos in other containers, and on what cannot be calibrated."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sonic_stream.cli import main
from sonic_stream.errors import BadInputError, NoFaceError, SonicError
from sonic_stream.media.audio import open_audio
from sonic_stream.media.remux import retimed
from sonic_stream.media.video import AudioTrack, VideoWriter
from sonic_stream.media.video_file import open_video
from sonic_stream.offline import render
from sonic_stream.offline.calibrate import Mended, calibrate, moved
from sonic_stream.offline.motion_file import StoredMotion, read_motion, write_motion
from sonic_stream.types import CHANNEL_INDEX, CHANNELS

SECONDS = 4.0


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> tuple[Path, Path]:
    """A render of a bundled portrait, and its motion."""
    folder = tmp_path_factory.mktemp("spoken")
    video, motion = folder / "mira.mp4", folder / "mira.npz"
    render("mira", "hello", video, duration=SECONDS, min_resolution=384, write_motion=motion)
    return video, motion


def flat_video(path: Path, tone: Path | None, seconds: float = 2.0) -> Path:
    """A grey film, with a sound or without."""
    track = AudioTrack(open_audio(tone).heard(), 1) if tone else None
    with VideoWriter(path, 160, 120, 25, track) as writer:
        for _ in range(round(seconds * 25)):
            writer.write(np.full((120, 160, 3), 120, np.uint8))
    return path


def sound_of(path: Path) -> np.ndarray:
    """Its samples on the video's clock: silence is put where the sound has not begun."""
    begin_s = open_video(path).info.sound_begin_s
    assert begin_s is not None
    samples = np.concatenate(list(open_audio(path).blocks()))
    early = round(begin_s * 48_000)
    return np.concatenate([np.zeros(max(early, 0), np.float32), samples[max(-early, 0) :]])


def test_an_own_render_has_nothing_to_mend(spoken):
    found = calibrate(spoken[0])
    assert abs(found.offset_s) < 0.006 and found.sure
    assert "nothing to mend" in found.sentence()


@pytest.mark.parametrize("injected_ms", [-50, 30])
def test_an_injected_offset_is_found_and_mended_both_ways(spoken, tmp_path, injected_ms):
    late = moved(read_motion(spoken[1]), injected_ms / 1000)
    write_motion(tmp_path / "late.npz", late)
    video = tmp_path / "late.mp4"
    words = {"duration": SECONDS, "min_resolution": 384}
    render("mira", "hello", video, motion=tmp_path / "late.npz", **words)
    # The finished video: its sound moves.
    mended = calibrate(video, tmp_path / "mended.mp4")
    assert isinstance(mended, Mended)
    assert mended.before.offset_s * 1000 == pytest.approx(injected_ms, abs=10)
    assert abs(mended.after.offset_s) < 0.010
    # Before a render: its coefficients move.
    write_motion(tmp_path / "right.npz", moved(late, -mended.before.offset_s))
    again = tmp_path / "again.mp4"
    render("mira", "hello", again, motion=tmp_path / "right.npz", **words)
    assert abs(calibrate(again).offset_s) < 0.010


def test_large_offsets_are_told_and_not_mended_unasked(spoken, tmp_path):
    video = retimed(open_video(spoken[0]), tmp_path / "far.mp4", 0.2)
    found = calibrate(video)
    assert found.offset_s == pytest.approx(-0.2, abs=0.01)
    assert "more than the 50 ms" in found.sentence()
    with pytest.raises(SonicError, match="Nothing was written"):
        calibrate(video, tmp_path / "no.mp4")
    assert not (tmp_path / "no.mp4").exists()
    mended = calibrate(video, tmp_path / "yes.mp4", by_s=found.offset_s)
    assert isinstance(mended, Mended) and abs(mended.after.offset_s) < 0.010


@pytest.mark.parametrize("later_s", [-0.05, -0.013, 0.0, 0.02, 0.05])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_retiming_moves_the_sound_and_touches_nothing(spoken, tmp_path, later_s, suffix):
    source = open_video(spoken[0])
    made = open_video(retimed(source, tmp_path / f"o{suffix}", later_s))
    apart = (made.info.sound_begin_s - made.info.begin_s) - (source.info.sound_begin_s - source.info.begin_s)
    before, after = sound_of(spoken[0])[: 2 * 48_000], sound_of(made.path)[: 3 * 48_000]
    size = 1 << 19
    spectrum = np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size))
    shift = int(np.argmax(np.fft.irfft(spectrum)))
    heard_later_s = (shift - size if shift > size // 2 else shift) / 48_000
    assert heard_later_s - made.info.begin_s == pytest.approx(later_s, abs=0.0015)
    assert apart == pytest.approx(
        later_s, abs=0.025
    )  # the first packet may begin with the coder's own silence
    pictures = [[p.image.sum() for p in file.pictures()][:20] for file in (source, made)]
    assert pictures[0] == pictures[1]


def test_the_command_mends_a_video_and_a_motion(spoken, tmp_path, capsys):
    late = retimed(open_video(spoken[0]), tmp_path / "late.mp4", -0.03)
    assert main(["calibrate", str(late), "--quiet"]) == 0
    assert "ms after the sound" in capsys.readouterr().out
    assert main(["calibrate", str(late), "-o", str(tmp_path / "o.mp4"), "--quiet"]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    out = tmp_path / "o.npz"
    assert main(["calibrate", str(late), "--motion", str(spoken[1]), "-o", str(out), "--quiet"]) == 0
    assert "mouth moved by -" in capsys.readouterr().out
    assert read_motion(out).coeffs.shape == read_motion(spoken[1]).coeffs.shape


def test_what_cannot_be_calibrated_is_told_and_leaves_nothing(spoken, tmp_path, tone):
    faceless = flat_video(tmp_path / "flat.mp4", tone(2.0))
    silent = flat_video(tmp_path / "silent.mp4", None)
    with pytest.raises(NoFaceError, match="no face"):
        calibrate(faceless, tmp_path / "o.mp4")
    with pytest.raises(BadInputError, match="has no sound"):
        calibrate(silent, tmp_path / "o.mp4")
    with pytest.raises(BadInputError, match="not a video"):
        calibrate(tone(1.0), tmp_path / "o.mp4")
    with pytest.raises(BadInputError, match="is the input"):
        calibrate(spoken[0], spoken[0])
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["absent.mp4"], "no video 'absent.mp4'"),
        (["VIDEO", "-o", "o.avi"], "should end in .mp4"),
        (["VIDEO", "-o", "o.mp4", "--by-ms", "soon"], "a number from -5000 to 5000"),
        (["VIDEO", "--by-ms", "30"], "say with -o where"),
        (["VIDEO", "--seconds", "0"], "a number from 1 to 86400"),
        (["VIDEO", "-o", "o.npz", "--motion", "absent.npz"], "no motion file"),
    ],
)
def test_bad_use_is_one_sentence(spoken, tmp_path, capsys, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", *[str(spoken[0]) if w == "VIDEO" else w for w in words]]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_moving_a_motion_moves_the_mouth_alone():
    rng = np.random.default_rng(3)
    rows = rng.uniform(0, 1, (50, len(CHANNELS))).astype(np.float32)
    by_one = moved(StoredMotion(rows), 0.04).coeffs
    mouth, head = CHANNEL_INDEX["aperture"], CHANNEL_INDEX["yaw"]
    assert np.allclose(by_one[1:, mouth], rows[:-1, mouth])
    assert (by_one[:, head] == rows[:, head]).all()
    by_half = moved(StoredMotion(rows), 0.02).coeffs
    assert by_half.min() >= rows.min() and by_half.max() <= rows.max()


def test_pictures_come_upright_with_their_times(tmp_path):
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30_000, 1001))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        image = np.zeros((48, 64, 3), np.uint8)
        image[:, :32, 0] = 255
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file = open_video(path)
    times = [picture.time_s for picture in file.pictures()]
    assert file.info.rate == Fraction(30_000, 1001) and len(times) == 5
    assert np.allclose(np.diff(times), 1001 / 30_000, atol=1e-4)
    first = next(iter(file.pictures())).image
    assert first.shape == (48, 64, 3) and first[20, 10, 0] > 200 and first[20, 50, 0] < 40
