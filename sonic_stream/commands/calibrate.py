"""`sonic-stream calibrate`: how far lips and sound of a video are apart, and putting it right."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sonic_stream.commands.common import stop_cleanly
from sonic_stream.errors import BadInputError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts

_BY_MS_MAX: Final = 5000.0
_SECONDS_MAX: Final = 86_400.0


def add(commands: argparse._SubParsersAction[Any]) -> None:
    calibrate = commands.add_parser(
        "calibrate",
        help="measure how far lips and sound of a video are apart, and mend it",
        description="Tracks the lips in VIDEO, compares them with what its sound asks for, and prints the "
        "offset. With -o the sound is moved in time by up to 50 ms; pictures and samples stay as they are. "
        "With --motion the stored mouth movement is moved instead, for `render --motion`.",
        allow_abbrev=False,
    )
    calibrate.add_argument("video", metavar="VIDEO", help="any video of a talking head, with its sound")
    calibrate.add_argument(
        "-o", "--output", metavar="OUT", help="the mended video (.mp4, .mov, .mkv, .webm) or motion (.npz)"
    )
    calibrate.add_argument("--motion", metavar="IN.npz", help="the motion that VIDEO was rendered from")
    calibrate.add_argument(
        "--by-ms", metavar="MS", help="mend by this much, whatever is measured; positive: the lips are late"
    )
    calibrate.add_argument("--seconds", metavar="S", help="look at this much of the video (120)")
    calibrate.add_argument("--quiet", action="store_true", help="no progress")
    calibrate.set_defaults(run=run)


def run(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.offline.calibrate import USUAL_LIMIT_S, Mended, calibrate
    from sonic_stream.offline.progress import Bar

    by_ms = _number("by-ms", options.by_ms, -_BY_MS_MAX, _BY_MS_MAX)
    seconds = _number("seconds", options.seconds, 1.0, _SECONDS_MAX)
    if options.output is None and (by_ms is not None or options.motion is not None):
        raise BadInputError("--by-ms and --motion mend something; say with -o where it should go.")
    by_s = None if by_ms is None else by_ms / 1000
    limit_s = USUAL_LIMIT_S if seconds is None else seconds
    with stop_cleanly(), Bar(options.quiet) as bar:
        if options.motion is not None:
            sentences = _mend_motion(options, by_s, limit_s, bar.update, parts)
        else:
            found = calibrate(
                options.video, options.output, by_s=by_s, limit_s=limit_s, progress=bar.update, parts=parts
            )
            if isinstance(found, Mended):
                moved_ms = (found.before.offset_s if by_s is None else by_s) * 1000
                sentences = [
                    found.before.sentence(),
                    f"{found.path}: sound moved by {moved_ms:+.0f} ms. {found.after.sentence()}",
                ]
            else:
                sentences = [found.sentence()]
    for sentence in sentences:
        print(sentence)
    return 0


def _mend_motion(
    options: argparse.Namespace, by_s: float | None, limit_s: float, progress: Any, parts: Parts | None
) -> list[str]:
    from sonic_stream.errors import SonicError
    from sonic_stream.media.video import check_output
    from sonic_stream.offline.calibrate import Calibration, calibrate, moved
    from sonic_stream.offline.motion_file import SUFFIXES, read_motion, write_motion

    out = check_output(options.output, SUFFIXES)
    motion = read_motion(options.motion)
    found = calibrate(options.video, limit_s=limit_s, progress=progress, parts=parts)
    assert isinstance(found, Calibration)
    if by_s is None and not found.mendable:
        raise SonicError(f"{found.sentence()} Nothing was written; say by how much to move it (--by-ms).")
    late_s = found.offset_s if by_s is None else by_s
    write_motion(Path(out), moved(motion, -late_s))
    return [
        found.sentence(),
        f"{out}: mouth moved by {-late_s * 1000:+.0f} ms; render it again with --motion {out}.",
    ]


def _number(name: str, text: str | None, low: float, high: float) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadInputError(f"{name} is {text!r}, but has to be a number from {low:g} to {high:g}.")
    return value
