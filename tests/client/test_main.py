"""The command line: mistakes told in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from client.main import build_parser, main
from client.server import base_url
from sonic_stream.errors import BadInputError


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["speak"], "file; see `sonic-stream-client speak --help`"),
        (["sing", "x"], "invalid choice: 'sing'"),
        (["speak", "nothing.wav"], "no sound file 'nothing.wav'"),
        (["say", "hi", "--server", "a b"], "'a b' is no server"),
        (["say", "hi", "--server", "127.0.0.1:9"], "start one with: sonic-stream serve"),
        (["say", "hi", "--rate", "9"], "'9' has to be a number from 0.5 to 2"),
        (["live", "--dynamic-scale", "7"], "dynamic_scale is '7' (from --dynamic-scale)"),
        (["live"], "Say where the picture goes"),
        (["record"], "Say where the picture goes"),
        (["record", "film.txt"], "should end in .mp4"),
        (["load", "--sessions", "0"], "'0' has to be a whole number from 1 to 200"),
    ],
)
def test_mistakes_are_told_in_a_sentence(capsys, words, sentence):
    assert main(words) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1 and told.startswith("sonic-stream-client: ")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:8010", "http://localhost:8010"),
        ("https://face.example/", "https://face.example"),
        ("[::1]:8010", "http://[::1]:8010"),
    ],
)
def test_addresses_may_be_short(given, url):
    assert base_url(given) == url


@pytest.mark.parametrize("given", ["", "ftp://x", "x:port", "host/path", "http://"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(BadInputError, match="is no server"):
        base_url(given)


def test_every_command_has_help(capsys):
    for name in ("speak", "say", "live", "record", "load", "devices", "status"):
        with pytest.raises(SystemExit):
            build_parser().parse_args([name, "--help"])
        assert name in capsys.readouterr().out


def test_the_client_needs_no_torch():
    code = (
        "import sys, client.main, client.commands, client.load\n"
        "heavy = {'torch', 'numba', 'onnxruntime', 'mediapipe', 'cv2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
