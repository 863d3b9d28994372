"""Where compiled code is kept, on a disk that cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

import sonic_stream


def painted_from(home: Path, package: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that imports the painter from `package` and tells where numba keeps its work."""
    script = (
        "import numba, sonic_stream; from sonic_stream.picture import Painter;"
        "import os; print(sonic_stream.__file__); print(numba.config.CACHE_DIR);"
        "print(os.path.isdir(numba.config.CACHE_DIR))"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    own = kept | {"HOME": str(home), "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    return subprocess.run(
        [sys.executable, "-c", script], env=own, cwd=home.parent, capture_output=True, text=True, check=True
    )


def without_places(tmp_path: Path) -> tuple[Path, Path]:
    """A home and a package in which no folder can be made, also by root: files stand in the way."""
    home = tmp_path / "home"
    home.write_text("no folder")
    package = tmp_path / "package"
    (package / "sonic_stream").mkdir(parents=True)
    source = Path(sonic_stream.__file__).parent
    for path in source.iterdir():
        if path.name not in ("__pycache__", "picture"):
            (package / "sonic_stream" / path.name).symlink_to(path)
    (package / "sonic_stream" / "picture").mkdir()
    for path in (source / "picture").iterdir():
        if path.name != "__pycache__":
            (package / "sonic_stream" / "picture" / path.name).write_bytes(path.read_bytes())
    (package / "sonic_stream" / "picture" / "__pycache__").write_text("no folder")
    return home, package


def test_a_process_gets_a_folder_of_its_own_and_leaves_none(tmp_path):
    home, package = without_places(tmp_path)
    done = painted_from(home, package)
    file, folder, was_there = done.stdout.split()
    assert file.startswith(str(package))
    assert was_there == "True" and not Path(folder).exists()
    assert "NUMBA_CACHE_DIR" in done.stderr


def test_a_folder_that_was_named_is_used(tmp_path):
    home, package = without_places(tmp_path)
    named = tmp_path / "named"
    named.mkdir()
    done = painted_from(home, package, NUMBA_CACHE_DIR=str(named))
    assert done.stdout.split()[1] == str(named) and done.stderr == ""
