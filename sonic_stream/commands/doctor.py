"""`sonic-stream doctor`: what is installed, what works, what is missing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sonic_stream.errors import SonicError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts


def add(commands: argparse._SubParsersAction[Any]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="say what is installed, what works and what is missing",
        description="Tries each part, prints a table, and says how to get what is missing; the exit code is 2"
        " where something that is needed does not work.",
        allow_abbrev=False,
    )
    doctor.set_defaults(run=run)


def run(_: argparse.Namespace, __: Parts | None) -> int:
    from sonic_stream.doctor import examine, report

    findings = examine()
    print(report(findings))
    return 0 if all(f.fine for f in findings if f.core) else SonicError.exit_code
