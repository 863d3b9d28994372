"""`sonic-stream motion`: a sound file becomes motion, without a portrait."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import add_common, add_duration, add_gains, note, settings_of, stop_cleanly

if TYPE_CHECKING:
    from sonic_stream.offline import Parts


def add(commands: argparse._SubParsersAction[Any]) -> None:
    motion = commands.add_parser(
        "motion",
        help="a sound file becomes motion (.npz), without a portrait",
        description="Writes t, channels, coeffs, aperture and lookahead_s, 25 rows a second.",
        allow_abbrev=False,
    )
    motion.add_argument("audio", metavar="AUDIO", help="a sound file, or a bundled name")
    motion.add_argument("-o", "--output", required=True, metavar="OUT.npz", help="the file to write")
    add_duration(motion)
    add_gains(motion)
    add_common(motion)
    motion.set_defaults(run=run)


def run(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.offline.job import parse_duration
    from sonic_stream.offline.parts import Parts
    from sonic_stream.offline.progress import Bar
    from sonic_stream.offline.voice_motion import voice_motion_file

    with stop_cleanly(), Bar(options.quiet) as bar:
        motion = voice_motion_file(
            options.audio,
            options.output,
            settings_of(options),
            parse_duration(options.duration),
            note,
            bar.update,
            parts or Parts(),
        )
    if not options.quiet:
        print(f"{options.output}: {len(motion.coeffs)} rows, {motion.duration_s:.2f} s.", file=sys.stderr)
    return 0
