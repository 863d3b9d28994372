"""The manifest of a batch: one JSON line for each row that ended, kept through kills and full disks.

While a batch runs, lines are only added and each is forced to the disk, so that a kill costs at most the
line it cut in two; a row that is in there twice counts by its last line. When the batch is over the file is
put in the rows' order.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sonic_stream.errors import BadInputError, BusyError, SonicError
from sonic_stream.media.video import whole_or_nothing, write_error

NAME: Final = "manifest.jsonl"
_LOCK: Final = ".batch.lock"

Record = dict[str, Any]


class Manifest:
    """The manifest in `folder`, held for one batch alone while the context is open.

    Errors: `BusyError` when another batch is at work there; `SonicError` when it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._lock_path = folder / _LOCK
        self.records: dict[int, Record] = {}

    def __enter__(self) -> Self:
        try:
            self._lock = self._lock_path.open("ab")
        except OSError as error:
            raise write_error(self.path, error) from error
        if not _alone(self._lock.fileno()):
            self._lock.close()
            raise BusyError(f"Another batch is at work in '{self.path.parent}'; let it finish, or stop it.")
        self.records = read_records(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._lock_path.unlink()
        self._lock.close()

    def add(self, record: Record) -> None:
        """Adds the record of one row, safely on the disk when this returns."""
        self.records[record["row"]] = record
        line = json.dumps(record, ensure_ascii=False) + "\n"
        try:
            with self.path.open("ab") as file:
                # A line that a kill cut in two must not take this one with it.
                if file.tell() and not _ends_line(self.path):
                    file.write(b"\n")
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise write_error(self.path, error) from error

    def tidy(self) -> None:
        """Writes all records again, in the rows' order and one for each row."""
        lines = [json.dumps(self.records[row], ensure_ascii=False) + "\n" for row in sorted(self.records)]
        with whole_or_nothing(self.path) as temporary:
            try:
                temporary.write_text("".join(lines), encoding="utf-8")
            except OSError as error:
                raise write_error(self.path, error) from error


def read_records(path: Path) -> dict[int, Record]:
    """The records in the manifest at `path` by their row; lines that are no record are left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInputError(f"The manifest '{path}' cannot be read ({error.strerror}).") from None
    records: dict[int, Record] = {}
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("row"), int):
                records[record["row"]] = record
    return records


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _alone(descriptor: int) -> bool:
    """Whether nobody else holds the lock; it goes with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_full(error: SonicError) -> bool:
    """Whether `error` tells of a full disk, which the next row would meet as well."""
    import errno

    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
