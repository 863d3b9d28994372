"""Sound files: exact lengths in every format, flat blocks, and every bad file in words."""

import math
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from sonic_stream.errors import BadInputError
from sonic_stream.media.audio import open_audio

RATE = 44_100


def voice(seconds: float, rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Float32 [C, N]: a tone that tells its channel, with a gentle onset."""
    t = np.arange(round(seconds * rate)) / rate
    tones = [0.4 * np.sin(2 * np.pi * (220 + 110 * c) * t) for c in range(channels)]
    return (np.array(tones) * np.minimum(t * 20, 1)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, codec: str = "pcm_s16le") -> Path:
    """Any container and codec, by PyAV."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        kind = stream.codec_context.format.name if stream.codec_context.format else "fltp"
        resampler = av.AudioResampler(format=kind, layout=layout, rate=rate)
        size = stream.codec_context.frame_size or 1024
        for begin in range(0, samples.shape[1], size):
            block = np.ascontiguousarray(samples[:, begin : begin + size])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, begin
            for converted in resampler.resample(frame):
                out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return path


def float_wav(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """A mono 32-bit float wav, written by hand so that it can hold anything."""
    body = samples.astype("<f4").tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, rate, rate * 4, 4, 32)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
        + b"data" + struct.pack("<I", len(body)) + body
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "slack_s"),
    [
        ("a.wav", "pcm_s16le", 44_100, 0),
        ("a.wav", "pcm_u8", 8_000, 0),
        ("a.wav", "pcm_s24le", 96_000, 0),
        ("a.wav", "pcm_f32le", 22_050, 0),
        ("a.wav", "pcm_f64le", 48_000, 0),
        ("a.flac", "flac", 44_100, 0),
        ("a.ogg", "libopus", 48_000, 0.03),
        ("a.opus", "libopus", 48_000, 0.03),
        ("a.m4a", "aac", 48_000, 0.05),
        ("a.mp3", "libmp3lame", 44_100, 0.06),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_has_its_length_and_its_sound(tmp_path, name, codec, rate, slack_s, channels):
    sound = open_audio(write(tmp_path / name, voice(1.2345, rate, channels), rate, codec))
    info = sound.check()
    exact = round(round(1.2345 * rate) * 48_000 / rate)
    assert abs(info.ticks - exact) <= slack_s * 48_000
    assert (info.sample_rate, info.channels) == (rate, channels)
    mono = np.concatenate(list(sound.blocks()))
    heard = np.concatenate(list(sound.heard()), axis=1)
    assert mono.shape == (info.ticks,) and mono.dtype == np.float32
    assert heard.shape == (channels, info.ticks)
    # The tones are where they belong: channel c has 220 + 110 c Hz.
    for c in range(channels):
        spectrum = np.abs(np.fft.rfft(heard[c, 9_600:57_600]))
        assert spectrum.argmax() == 220 + 110 * c
    assert not info.notes


def test_blocks_are_small(tmp_path):
    sound = open_audio(write(tmp_path / "a.wav", voice(20)))
    assert max(len(block) for block in sound.blocks()) < 48_000


def test_mono_is_the_mean_of_both_sides(tmp_path):
    both = voice(1, channels=2)
    sound = open_audio(write(tmp_path / "a.wav", both, codec="pcm_f32le"))
    heard = np.concatenate(list(sound.heard()), axis=1)
    np.testing.assert_allclose(np.concatenate(list(sound.blocks())), heard.mean(axis=0), atol=1e-6)


def test_more_than_two_channels_become_two_without_clipping(tmp_path):
    loud = np.ones((6, 48_000), np.float32) * 0.9
    path = tmp_path / "six.flac"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=48_000, layout="5.1")
        frame = av.AudioFrame.from_ndarray(
            (loud * 32767).astype(np.int16).T.reshape(1, -1), format="s16", layout="5.1"
        )
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    heard = np.concatenate(list(open_audio(path).heard()), axis=1)
    assert heard.shape == (2, 48_000)
    assert 0.88 < heard.max() < 0.91


def test_a_video_files_sound_is_read(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("libx264", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        sound = out.add_stream("aac", rate=48_000, layout="mono")
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8), format="rgb24")
            frame.pts = i
            out.mux(picture.encode(frame))
        samples = voice(1, 48_000)
        for begin in range(0, 48_000, 1024):
            frame = av.AudioFrame.from_ndarray(
                samples[:, begin : begin + 1024].copy(), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, begin
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        out.mux(picture.encode(None))
    assert abs(open_audio(path).check().duration_s - 1) < 0.05


def refused(path: Path, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        open_audio(path).check()
    assert "\n" not in str(caught.value)


def test_what_is_no_sound_is_refused_in_words(tmp_path):
    refused(tmp_path / "absent.wav", "no sound file")
    refused(tmp_path, "is a folder")
    refused(Path("/dev/null"), "not a regular file")
    empty = tmp_path / "empty.wav"
    empty.touch()
    refused(empty, "is empty")
    text = tmp_path / "text.wav"
    text.write_text("these are words\n" * 50)
    refused(text, "not a sound file")
    playlist = tmp_path / "list.wav"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{write(tmp_path / 'real.wav', voice(1))}\n")
    refused(playlist, "not a sound file")


def test_a_film_without_sound_is_refused(tmp_path):
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    refused(path, "no sound track")


def test_short_and_silent_sound_is_refused(tmp_path):
    refused(write(tmp_path / "short.wav", voice(0.1)), r"lasts 0\.10 s; at least 0\.2 s")
    refused(write(tmp_path / "silent.wav", np.zeros((1, RATE), np.float32)), "is silent")
    faint = write(tmp_path / "faint.wav", voice(1) * 2e-4, codec="pcm_f32le")
    refused(faint, r"is silent \(peak -8\d dBFS\)")
    assert open_audio(faint).check(allow_silence=True).ticks == 48_000
    header_only = tmp_path / "header.wav"
    header_only.write_bytes(float_wav(tmp_path / "x.wav", np.zeros(99)).read_bytes()[:44])
    refused(header_only, "holds no sound|not a sound file")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_numbers_are_refused_and_located(tmp_path, bad):
    samples = voice(1, 16_000)[0]
    samples[8_000] = bad
    refused(float_wav(tmp_path / "nan.wav", samples), r"not numbers \(first at 0\.500 s\)")


def test_integers_stored_as_floats_are_refused(tmp_path):
    refused(float_wav(tmp_path / "big.wav", voice(1, 16_000)[0] * 32767), "between -1 and 1")


def test_a_little_over_full_scale_is_limited_for_the_model(tmp_path):
    sound = open_audio(float_wav(tmp_path / "hot.wav", voice(1, 16_000)[0] * 4))
    assert sound.check().peak == pytest.approx(1.6, rel=0.01)
    assert np.abs(np.concatenate(list(sound.blocks()))).max() == 1.0


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.ogg", "libopus")]
)
def test_a_cut_off_file_is_used_as_far_as_it_goes_and_said(tmp_path, name, codec):
    grain = 0.01 * np.random.default_rng(0).standard_normal((1, 8 * 48_000))
    path = write(tmp_path / name, voice(8, 48_000) + grain.astype(np.float32), 48_000, codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    sound = open_audio(path)
    info = sound.check()
    assert 1 < info.duration_s < 6
    assert sum(len(b) for b in sound.blocks()) == info.ticks
    assert len(info.notes) == 1 and ("promises" in info.notes[0] or "cut off" in info.notes[0])


def test_a_cut_off_m4a_cannot_be_read_and_says_so(tmp_path):
    path = write(tmp_path / "a.m4a", voice(5, 48_000), 48_000, "aac")
    path.write_bytes(path.read_bytes()[:20_000])
    refused(path, "cut off")


def test_a_wav_written_into_a_pipe_is_whole(tmp_path):
    path = float_wav(tmp_path / "pipe.wav", voice(1, 16_000)[0])
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    info = open_audio(path).check()
    assert info.ticks == 48_000 and not info.notes


def test_a_damaged_place_is_passed_over_and_said(tmp_path):
    path = write(tmp_path / "a.mp3", voice(6), codec="libmp3lame")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    sound = open_audio(path)
    info = sound.check()
    assert info.duration_s > 4 and info.notes
    assert sum(len(b) for b in sound.blocks()) == info.ticks
