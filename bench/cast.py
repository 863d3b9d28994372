"""Which bundled portraits the benches measure: always the same, however many are bundled."""

from __future__ import annotations

from pathlib import Path

MEASURED = ("mira", "tariq", "juno")
FIRST = MEASURED[0]
"""Where one is enough."""


def paths() -> list[Path]:
    """Their files, in the order of MEASURED."""
    folder = Path(__file__).resolve().parents[1] / "sonic_stream" / "assets" / "portraits"
    return [folder / f"{name}.jpg" for name in MEASURED]
