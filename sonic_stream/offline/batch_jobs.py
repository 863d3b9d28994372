"""A list of jobs on disk (CSV or JSON lines) -> rows, with everything wrong about them found beforehand.

What is wrong with the list as a whole (no such column, two rows with one output) refuses it; what is wrong
with one row stays with that row. Paths in the list are meant from the list's own folder.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sonic_stream.config import OPTIONS, Settings, check_value, nearest
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.audio import open_audio
from sonic_stream.media.image import load_image
from sonic_stream.offline.bundled import portrait_path, voice_path
from sonic_stream.offline.job import parse_duration

NEEDED: Final = ("portrait", "audio")
_PRESET: Final = "preset"
_DEVICE: Final = "device"
ALLOWED: Final = (*NEEDED, "output", "duration", _PRESET, *(name for name in OPTIONS if name != _DEVICE))
SUFFIXES: Final = (".mp4", ".m4v", ".mov", ".webm")
MAX_BYTES: Final = 64 * 1024 * 1024
_BLOCK: Final = 1 << 20

SettingsOf = Callable[[Mapping[str, Any]], Settings]
"""Settings of the whole batch with a row's own values over them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One job. With a `problem` it cannot run, and the other fields hold what is known."""

    number: int
    """From 1, as in the list."""
    portrait: Path
    audio: Path
    output: str
    """Name in the batch's folder, with forward slashes."""
    duration_s: float | None = None
    settings: Settings | None = None
    portrait_hash: str = ""
    audio_hash: str = ""
    """SHA-256 of the files when the batch began."""
    problem: str = ""

    def fingerprint(self) -> str:
        """Names everything that decides the result, but for the program's own version."""
        chosen = self.settings
        wanted = (chosen.controls, chosen.portrait, chosen.output) if chosen else ()
        parts = (self.portrait_hash, self.audio_hash, self.output, self.duration_s, *wanted)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def hash_of(path: Path) -> str:
    """SHA-256 of a file. Errors: `BadInputError` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise BadInputError(f"'{path}' cannot be read ({error.strerror}).") from None
    return digest.hexdigest()


def read_jobs(path: str | Path, settings_of: SettingsOf) -> list[Row]:
    """The rows of the list at `path`, checked.

    Errors: `BadInputError` for a list that cannot be used as a whole.
    """
    path = Path(path)
    table = _table(path)
    if not table:
        raise BadInputError(f"The list '{path}' holds no jobs.")
    rows, hashes = [], _Hashes()
    digits = max(len(str(len(table))), 3)
    for number, cells in enumerate(table, start=1):
        rows.append(_row(path, number, digits, cells, settings_of, hashes))
    _refuse_duplicates(path, rows)
    return rows


class _Hashes:
    """Each file is hashed and looked at once, however many rows use it."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, str], str | SonicError] = {}

    def of(self, path: Path, kind: str) -> str:
        key = path, kind
        if key not in self._known:
            try:
                if kind == "portrait":
                    load_image(path)
                else:
                    open_audio(path)
                self._known[key] = hash_of(path)
            except SonicError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, SonicError):
            raise found
        return found


def _row(
    path: Path, number: int, digits: int, cells: dict[str, Any], settings_of: SettingsOf, hashes: _Hashes
) -> Row:
    portrait, audio = (_located(path, str(cells.get(name) or "").strip(), name) for name in NEEDED)
    usual = f"{number:0{digits}}-{portrait.stem[:40]}-{audio.stem[:40]}.mp4"
    output = str(cells.get("output") or "").strip() or usual
    row = Row(number, portrait, audio, output)
    try:
        for name in NEEDED:
            if not str(cells.get(name) or "").strip():
                raise BadInputError(f"the {name} is missing.")
        output = _checked_output(output)
        own = {
            name: check_value(name, cells[name]) if name != _PRESET else str(cells[name])
            for name in (_PRESET, *OPTIONS)
            if cells.get(name) not in (None, "")
        }
        duration = cells.get("duration")
        duration_s = None if duration in (None, "") else parse_duration(duration)
        settings = settings_of(own)
        portrait = Path(portrait_path(portrait))
        audio = Path(voice_path(audio))
        return Row(
            number, portrait, audio, output, duration_s, settings,
            hashes.of(portrait, "portrait"), hashes.of(audio, "audio"),
        )  # fmt: skip
    except SonicError as error:
        return Row(number, row.portrait, row.audio, row.output, problem=str(error))


def _located(path: Path, cell: str, kind: str) -> Path:
    """Where `cell` lies: beside the list, or a bundled name."""
    there = path.parent / cell
    if not cell or there.exists():
        return there
    try:
        found = portrait_path(cell) if kind == "portrait" else voice_path(cell)
    except SonicError:
        return there
    return Path(found) if Path(found).is_absolute() else there


def _checked_output(name: str) -> str:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name or "\0" in name or pure.name.startswith("."):
        raise BadInputError(f"the output '{name}' has to be a name inside the batch's folder.")
    if pure.suffix.lower() not in SUFFIXES:
        raise BadInputError(f"the output '{name}' should end in {' or '.join(SUFFIXES)}.")
    return str(pure)


def _refuse_duplicates(path: Path, rows: list[Row]) -> None:
    first: dict[str, int] = {}
    for row in rows:
        key = row.output.casefold()  # some file systems take A.mp4 and a.mp4 for one
        if key in first:
            raise BadInputError(
                f"Rows {first[key]} and {row.number} of '{path}' have the same output '{row.output}'; every "
                "row needs one of its own (or none: then it gets a name)."
            )
        first[key] = row.number


def _table(path: Path) -> list[dict[str, Any]]:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        raise BadInputError(f"The list '{path}' should end in .csv, .tsv or .jsonl.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInputError(f"The list '{path}' is over 64 MB large; split it.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInputError(f"There is no list '{path}'; give the path of a .csv or .jsonl file.") from None
    except OSError as error:
        raise BadInputError(f"The list '{path}' cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise BadInputError(f"The list '{path}' is not UTF-8 text; save it as UTF-8.") from None
    return _json_lines(path, text) if suffix in (".jsonl", ".ndjson") else _csv(path, text)


def _csv(path: Path, text: str) -> list[dict[str, Any]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [(name or "").strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        _check_columns(path, names)
        table = []
        for cells in reader:
            if None in cells:
                raise BadInputError(
                    f"Line {reader.line_num} of '{path}' has more cells than the {len(names)} columns; put "
                    "cells that hold a separator into quotes."
                )
            table.append({name: (value or "").strip() for name, value in cells.items()})
    except csv.Error as error:
        raise BadInputError(f"Line {reader.line_num} of '{path}' is not CSV ({error}).") from None
    return table


def _json_lines(path: Path, text: str) -> list[dict[str, Any]]:
    table = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadInputError(f"Line {line_number} of '{path}' is not JSON ({error.msg}).") from None
        if not isinstance(cells, dict):
            raise BadInputError(
                f"Line {line_number} of '{path}' is not an object like {{\"portrait\": ...}}."
            )
        _check_columns(path, list(cells), needed=False)
        table.append(cells)
    if table and not any(all(name in cells for name in NEEDED) for cells in table):
        _check_columns(path, [name for cells in table for name in cells])
    return table


def _check_columns(path: Path, names: list[str], needed: bool = True) -> None:
    for name in names:
        if name == _DEVICE:
            raise BadInputError(f"'{path}' sets a device, but a batch has one engine; use --device.")
        if name not in ALLOWED:
            hint = nearest(name, ALLOWED) or f"; there are {', '.join(ALLOWED)}."
            raise BadInputError(f"'{path}' has an unknown column '{name}'{hint}")
    if needed:
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise BadInputError(
                f"'{path}' has no column {' and no column '.join(missing)}; "
                f"needed are {' and '.join(NEEDED)}."
            )
        repeated = (
            {name for name in names if names.count(name) > 1} if path.suffix.lower() != ".jsonl" else ()
        )
        if repeated:
            raise BadInputError(f"'{path}' has the column {sorted(repeated)[0]} twice.")
