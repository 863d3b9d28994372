"""The memory foretold against the memory used, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sonic_stream.picture.estimate import memory_needed

_PROGRAM = """
import sys
import cv2, numpy as np
cv2.setNumThreads(1)
from importlib import resources
from sonic_stream.face import identify
from sonic_stream.picture import Painter
from sonic_stream.types import CHANNELS, PortraitSettings
data = (resources.files("sonic_stream") / "assets" / "portraits" / "juno.jpg").read_bytes()
painter = Painter(identify(data, PortraitSettings(min_resolution=int(sys.argv[1]))))
painter.paint(np.full(len(CHANNELS), 0.1, np.float32))
# Not getrusage: its peak is inherited from the process that started this one.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted in other units elsewhere")
@pytest.mark.parametrize("resolution", [384, 1024])
def test_memory_is_foretold_to_a_fifth(resolution: int) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(resolution)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    used = int(ran.stdout.split()[-1])
    assert 0.8 * used < memory_needed(resolution) < 1.25 * used


def test_more_faces_and_more_pixels_need_more() -> None:
    assert memory_needed(384) < memory_needed(512) < memory_needed(1024)
    extra = memory_needed(512, faces=3) - memory_needed(512, faces=2)
    assert 0 < extra < 60e6
