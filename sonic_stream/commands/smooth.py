"""`sonic-stream smooth`: a finished video steadied, and with more pictures a second if asked."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import stop_cleanly
from sonic_stream.errors import BadInputError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts


def add(commands: argparse._SubParsersAction[Any]) -> None:
    smooth = commands.add_parser(
        "smooth",
        help="take trembling and flicker out of a video, and give it more pictures a second",
        description="Writes VIDEO steadied, with its sound copied as it is. For own renders `render "
        "--fps 50` is the better way to more pictures a second.",
        allow_abbrev=False,
    )
    smooth.add_argument("video", metavar="VIDEO", help="any video of a talking head")
    smooth.add_argument("-o", "--output", required=True, metavar="OUT", help="an .mp4, .mov or .mkv to write")
    smooth.add_argument("--fps", metavar="N", help="pictures a second, 1 to 240 (as in VIDEO)")
    smooth.add_argument(
        "--measure", action="store_true", help="track the face again and tell how much trembling is left"
    )
    smooth.add_argument("--quiet", action="store_true", help="no progress and no summary")
    smooth.set_defaults(run=run)


def run(options: argparse.Namespace, _: Parts | None) -> int:
    from sonic_stream.offline.progress import Bar
    from sonic_stream.offline.smooth import smooth

    fps = None
    if options.fps is not None:
        try:
            fps = float(options.fps)
        except ValueError:
            fps = math.nan
        if not math.isfinite(fps):
            raise BadInputError(f"fps is {options.fps!r}, but has to be a number from 1 to 240.")
    with stop_cleanly(), Bar(options.quiet) as bar:
        report = smooth(options.video, options.output, fps=fps, measure=options.measure, progress=bar.update)
    if not options.quiet:
        print(f"{report.path}: {report.pictures_before} pictures became {report.pictures}.")
    if options.measure:
        if report.jitter_ratio is None:
            print("There is no still stretch long enough to measure trembling in.")
        else:
            print(f"Trembling in still stretches: {report.jitter_ratio:.2f} of what it was.")
    return 0
