"""A place for compiled code, also where neither the package's folder nor the user's own can be written.

Numba refuses to load a function that it is told to keep but has no place for, as in a container with a
read-only disk. Importing this package asks it, and where it refuses gives it a folder for this process.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile

import numba

_LOG = logging.getLogger(__name__)


def find_a_place() -> None:
    """Makes sure that numba can keep what it compiles. Errors: `OSError` where nothing at all is writable."""
    try:
        numba.njit(cache=True)(_nothing)
    except RuntimeError:
        folder = tempfile.mkdtemp(prefix="sonic-stream-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]
        _LOG.warning(
            "Compiled code cannot be kept here, so each start takes some seconds longer; name a folder that"
            " can be written in the variable NUMBA_CACHE_DIR."
        )


def _nothing() -> None:
    return None
