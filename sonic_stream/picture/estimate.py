"""How much memory painting takes, so that a program can say so before it starts."""

from __future__ import annotations

from typing import Final

_PROGRAM_BYTES: Final = 590_000_000
"""Libraries (torch among them), tracker, head model and compiled loops, whatever the size."""
_IDENTIFY_BYTES_PER_PIXEL: Final = 150
"""Of the square, at the most, while one portrait is made ready and painted."""
_KEPT_BYTES_PER_PIXEL: Final = 34
_KEPT_BYTES: Final = 16_000_000
"""What every further face keeps: its picture, layers and tables; and its sheet and rig."""


def memory_needed(resolution: int, faces: int = 1) -> int:
    """Resident bytes of a process that makes ready and paints `faces` portraits of `resolution` px.

    Without voice, encoder and network; measured on Linux with one thread, see the test.
    """
    pixels = resolution * resolution
    first = _PROGRAM_BYTES + _IDENTIFY_BYTES_PER_PIXEL * pixels
    return first + max(0, faces - 1) * (_KEPT_BYTES + _KEPT_BYTES_PER_PIXEL * pixels)
