"""Tools that write videos say in a sentence when there is no room, and leave nothing.

A limit on the size of files stands for the full disk: writing fails in the middle, inside FFmpeg.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.media.video import VideoWriter

LIMITED = """
import resource, signal, sys
from fractions import Fraction
from sonic_stream.errors import SonicError
from sonic_stream.media.reencode import Reencoder
from sonic_stream.media.remux import retimed
from sonic_stream.media.video_file import open_video

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source, out = open_video(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    if sys.argv[1] == "retimed":
        retimed(source, out, 0.03)
    else:
        with Reencoder(source, out, Fraction(25)) as writer:
            for picture in source.pictures():
                writer.write(picture.image, picture.time_s)
except SonicError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("tool", ["retimed", "reencoded"])
def test_no_room_is_told_and_nothing_is_left(tmp_path, tool):
    rng = np.random.default_rng(0)
    source = tmp_path / "in.mp4"
    with VideoWriter(source, 160, 160) as writer:
        for _ in range(25):
            writer.write(rng.integers(0, 255, (160, 160, 3), np.uint8))
    assert source.stat().st_size > 200_000
    folder = tmp_path / "out"
    folder.mkdir()
    words = [sys.executable, "-c", LIMITED, tool, str(source), str(folder / "o.mp4")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 2, done.stderr
    assert "stopped: " in done.stdout and "nothing was kept" in done.stdout
    assert not list(folder.iterdir())
