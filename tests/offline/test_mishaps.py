"""What goes wrong in the middle: inputs that change, full disks. One sentence, nothing half-written."""

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonic_stream import pictures, render
from sonic_stream.cli import main
from sonic_stream.errors import BadInputError, SonicError

FAKES = Path(__file__).with_name("conftest.py")


def test_a_portrait_that_changes_during_the_run_is_the_one_it_was(tmp_path, portrait, tone, parts):
    """It is read once: whatever comes later, the pictures are those of the start."""
    laid = replace(parts, identify=lambda image, settings: replace(
        parts.identify(image, settings), crop_box=(63.5, 63.5, 96.0), matte=np.full((128, 128), 255, np.uint8)
    ))  # fmt: skip
    wanted = [p.image for p in pictures(portrait, tone(1.0), parts=laid, keep_resolution=True)]
    stream = pictures(portrait, tone(1.0), parts=laid, keep_resolution=True)
    made = [next(stream).image]
    Image.fromarray(np.full((64, 64, 3), 250, np.uint8)).save(portrait)
    made.append(next(stream).image)
    portrait.unlink()
    made += [p.image for p in stream]
    np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize("how", ["rewritten", "removed", "longer"])
def test_a_sound_that_changes_during_the_run_is_told(tmp_path, portrait, tone, parts, how):
    folder = tmp_path / "out"
    folder.mkdir()
    sound = tone(20.0)

    def change(done: int, _: int) -> None:
        if done != 30:
            return
        if how == "removed":
            sound.unlink()
        else:
            data = sound.read_bytes()
            sound.write_bytes(data + bytes(3200) if how == "longer" else data[:44] + bytes(len(data) - 44))
            os.utime(sound, (1, 1))

    with pytest.raises(BadInputError, match="was changed or removed while it was in use"):
        render(portrait, sound, folder / "o.mp4", parts=parts, progress=change)
    assert list(folder.iterdir()) == []


FULL = """
    import resource, runpy, sys
    from sonic_stream.cli import main
    fakes = runpy.run_path(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    class Grain(fakes["TellingEngine"]):
        def step(self, batch):
            import numpy as np
            from dataclasses import replace
            noise = np.random.default_rng(batch[0].pts).integers(0, 255, (96, 96, 3), np.uint8)
            made = super().step(batch)
            return [replace(r, video=replace(r.video, image=noise)) for r in made]

    sys.exit(main(sys.argv[2:], fakes["make_parts"](Grain)))
"""


@pytest.mark.parametrize("name", ["o.mp4", "o.webm", "o/"])
def test_a_disk_that_fills_up_is_told_and_nothing_is_left(tmp_path, portrait, tone, name):
    """The disk is played by a limit on the size of files, in a process of its own."""
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["render", portrait, tone(10.0), "-o", f"{folder}/{name}", "--write-motion", folder / "m.npz"]
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(FAKES), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == SonicError.exit_code, done.stderr
    assert "stopped" in done.stderr and "nothing was kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk can be mounted by root alone"
)
@pytest.mark.parametrize("name", ["o.mp4", "o.webm", "o/"])
def test_a_real_disk_that_fills_up(tmp_path, portrait, tone, parts, name, capfd):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=150k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let a disk be mounted")
    try:
        sound = tone(30.0, 48_000)
        assert main(["render", str(portrait), str(sound), "-o", f"{small}/{name}", "--quiet"], parts) == 2
        said = capfd.readouterr().err
        assert "the disk is full; nothing was kept" in said and "Traceback" not in said
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
