"""`sonic-stream render`: a portrait and a sound file become a video."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import (
    add_common,
    add_cut,
    add_duration,
    add_gains,
    note,
    say,
    settings_of,
    stop_cleanly,
)

if TYPE_CHECKING:
    from sonic_stream.offline import Parts
    from sonic_stream.offline.upload import Destination


def add(commands: argparse._SubParsersAction[Any]) -> None:
    render = commands.add_parser(
        "render",
        help="a portrait and a sound file become a video",
        description="Writes a video in which PORTRAIT speaks AUDIO, with the sound as it is.",
        allow_abbrev=False,
    )
    render.add_argument(
        "portrait", metavar="PORTRAIT", help="PNG, JPEG, WebP, AVIF or HEIC, or a bundled name"
    )
    render.add_argument(
        "audio", metavar="AUDIO", help="wav, mp3, flac, m4a, ogg, opus, a video's sound, or a bundled name"
    )
    render.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .mp4 or .webm file, or FOLDER/ for PNG pictures",
    )
    add_duration(render)
    add_cut(render)
    render.add_argument(
        "--keep-resolution",
        action="store_const",
        const=True,
        help="lay the talking square back into the whole portrait, at its own size",
    )
    render.add_argument("--fps", metavar="N", help="pictures a second: 24, 25, 30, 50 or 60 (25)")
    render.add_argument(
        "--crf", metavar="N", help="quality, 1 is best: to 51 for mp4 (18), to 63 for WebM (24)"
    )
    render.add_argument("--upload", metavar="URL", help="send the finished file there; it is kept here, too")
    render.add_argument("--upload-method", default="PUT", metavar="M", help="PUT or POST (PUT)")
    render.add_argument(
        "--upload-header", action="append", default=[], metavar="'NAME: VALUE'", help="may be given again"
    )
    add_gains(render)
    render.add_argument("--motion", metavar="IN.npz", help="play this stored motion instead of the sound's")
    render.add_argument("--write-motion", metavar="OUT.npz", help="store the motion that is shown")
    add_common(render)
    render.set_defaults(run=run)


def run(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.offline.job import parse_duration
    from sonic_stream.offline.parts import Parts
    from sonic_stream.offline.progress import Bar
    from sonic_stream.offline.rendering import render_file
    from sonic_stream.offline.upload import upload

    to = _destination(options)
    with stop_cleanly(), Bar(options.quiet) as bar:
        report = render_file(
            options.portrait,
            options.audio,
            options.output,
            settings_of(options),
            parse_duration(options.duration),
            options.motion,
            options.write_motion,
            note,
            bar.update,
            parts or Parts(),
            None if options.quiet else say,
        )
    if not options.quiet:
        print(
            f"{report.path}: {report.pictures} pictures, {report.duration_s:.2f} s, made in "
            f"{report.wall_s:.1f} s (drawn at {report.realtime_factor:.2f} x real time).",
            file=sys.stderr,
        )
    if to:
        with stop_cleanly(), Bar(options.quiet, "B") as bar:
            upload(report.path, to, bar.update, note)
        if not options.quiet:
            say(f"{report.path}: uploaded to {to.shown}.")
    return 0


def _destination(options: argparse.Namespace) -> Destination | None:
    """Where the file is sent, checked before the work. Errors: `BadInputError`."""
    from sonic_stream.offline.upload import destination

    if options.upload is None:
        return None
    return destination(options.upload, options.upload_method, options.upload_header, options.output)
