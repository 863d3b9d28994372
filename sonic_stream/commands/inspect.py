"""`sonic-stream inspect`: what the program sees in a portrait and hears in a sound, and what it advises."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import add_common, add_cut, note, say, settings_of
from sonic_stream.errors import SonicError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts


def add(commands: argparse._SubParsersAction[Any]) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="show what is seen in a portrait and heard in a sound, with advice",
        description="Says what was found and what to do; the exit code is 2 where it cannot be used.",
        allow_abbrev=False,
    )
    inspect.add_argument(
        "portrait", metavar="PORTRAIT", help="PNG, JPEG, WebP, AVIF or HEIC, or a bundled name"
    )
    inspect.add_argument("audio", metavar="AUDIO", nargs="?", help="a sound file, or a bundled name")
    inspect.add_argument("-o", "--output", metavar="SHEET.png", help="draw it all as a picture, too")
    add_cut(inspect)
    add_common(inspect)
    inspect.set_defaults(run=run)


def run(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.media.video import check_output
    from sonic_stream.offline.inspect import inspect
    from sonic_stream.offline.inspect_sheet import SUFFIXES, write_sheet
    from sonic_stream.offline.parts import Parts

    settings = settings_of(options)
    out = check_output(options.output, SUFFIXES) if options.output else None
    for sentence in settings.notes:
        note(sentence)
    identify = (parts or Parts()).identify
    found = inspect(options.portrait, options.audio, settings.portrait, identify)
    print(found.words())
    if out:
        write_sheet(found, out)
        if not options.quiet:
            say(f"{out}: written.")
    return 0 if found.usable else SonicError.exit_code
