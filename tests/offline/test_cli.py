"""The command line end to end: files, sentences on stderr, exit codes."""

import importlib
import subprocess
import sys
from types import SimpleNamespace

import av
import numpy as np
import pytest

from sonic_stream import __version__
from sonic_stream.cli import main
from sonic_stream.offline import bundled
from sonic_stream.types import CHANNELS, Controls


@pytest.fixture
def cli(parts, capfd):
    """Runs a command; gives exit code and what stood on stderr."""

    def run(*arguments: object) -> tuple[int, str]:
        try:
            code = main([str(a) for a in arguments], parts)
        except SystemExit as leaving:  # --help and --version
            code = int(leaving.code or 0)
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run


def test_render_writes_the_video_and_says_so(cli, portrait, tone, tmp_path):
    out = tmp_path / "o.mp4"
    code, said = cli("render", portrait, tone(1.0), "-o", out)
    assert code == 0
    with av.open(str(out)) as made:
        assert made.streams.video[0].frames == 25
    assert "note: The head is turned by 12 degrees." in said
    assert "25/25" in said and f"{out}: 25 pictures, 1.00 s" in said


def test_quiet_leaves_only_notes(cli, portrait, tone, tmp_path):
    code, said = cli("render", portrait, tone(1.0), "-o", tmp_path / "o.mp4", "--quiet")
    assert (code, said) == (0, "note: The head is turned by 12 degrees.\n")


def test_every_option_of_render_is_taken(cli, portrait, tone, tmp_path):
    out, stored = tmp_path / "o.mp4", tmp_path / "m.npz"
    flags = (
        "--min-resolution 384 --expand-ratio 0.2 --inference-steps 25 --dynamic-scale 1.2 --motion-scale=0 "
    )
    flags += "--seed 3 --device cpu --duration 0.8"
    code, said = cli("render", portrait, tone(1.0), "-o", out, *flags.split(), "--write-motion", stored)
    assert code == 0 and "inference_steps 25" in said and "duration 0.8 s" in said
    code, said = cli("render", portrait, tone(1.0), "--output", out, "--motion", stored)
    assert code == 0 and "then the face follows the sound" in said


def test_motion_writes_what_it_promises(cli, tone, tmp_path):
    out = tmp_path / "m.npz"
    code, said = cli("motion", tone(2.0, 44_100), "-o", out, "--dynamic-scale", "0.5")
    assert code == 0 and "50 rows" in said
    with np.load(out) as arrays:
        assert set(arrays.files) == {"t", "channels", "coeffs", "aperture", "lookahead_s"}
        assert arrays["coeffs"].shape == (50, len(CHANNELS)) and arrays["coeffs"].dtype == np.float32
        assert arrays["aperture"].dtype == np.float32
        assert float(arrays["lookahead_s"]) == pytest.approx(0.08)
        # The tone sounds in pictures 0-5 and rests in 7-11, whatever the look-ahead.
        assert arrays["aperture"][:5].min() > 0.05 and arrays["aperture"][8:12].max() < 0.01


def test_motion_cut_and_lengthened(cli, tone, tmp_path):
    for duration, rows in ((0.4, 10), (3, 75)):
        assert cli("motion", tone(1.0), "-o", tmp_path / "m.npz", "--duration", duration, "--quiet") == (
            0,
            "",
        )
        with np.load(tmp_path / "m.npz") as arrays:
            assert len(arrays["coeffs"]) == rows


def test_a_bundled_voice_is_found_by_name(cli, portrait, tmp_path):
    assert "hello" in bundled.voices()
    code, said = cli("render", portrait, "hello", "-o", tmp_path / "o.mp4", "--duration", "1")
    assert code == 0, said
    code, said = cli("render", portrait, "helo", "-o", tmp_path / "o.mp4")
    assert code == 2 and "did you mean the bundled 'hello'?" in said


SENTENCES = [
    (["render", "PORTRAIT", "TONE"], "-o/--output"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "extra"], "one argument too many"),
    (
        ["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--dynamic-scael", "1"],
        "did you mean '--dynamic-scale'?",
    ),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--zzz"], "no option --zzz"),
    (["rendr", "PORTRAIT"], "did you mean 'render'?"),
    (["zzz"], "there are render, motion, "),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--dynamic-scale", "9"], "a number from 0 to 2"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--motion-scale", "-1"], "a number from 0 to 2"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--inference-steps", "0"], "a whole number from 1 to 8"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--min-resolution", "500"], "one of 384, 512, 768, 1024"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--expand-ratio", "2"], "a number from 0 to 1"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--device", "tpu"], "one of auto, cpu, cuda"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--duration", "soon"], "'auto' or seconds"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--motion", "absent.npz"], "no motion file"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--motion", "TONE"], "not a motion file"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--write-motion", "m.txt"], "should end in .npz"),
    (["render", "PORTRAIT", "TONE", "-o", "o.mp4", "--config", "absent.toml"], "cannot be read"),
    (["render", "absent.png", "TONE", "-o", "o.mp4"], "no portrait 'absent.png'"),
    (["render", "words.png", "TONE", "-o", "o.mp4"], "text, not a picture"),
    (["render", "huge.png", "TONE", "-o", "o.mp4"], "100 megapixels"),
    (["render", "PORTRAIT", "absent.wav", "-o", "o.mp4"], "no sound file"),
    (["render", "PORTRAIT", "empty.wav", "-o", "o.mp4"], "is empty"),
    (["render", "PORTRAIT", "words.png", "-o", "o.mp4"], "not a sound file"),
    (["render", "PORTRAIT", "silent.wav", "-o", "o.mp4"], "is silent"),
    (["render", "PORTRAIT", "short.wav", "-o", "o.mp4"], "at least 0.2 s"),
    (["render", "PORTRAIT", "nan.wav", "-o", "o.mp4"], "not numbers"),
    (["render", "PORTRAIT", "TONE", "-o", "absent/o.mp4"], "does not exist"),
    (["render", "PORTRAIT", "TONE", "-o", "o.avi"], "should end in .mp4"),
    (["render", "PORTRAIT", "TONE", "-o", "."], "should end in .mp4"),
    (["motion", "TONE", "-o", "m.mp4"], "should end in .npz"),
    (["motion", "silent.wav", "-o", "m.npz"], "is silent"),
    (["serve", "--port", "none"], "from 1 to 65535"),
    (["serve", "--port", "70000"], "from 1 to 65535"),
    (["serve", "--portrait", "absent.png"], "no portrait 'absent.png'"),
    (["serve", "--portrait", "words.png"], "text, not a picture"),
    (["serve", "--dynamic-scale", "5"], "a number from 0 to 2"),
]


@pytest.mark.parametrize(("arguments", "words"), SENTENCES, ids=lambda value: " ".join(value)[:60])
def test_bad_use_is_one_sentence_and_leaves_nothing(
    cli, portrait, tone, tmp_path, monkeypatch, arguments, words
):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    make_bad_files(tone)
    before = sorted(folder.iterdir())
    stand_ins = {"PORTRAIT": portrait, "TONE": tone(1.0)}
    code, said = cli(*[stand_ins.get(word, word) for word in arguments])
    said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("note: "))
    assert code == 2
    assert words in said
    assert said.startswith("sonic-stream: ") and said.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def make_bad_files(tone) -> None:
    """In the working folder: everything that is not what its name says."""
    import struct
    import zlib
    from pathlib import Path

    Path("words.png").write_text("These are words.\n" * 20)
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    huge = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    Path("huge.png").write_bytes(huge + struct.pack(">I", 0) + b"IDAT" + bytes(4))
    Path("empty.wav").touch()
    whole = tone(1.0).read_bytes()
    Path("silent.wav").write_bytes(whole[:44] + bytes(len(whole) - 44))
    Path("short.wav").write_bytes(tone(0.1).read_bytes())
    samples = np.full(16_000, 0.2, "<f4")
    samples[5] = np.nan
    fmt = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", 64_000) + samples.tobytes()
    Path("nan.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_a_cut_off_sound_is_used_and_told(cli, portrait, tone, tmp_path):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(tone(4.0).read_bytes()[:64_044])
    code, said = cli("render", portrait, cut, "-o", tmp_path / "o.mp4")
    assert code == 0
    assert "note: The sound ends after 2.00 s although its header promises 4.00 s" in said
    with av.open(str(tmp_path / "o.mp4")) as made:
        assert made.streams.video[0].frames == 50


def test_help_and_version(cli):
    code, said = cli("--version")
    assert (code, said) == (0, f"sonic-stream {__version__}\n")
    code, said = cli("--help")
    assert code == 0 and "examples:" in said and "doctor" in said
    code, said = cli("render", "--help")
    assert code == 0 and all(f"--{name}" in said for name in ("duration", "min-resolution", "write-motion"))
    code, said = cli()
    assert code == 2 and "render" in said


def test_environment_and_file_are_heard_and_flags_win(portrait, tone, tmp_path, monkeypatch, parts):
    engines = []

    def engine(device):
        engines.append(parts.engine(device))
        return engines[-1]

    own = type(parts)(engine, parts.identify)
    file = tmp_path / "sonic.toml"
    file.write_text("seed = 5\ndynamic_scale = 1.5\nmotion_scale = 0.5\n")
    monkeypatch.setenv("SONIC_STREAM_DYNAMIC_SCALE", "1.1")
    words = ["render", str(portrait), str(tone(0.3)), "-o", str(tmp_path / "o.mp4"), "--config", str(file)]
    assert main([*words, "--seed", "9", "--quiet"], own) == 0
    used = engines[0].controls[0]
    assert (used.seed, used.dynamic_scale, used.motion_scale) == (9, 1.1, 0.5)


def test_serve_hands_its_words_to_the_server(monkeypatch, portrait):
    """The server is started by name, so that the library does not depend on it."""
    seen = []
    server = SimpleNamespace(
        ServerSettings=lambda **words: SimpleNamespace(**words), serve=lambda settings: seen.append(settings)
    )
    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module", lambda name: server if name == "server.run" else real(name)
    )
    words = ["serve", "--host", "::1", "--port", "8123", "--portrait", str(portrait)]
    assert main(words) == 0
    assert (seen[0].host, seen[0].port, seen[0].portrait) == ("::1", 8123, portrait)
    assert (seen[0].device, seen[0].controls, seen[0].portrait_settings.min_resolution) == (
        "auto",
        Controls(),
        512,
    )
    assert main([*words, "--preset", "singing", "--mood", "happy"]) == 0
    assert seen[1].controls == Controls(dynamic_scale=1.25, motion_scale=1.1, mood="happy")


def test_importing_the_library_loads_nothing_heavy():
    script = (
        "import sys, sonic_stream, sonic_stream.cli; sonic_stream.cli.build_parser();"
        "print([m for m in ('torch', 'av', 'cv2', 'mediapipe', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_front_door_has_only_its_names():
    import sonic_stream

    assert callable(sonic_stream.render) and callable(sonic_stream.pictures)
    assert "render" in dir(sonic_stream)
    with pytest.raises(AttributeError, match="rendr"):
        _ = sonic_stream.rendr


def test_python_dash_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "sonic_stream", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"sonic-stream {__version__}\n"
