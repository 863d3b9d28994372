"""A progress bar with the time left, on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Final, Self

from tqdm import tqdm

_REDRAW_S: Final = 0.2
_REDRAW_LOG_S: Final = 10.0
"""Where stderr is a file: a line now and then instead of thousands."""


class Bar:
    """Appears with the first `update`, so that notes and refusals come before it."""

    def __init__(self, quiet: bool, unit: str = " pictures") -> None:
        self._quiet, self._unit = quiet, unit
        self._bar: Any = None

    def update(self, done: int, total: int) -> None:
        if self._quiet:
            return
        if self._bar is None:
            interval_s = _REDRAW_S if sys.stderr.isatty() else _REDRAW_LOG_S
            self._bar = tqdm(
                total=total, unit=self._unit, unit_scale=self._unit == "B", file=sys.stderr,
                mininterval=interval_s,
            )  # fmt: skip
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
