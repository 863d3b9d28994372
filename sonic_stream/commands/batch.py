"""`sonic-stream batch`: a list of portraits and voices becomes a folder of videos."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from sonic_stream import config
from sonic_stream.commands.common import add_common, add_cut, add_gains, note, stop_cleanly
from sonic_stream.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sonic_stream.offline import Parts

SOME_FAILED: Final = 1


def add(commands: argparse._SubParsersAction[Any]) -> None:
    batch = commands.add_parser(
        "batch",
        help="a list of portraits and voices becomes a folder of videos",
        description="Renders every row of JOBS (columns portrait and audio; also output, duration, preset "
        "and any setting) into DIR, with a manifest. Settings given here hold for rows without their own.",
        allow_abbrev=False,
    )
    batch.add_argument("list", metavar="JOBS", help="a .csv, .tsv or .jsonl file")
    batch.add_argument("--out", required=True, metavar="DIR", help="the folder to write into")
    batch.add_argument("--jobs", metavar="N", default="2", help="rows rendered at the same time, 1 to 64 (2)")
    batch.add_argument("--resume", action="store_true", help="go on with the batch in DIR; done rows stay")
    batch.add_argument(
        "--strict", action="store_true", help="do not start while any row is known to be unusable"
    )
    add_cut(batch)
    add_gains(batch)
    add_common(batch)
    batch.set_defaults(run=run)


def run(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.commands.batch_progress import Lines
    from sonic_stream.offline.batch import MAX_JOBS, check_folder, run_batch
    from sonic_stream.offline.batch_jobs import read_jobs

    if not options.jobs.isdecimal() or not 1 <= int(options.jobs) <= MAX_JOBS:
        raise BadInputError(f"jobs is {options.jobs!r}, but has to be a whole number from 1 to {MAX_JOBS}.")
    names = (config.PRESET, *config.OPTIONS)
    flags = {name: value for name in names if (value := getattr(options, name, None)) is not None}

    def settings_of(row: Mapping[str, Any]) -> config.Settings:
        return config.load({**flags, **row}, options.config, os.environ)

    device = settings_of({}).device
    rows = read_jobs(options.list, settings_of)
    bad = [row for row in rows if row.problem]
    for row in bad:
        note(f"row {row.number}: {row.problem}")
    if bad and (options.strict or len(bad) == len(rows)):
        raise BadInputError(f"{len(bad)} of {len(rows)} rows cannot be used; nothing was started.")
    folder = check_folder(options.out, options.resume)
    with stop_cleanly(), Lines(len(rows), options.quiet) as lines:
        report = run_batch(
            rows, folder, jobs=int(options.jobs), device=device, on_event=lines.event, parts=parts
        )
    if not options.quiet:
        kept = f", {report.kept} were done before" if report.kept else ""
        print(
            f"{folder}: {report.done} of {len(rows)} rows made{kept}, {report.failed} failed; "
            f"{report.pictures} pictures in {report.wall_s:.1f} s.",
            file=sys.stderr,
        )
    return SOME_FAILED if report.failed else 0
