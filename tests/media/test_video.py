"""The mp4: exact pictures, times and sound; and nothing at all when it cannot be whole."""

import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from sonic_stream.errors import BadInputError
from sonic_stream.media.audio import open_audio
from sonic_stream.media.video import AudioTrack, VideoWriter, check_output

SIZE = 64


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def pictures(count: int):
    for i in range(count):
        image = np.full((SIZE, SIZE, 3), 40, np.uint8)
        image[:, : 2 + i % 60] = (200, 120, 90)
        yield image


def clicks(channels: int, seconds: float, block: int = 5000):
    """A short burst at 0.5 s, so that its place can be found again; other on each channel."""
    samples = np.zeros((channels, round(seconds * 48_000)), np.float32)
    burst = np.random.default_rng(1).uniform(-0.5, 0.5, (channels, 2000)).astype(np.float32)
    samples[:, 24_000:26_000] = np.cumsum(burst, axis=1) / 20
    return samples, (samples[:, i : i + block] for i in range(0, samples.shape[1], block))


@pytest.mark.parametrize("channels", [1, 2])
def test_pictures_times_and_sound_are_exact(tmp_path, channels):
    path = tmp_path / "a.mp4"
    samples, blocks = clicks(channels, 1.99)
    with VideoWriter(path, SIZE, SIZE, audio=AudioTrack(blocks, channels)) as writer:
        for image in pictures(50):
            writer.write(image)
    assert names(tmp_path) == ["a.mp4"]
    with av.open(str(path)) as made:
        video, sound = made.streams.video[0], made.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.profile) == ("h264", "High")
        assert (video.codec_context.pix_fmt, video.codec_context.colorspace) == ("yuv420p", 1)
        assert (sound.codec_context.name, sound.rate, sound.layout.nb_channels) == ("aac", 48_000, channels)
        assert video.frames == 50
        assert video.duration * video.time_base == 2
        assert float(sound.duration * sound.time_base) == pytest.approx(1.99, abs=1 / 48_000)
        assert video.start_time == sound.start_time == 0
        frames = list(made.decode(video=0))
    assert [round(f.pts * f.time_base * 25) for f in frames] == list(range(50))
    for i in (0, 17, 49):
        image = frames[i].to_ndarray(format="rgb24").astype(int)
        edge = 2 + i % 60
        assert np.abs(image[30, max(edge - 6, 0)] - (200, 120, 90)).max() < 12
        assert np.abs(image[30, min(edge + 6, 63)] - 40).max() < 12
    heard = np.concatenate(list(open_audio(path).heard()), axis=1)[:, : samples.shape[1]]
    assert heard.shape == samples.shape
    for c in range(channels):
        places = [np.dot(np.roll(samples[c], shift), heard[c]) for shift in range(-40, 41)]
        assert np.argmax(places) == 40  # not a sample early or late
        error = heard[c] - samples[c]
        assert (error**2).mean() < 1e-3 * (samples[c] ** 2).mean()


def test_the_index_is_at_the_front(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, SIZE, SIZE) as writer:
        for image in pictures(30):
            writer.write(image)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_sound_is_read_no_more_than_a_second_ahead(tmp_path):
    taken = 0

    def blocks():
        nonlocal taken
        for _ in range(1000):
            taken += 4800
            yield np.zeros((1, 4800), np.float32)

    with (
        pytest.raises(KeyboardInterrupt),
        VideoWriter(tmp_path / "a.mp4", SIZE, SIZE, audio=AudioTrack(blocks(), 1)) as writer,
    ):
        for done, image in enumerate(pictures(100), start=1):
            writer.write(image)
            assert done * 1920 <= taken <= done * 1920 + 48_000
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_an_existing_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), VideoWriter(path, SIZE, SIZE) as writer:
        writer.write(next(pictures(1)))
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.mp4"]
    with VideoWriter(path, SIZE, SIZE) as writer:
        writer.write(next(pictures(1)))
    assert path.stat().st_size > 500


def test_an_error_of_the_caller_stays_what_it_is(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="of my own"),
        VideoWriter(tmp_path / "a.mp4", SIZE, SIZE) as writer,
    ):
        writer.write(next(pictures(1)))
        raise FileNotFoundError("of my own")
    assert names(tmp_path) == []


def test_an_encoder_that_cannot_be_opened_leaves_nothing(tmp_path):
    with (
        pytest.raises(av.error.FFmpegError),
        VideoWriter(tmp_path / "a.mp4", SIZE, SIZE, preset="none") as writer,
    ):
        writer.write(next(pictures(1)))
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "a.mp4", SIZE, SIZE) as writer:
        raise ZeroDivisionError  # before the first picture
    assert names(tmp_path) == []


def test_unusable_outputs_are_refused_before_any_work(tmp_path):
    with pytest.raises(BadInputError, match=r"should end in \.mp4"):
        check_output(tmp_path / "a.avi")
    with pytest.raises(BadInputError, match="does not exist"):
        check_output(tmp_path / "absent" / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(BadInputError, match="is a folder"):
        check_output(tmp_path / "folder.mp4")
    with pytest.raises(BadInputError, match="is not a path"):
        check_output("a\0.mp4")
    with pytest.raises(BadInputError, match="cannot be written"):
        check_output("/proc/a.mp4")
    with pytest.raises(BadInputError, match="sides are even"):
        VideoWriter(tmp_path / "a.mp4", 65, 64)
    assert names(tmp_path) == ["folder.mp4"]


def test_a_long_name_is_possible(tmp_path):
    path = tmp_path / ("n" * 240 + ".mp4")
    with VideoWriter(path, SIZE, SIZE) as writer:
        writer.write(next(pictures(1)))
    assert path.exists()


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path):
    """The disk is played by a limit on file sizes, in a process of its own."""
    script = textwrap.dedent(
        """
        import resource, sys
        import numpy as np
        from sonic_stream.errors import SonicError
        from sonic_stream.media.video import VideoWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        grain = np.random.default_rng(0)
        try:
            with VideoWriter(sys.argv[1], 256, 256) as writer:
                for _ in range(300):
                    writer.write(grain.integers(0, 255, (256, 256, 3), np.uint8))
        except SonicError as error:
            print(error)
            sys.exit(error.exit_code)
        """
    )
    path = tmp_path / "a.mp4"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Writing" in done.stdout and "nothing was kept" in done.stdout
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("fps", [25, 50])
@pytest.mark.parametrize("channels", [1, 2])
def test_webm_is_as_exact(tmp_path, channels, fps):
    path = tmp_path / "a.webm"
    samples, blocks = clicks(channels, 50 / fps)
    with VideoWriter(path, SIZE, SIZE, fps, AudioTrack(blocks, channels)) as writer:
        for image in pictures(50):
            writer.write(image)
    assert names(tmp_path) == ["a.webm"]
    with av.open(str(path)) as made:
        video, sound = made.streams.video[0], made.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("vp9", "opus")
        assert (video.codec_context.pix_fmt, video.codec_context.colorspace) == ("yuv420p", 1)
        assert sound.layout.nb_channels == channels
        frames = list(made.decode(video=0))
    assert [float(f.pts * f.time_base) for f in frames] == [i / fps for i in range(50)]
    for i in (0, 17, 49):
        image = frames[i].to_ndarray(format="rgb24").astype(int)
        edge = 2 + i % 60
        assert np.abs(image[30, max(edge - 6, 0)] - (200, 120, 90)).max() < 16
        assert np.abs(image[30, min(edge + 6, 63)] - 40).max() < 16
    heard = np.concatenate(list(open_audio(path).heard()), axis=1)
    assert abs(heard.shape[1] - samples.shape[1]) <= 1
    places = [np.dot(np.roll(samples[0], s)[: heard.shape[1]], heard[0]) for s in range(-40, 41)]
    assert abs(int(np.argmax(places)) - 40) <= 2


def test_a_smaller_crf_is_better_and_larger(tmp_path):
    grain = np.random.default_rng(0).integers(60, 200, (3, 256, 256, 3), np.uint8)
    for suffix, crfs in ((".mp4", (10, None, 40)), (".webm", (10, None, 55))):
        sizes = []
        for crf in crfs:
            with VideoWriter(tmp_path / f"a{suffix}", 256, 256, crf=crf) as writer:
                for image in grain:
                    writer.write(image)
            sizes.append((tmp_path / f"a{suffix}").stat().st_size)
        assert sizes == sorted(sizes, reverse=True) and sizes[0] > 1.5 * sizes[-1]


@pytest.mark.parametrize(("name", "crf", "most"), [("a.mp4", 52, 51), ("a.webm", 64, 63), ("a.mp4", 0, 51)])
def test_an_impossible_crf_names_the_formats_range(tmp_path, name, crf, most):
    with pytest.raises(BadInputError, match=rf"takes 1 .best. to {most}"):
        VideoWriter(tmp_path / name, SIZE, SIZE, crf=crf)
    assert names(tmp_path) == []
