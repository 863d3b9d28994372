"""Tables of measurements: printed, and written into a page of the documentation between two marks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "latency.md"


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """A Markdown table: `columns` maps a row's keys to titles; None is shown as a dash."""
    lines = [
        "| " + " | ".join(columns.values()) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in rows:
        cells = ["-" if row.get(key) is None else str(row[key]) for key in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Puts `text` between `<!-- NAME -->` and `<!-- end NAME -->` of the page."""
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page} has no place for '{name}' ({begin} ... {end}).")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def load() -> float:
    """Of the machine, last minute: figures taken beside other work are pessimistic."""
    return round(os.getloadavg()[0], 1)
