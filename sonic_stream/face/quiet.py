"""Keeps native libraries from greeting on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_ONE_AT_A_TIME = threading.Lock()
"""Two threads that swap the descriptor at once would leave it pointing nowhere."""


@contextlib.contextmanager
def stderr_silenced() -> Iterator[None]:
    """Drops all that the process writes to stderr meanwhile: MediaPipe's start-up chatter has no switch.

    It is for the fraction of a second in which models load, for other threads are silenced too.
    """
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(2)
        except OSError:  # a process without stderr has nothing to silence
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(sink)
