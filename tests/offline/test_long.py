"""Long sound: memory does not grow with the length, and Ctrl-C or a kill leaves nothing behind."""

import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

FAKES = Path(__file__).with_name("conftest.py")

GROWTH = """
    import resource, runpy, sys, threading
    from pathlib import Path
    from sonic_stream import render
    fakes, portrait, folder = runpy.run_path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

    sound = fakes["write_wav"](folder / "long.wav", 300.0)
    seen = {}
    parts = fakes["make_parts"](lambda: fakes["TellingEngine"](size_px=48))

    def progress(done, total):
        if done in (total // 5, total):
            seen[done] = resident_mb()

    report = render(portrait, sound, folder / "long.mp4", progress=progress, parts=parts)
    early, late = seen.values()
    print(report.pictures, late - early)
"""

INTERRUPT = """
    import runpy, sys
    from sonic_stream.cli import main
    fakes = runpy.run_path(sys.argv[1])
    parts = fakes["make_parts"](lambda: fakes["TellingEngine"](slow_s=0.02))
    sys.exit(main(sys.argv[2:], parts, last=True))
"""


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), str(FAKES), *map(str, arguments)]
    # A shell's background job ignores Ctrl-C, and so would all that it starts.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    )


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_five_minutes_take_no_more_memory_than_one(tmp_path, portrait):
    process = run(GROWTH, portrait, tmp_path)
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    count, growth_mb = printed.split()
    assert int(count) == 7_500
    # Four minutes held in memory would be 46 MB of sound or 41 MB of these small pictures.
    assert float(growth_mb) < 10


@pytest.mark.parametrize(("sent", "times"), [(signal.SIGINT, 1), (signal.SIGINT, 3), (signal.SIGTERM, 1)])
def test_interrupting_leaves_nothing_and_exits_130(tmp_path, portrait, tone, sent, times):
    folder = tmp_path / "out"
    folder.mkdir()
    process = run(
        INTERRUPT, "render", portrait, tone(30.0), "-o", folder / "o.mp4", "--write-motion", folder / "m.npz"
    )
    deadline = time.monotonic() + 60
    while not list(folder.iterdir()) or not next(folder.iterdir(), Path(tmp_path)).stat().st_size:
        assert time.monotonic() < deadline and process.poll() is None, "it never began to write"
        time.sleep(0.02)  # another process: there is nothing to wait on but its file
    for _ in range(times):
        process.send_signal(sent)
        time.sleep(0.01)
    _, errors = process.communicate(timeout=30)
    assert list(folder.iterdir()) == []
    # A signal that comes when the interpreter is already leaving ends it by itself; a shell says 130 too.
    assert process.returncode == 130 or (times > 1 and process.returncode == -sent), errors
    assert "interrupted" in errors and "Traceback" not in errors


def test_the_sound_of_a_long_file_is_the_same_in_pieces(tone):
    """The hop of any picture does not depend on how far the file goes on."""
    from sonic_stream.media.audio import open_audio
    from sonic_stream.offline.hops import file_hops

    long = file_hops(open_audio(tone(60.0, 44_100)).blocks())
    short = file_hops(open_audio(tone(2.0, 44_100)).blocks())
    for _ in range(49):
        np.testing.assert_allclose(next(long), next(short), atol=1e-4)
