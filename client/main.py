"""`sonic-stream-client COMMAND`: a talking picture without a browser.

Words become checked options here, and errors one sentence on stderr and an exit code: 0 done, 2 bad use or
bad input, 130 interrupted. Neither torch nor the engine is imported: the face is painted by a server.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NoReturn

from client.server import DEFAULT_ADDRESS
from sonic_stream import __version__, config
from sonic_stream.errors import BadInputError, MissingPieceError, SonicError

INTERRUPTED: Final = 130
_EPILOG: Final = """examples:
  sonic-stream-client speak voice.wav --portrait me.png --out talk.mp4
  sonic-stream-client say "Good morning." --portrait mira --out hello.mp4
  sonic-stream-client live --portrait me.png --camera            your voice, a virtual camera
  sonic-stream-client live --window --speaker                    ... a window and a loudspeaker
  ffmpeg -v 0 -i voice.mp3 -f s16le -ac 1 -ar 24000 - | sonic-stream-client speak - --rate 24000
  sonic-stream-client record session.mp4                         what is on the air now
  sonic-stream-client load --sessions 4 --seconds 30
"""


class _Parser(argparse.ArgumentParser):
    """Argparse with one sentence for a mistake."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def _number(low: float, high: float, kind: type = float) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"'{text}' has to be {noun} from {low:g} to {high:g}")
        return value

    return parse


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(
        prog="sonic-stream-client",
        description="Speaks through a Sonic Stream server and shows, plays or records the talking picture.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sonic-stream-client {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        made.add_argument("--server", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="(%(default)s)")
        made.add_argument("--insecure", action="store_true", help="take any certificate of an https server")
        made.add_argument("--json", action="store_true", help="print what the server tells, a line each")
        return made

    speak = command("speak", "a sound file (or PCM on standard input) through a face")
    speak.add_argument("file", help="any sound file, or - for raw s16le PCM on standard input")
    speak.add_argument(
        "--rate", type=_number(4000, 384_000, int), default=24_000, help="of standard input, Hz"
    )
    speak.add_argument("--channels", type=int, choices=(1, 2), default=1, help="of standard input")
    speak.add_argument("--live", action="store_true", help="as a microphone: kept close to the present")
    _add_face(speak)
    _add_output(speak)

    say = command("say", "a text through a face, by one of the server's voices")
    say.add_argument("text", help="what to say, or - for standard input")
    say.add_argument("--voice", metavar="ID", help="one of the server's voices")
    say.add_argument("--rate", type=_number(0.5, 2), help="pace, 0.5 to 2")
    _add_face(say)
    _add_output(say)

    live = command("live", "your microphone drives a face until Ctrl-C")
    live.add_argument("--microphone", metavar="NAME", help="number or part of the name (see `devices`)")
    _add_face(live)
    _add_output(live)
    _add_seconds(live)

    record = command("record", "records or shows a session that somebody else runs, until Ctrl-C")
    record.add_argument("file", nargs="?", help="an mp4 to write (the same as --out)")
    record.add_argument("--session", metavar="ID", help="which one (default: the one that began last)")
    _add_output(record)
    _add_seconds(record)

    load = command("load", "many visitors at once; prints connect time, pictures, latency, skew, underruns")
    load.add_argument("--sessions", type=_number(1, 200, int), default=1, metavar="N", help="(%(default)s)")
    load.add_argument(
        "--seconds", type=_number(5, 86_400), default=20.0, metavar="S", help="of speech each (%(default)s)"
    )
    load.add_argument("--portrait", metavar="FILE", help="a picture, or a name of the server's")

    devices = command("devices", "lists microphones, loudspeakers and the virtual camera")
    devices.add_argument("--camera", metavar="DEVICE", help="a virtual camera to try")
    command("status", "what the server and its sessions tell of themselves")
    return parser


def _add_face(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--portrait", metavar="FILE", help="a picture, or the name of one of the server's")
    for name in config.CONTROL_NAMES:
        option = config.OPTIONS[name]
        parser.add_argument("--" + name.replace("_", "-"), metavar="X", help=option.valid())


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE.mp4", help="record it")
    parser.add_argument("--window", action="store_true", help="show it (Escape ends)")
    parser.add_argument(
        "--camera", nargs="?", const="", metavar="DEVICE", help="show it to programs that use cameras"
    )
    parser.add_argument("--speaker", nargs="?", const="", metavar="NAME", help="play the sound")


def _add_seconds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=_number(0.5, 86_400), metavar="S", help="end by itself after that")


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    options = build_parser().parse_args(argv)
    given = {name: getattr(options, name, None) for name in config.CONTROL_NAMES}
    options.controls = {
        name: config.check_value(name, value, f"from --{name.replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    }
    if options.command == "record" and options.file:
        options.out = options.out or options.file
    return options


def _run_of(command: str) -> Callable[[argparse.Namespace], Awaitable[None]]:
    try:
        if command == "load":
            from client.load import load

            return load
        from client import commands
    except ModuleNotFoundError as error:
        raise MissingPieceError(
            f"The client needs the package '{error.name}': pip install 'sonic-stream[client]'."
        ) from None
    found: Callable[[argparse.Namespace], Awaitable[None]] = getattr(commands, command)
    return found


async def _run(options: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, task.cancel)  # ends as Ctrl-C does: films are finished
    await _run_of(options.command)(options)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("aioice").setLevel(logging.WARNING)
    try:
        options = _parsed(argv)
        asyncio.run(_run(options))
    except SonicError as error:
        print(f"sonic-stream-client: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("sonic-stream-client: interrupted.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
