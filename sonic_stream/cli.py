"""The command line of Sonic Stream: `sonic-stream COMMAND`, each command a module of `sonic_stream.commands`.

It turns words into checked settings, and errors into one sentence on stderr and an exit code: 0 done,
2 bad use or bad input, 130 interrupted. Heavy parts are imported by the command that needs them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from sonic_stream import __version__, config
from sonic_stream.commands import ALL
from sonic_stream.errors import BadInputError, SonicError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts

INTERRUPTED: Final = 130
_EPILOG: Final = """examples:
  sonic-stream render portrait.png voice.wav -o talking.mp4
  sonic-stream render portrait.jpg song.mp3 -o big.mp4 --min-resolution 1024 --dynamic-scale 1.2
  sonic-stream render mira hello -o hello.webm --preset newsreader --fps 50
  sonic-stream inspect portrait.png voice.wav -o sheet.png
  sonic-stream motion voice.wav -o voice.npz
  sonic-stream render portrait.png voice.wav -o same.mp4 --motion voice.npz
  sonic-stream serve --port 8010
  sonic-stream doctor

Settings may also come from a TOML file (--config, or the variable SONIC_STREAM_CONFIG) and from
variables such as SONIC_STREAM_MIN_RESOLUTION; a flag wins over a variable, a variable over the file.
"""


class _Parser(argparse.ArgumentParser):
    """Argparse with one sentence for a mistake, and the nearest option for a misspelt one."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument COMMAND: invalid choice: "):
            given = message.split("'")[1]
            hint = config.nearest(given, ALL) or f"; there are {', '.join(ALL)}."
            raise BadInputError(f"There is no command '{given}'{hint}")
        raise BadInputError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(
        prog="sonic-stream",
        description="One portrait and a voice become a talking picture, live or as an mp4.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sonic-stream {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for command in ALL.values():
        command.add(commands)
    return parser


def program() -> NoReturn:
    """What the shell starts."""
    sys.exit(main(last=True))


def main(argv: Sequence[str] | None = None, parts: Parts | None = None, last: bool = False) -> int:
    """Runs one command and returns its exit code. `parts` replaces the engine and its kin (tests, hosts);
    `last` tells that the process ends with this, so that an impatient second Ctrl-C need not be heeded."""
    parser = build_parser()
    try:
        options, unknown = parser.parse_known_args(argv)
        if unknown:
            raise BadInputError(_unknown(parser, options.command, unknown))
        if options.command is None:
            parser.print_help(sys.stderr)
            return SonicError.exit_code
        run: Callable[[argparse.Namespace, Parts | None], int] = options.run
        return run(options, parts)
    except SonicError as error:
        print(f"sonic-stream: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if last:  # else it would meet an interpreter that is closing down, and leave a traceback
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("sonic-stream: interrupted.", file=sys.stderr)
        return INTERRUPTED


def _unknown(parser: argparse.ArgumentParser, command: str | None, unknown: list[str]) -> str:
    first = unknown[0].split("=")[0]
    if not first.startswith("-"):
        return f"'{first}' is one argument too many; see `sonic-stream {command} --help`."
    known = list(parser._option_string_actions)
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        if isinstance(action, argparse._SubParsersAction) and command in action.choices:
            known = list(action.choices[command]._option_string_actions)
    hint = config.nearest(first, known) or f"; see `sonic-stream {command or ''} --help`."
    return f"There is no option {first}{hint}"


if __name__ == "__main__":
    program()
