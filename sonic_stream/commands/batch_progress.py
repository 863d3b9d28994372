"""How a batch is told on stderr: a bar for the whole and one for each row at work, or lines in a log."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from sonic_stream.offline.batch import Event


class Lines:
    """Takes the events of a batch. A terminal gets bars that stay in place, a log a line for each row."""

    def __init__(self, rows: int, quiet: bool) -> None:
        self._rows, self._quiet = rows, quiet
        self._bars = not quiet and sys.stderr.isatty()
        self._whole: Any = None
        self._each: dict[int, Any] = {}
        self._ended = 0

    def __enter__(self) -> Self:
        if self._bars:
            from tqdm import tqdm

            self._whole = tqdm(total=self._rows, unit=" rows", position=0, file=sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in (*self._each.values(), *([self._whole] if self._whole is not None else ())):
            bar.close()

    def event(self, event: Event) -> None:
        ended = event.kind in ("done", "failed")
        self._ended += ended
        if event.kind == "failed":
            self._say(f"row {event.row.number} failed: {event.text}", always=True)
        elif event.kind == "done" and not self._bars:
            self._say(
                f"[{self._ended}/{self._rows}] row {event.row.number}: {event.row.output}, "
                f"{event.total} pictures"
            )
        if self._bars:
            self._draw(event, ended)

    def _draw(self, event: Event, ended: bool) -> None:
        from tqdm import tqdm

        number = event.row.number
        if ended:
            self._whole.update(1)
            bar = self._each.pop(number, None)
            if bar is not None:
                bar.close()
        elif event.kind == "progress":
            if number not in self._each:
                taken = {bar.pos for bar in self._each.values()}
                place = next(i for i in range(1, len(taken) + 2) if -i not in taken)
                self._each[number] = tqdm(
                    total=event.total, unit=" pictures", position=place, leave=False, file=sys.stderr,
                    desc=f"row {number}",
                )  # fmt: skip
            self._each[number].update(event.done - self._each[number].n)

    def _say(self, sentence: str, always: bool = False) -> None:
        if self._quiet and not always:
            return
        if self._bars:
            self._whole.write(sentence, file=sys.stderr)
        else:
            print(sentence, file=sys.stderr, flush=True)
