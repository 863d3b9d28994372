"""The command line: `sonic-stream render | motion | serve | doctor`.

It turns words into checked settings, and errors into one sentence on stderr and an exit code: 0 done,
2 bad use or bad input, 130 interrupted. Heavy parts are imported by the command that needs them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sonic_stream import __version__, config
from sonic_stream.errors import BadInputError, MissingPieceError, SonicError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sonic_stream.offline import Parts

INTERRUPTED: Final = 130
COMMANDS: Final = ("render", "motion", "serve", "doctor")
_EPILOG: Final = """examples:
  sonic-stream render portrait.png voice.wav -o talking.mp4
  sonic-stream render portrait.jpg song.mp3 -o big.mp4 --min-resolution 1024 --dynamic-scale 1.2
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
            hint = config.nearest(given, COMMANDS) or f"; there are {', '.join(COMMANDS)}."
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
    _add_render(commands)
    _add_motion(commands)
    _add_serve(commands)
    doctor = commands.add_parser(
        "doctor", help="say what is installed, what works and what is missing", allow_abbrev=False
    )
    doctor.set_defaults(run=_doctor)
    return parser


def _add_render(commands: argparse._SubParsersAction[Any]) -> None:
    render = commands.add_parser(
        "render",
        help="a portrait and a sound file become an mp4",
        description="Writes an mp4 in which PORTRAIT speaks AUDIO: 25 pictures a second, the sound as it is.",
        allow_abbrev=False,
    )
    render.add_argument("portrait", metavar="PORTRAIT", help="PNG, JPEG or WebP, or a bundled name")
    render.add_argument(
        "audio", metavar="AUDIO", help="wav, mp3, flac, m4a, ogg, opus, a video's sound, or a bundled name"
    )
    render.add_argument("-o", "--output", required=True, metavar="OUT.mp4", help="the file to write")
    _add_duration(render)
    _add_cut(render)
    _add_gains(render)
    render.add_argument("--motion", metavar="IN.npz", help="play this stored motion instead of the sound's")
    render.add_argument("--write-motion", metavar="OUT.npz", help="store the motion that is shown")
    _add_common(render)
    render.set_defaults(run=_render)


def _add_motion(commands: argparse._SubParsersAction[Any]) -> None:
    motion = commands.add_parser(
        "motion",
        help="a sound file becomes motion (.npz), without a portrait",
        description="Writes t, channels, coeffs, aperture and lookahead_s, 25 rows a second.",
        allow_abbrev=False,
    )
    motion.add_argument("audio", metavar="AUDIO", help="a sound file, or a bundled name")
    motion.add_argument("-o", "--output", required=True, metavar="OUT.npz", help="the file to write")
    _add_duration(motion)
    _add_gains(motion)
    _add_common(motion)
    motion.set_defaults(run=_motion)


def _add_serve(commands: argparse._SubParsersAction[Any]) -> None:
    serve = commands.add_parser(
        "serve",
        help="the live page: speak, and the portrait speaks",
        description="Serves the page and the live sessions over WebRTC and WebSocket.",
        allow_abbrev=False,
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", default="8010", help="port to listen on (%(default)s)")
    serve.add_argument("--portrait", metavar="FILE", help="portrait to begin with, or a bundled name")
    serve.add_argument(
        "--ssl-certfile", type=Path, metavar="PEM", help="serve https: other machines' microphones need it"
    )
    serve.add_argument("--ssl-keyfile", type=Path, metavar="PEM", help="key of the certificate")
    _add_cut(serve)
    _add_gains(serve)
    serve.add_argument("--config", metavar="FILE.toml", help="settings to begin with")
    serve.set_defaults(run=_serve)


def _add_duration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration",
        default="auto",
        metavar="auto|SECONDS",
        help="auto: as long as the sound; shorter cuts both, longer idles on",
    )


def _add_cut(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-resolution", metavar="PX", help="side of the square picture: 384, 512, 768 or 1024 (512)"
    )
    parser.add_argument(
        "--expand-ratio", metavar="R", help="margin around the face, 0 to 1; 0.15 to 0.2 is usual (0.2)"
    )
    parser.add_argument(
        "--inference-steps", metavar="N", help="steps of the picture's decoder, 1 to 8; 20-30 are mapped (1)"
    )
    parser.add_argument("--device", metavar="D", help="auto, cpu or cuda (auto)")


def _add_gains(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dynamic-scale", metavar="X", help="gain of the mouth, 0 to 2 (1.0)")
    parser.add_argument("--motion-scale", metavar="X", help="gain of head, eyes and brows, 0 to 2 (1.0)")
    parser.add_argument("--seed", metavar="N", help="makes head, gaze and blinks repeatable (0)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE.toml", help="settings to begin with")
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")


def main(argv: Sequence[str] | None = None, parts: Parts | None = None) -> int:
    """Runs one command and returns its exit code. `parts` replaces the engine and its kin (tests, hosts)."""
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


def _settings(options: argparse.Namespace) -> config.Settings:
    given = {name: getattr(options, name, None) for name in config.OPTIONS}
    flags = {name: value for name, value in given.items() if value is not None}
    return config.load(flags, options.config, os.environ)


def _note(sentence: str) -> None:
    print(f"note: {sentence}", file=sys.stderr)


@contextmanager
def _stop_cleanly() -> Iterator[None]:
    """SIGTERM ends the work as Ctrl-C does: by unwinding, so that nothing half-written stays."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread, where signals do not arrive anyway
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _render(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.offline.job import parse_duration
    from sonic_stream.offline.parts import Parts
    from sonic_stream.offline.progress import Bar
    from sonic_stream.offline.rendering import render_file

    with _stop_cleanly(), Bar(options.quiet) as bar:
        report = render_file(
            options.portrait,
            options.audio,
            options.output,
            _settings(options),
            parse_duration(options.duration),
            options.motion,
            options.write_motion,
            _note,
            bar.update,
            parts or Parts(),
        )
    if not options.quiet:
        print(
            f"{report.path}: {report.pictures} pictures, {report.duration_s:.2f} s, made in "
            f"{report.wall_s:.1f} s (drawn at {report.realtime_factor:.2f} x real time).",
            file=sys.stderr,
        )
    return 0


def _motion(options: argparse.Namespace, parts: Parts | None) -> int:
    from sonic_stream.offline.job import parse_duration
    from sonic_stream.offline.parts import Parts
    from sonic_stream.offline.progress import Bar
    from sonic_stream.offline.voice_motion import voice_motion_file

    with _stop_cleanly(), Bar(options.quiet) as bar:
        motion = voice_motion_file(
            options.audio,
            options.output,
            _settings(options),
            parse_duration(options.duration),
            _note,
            bar.update,
            parts or Parts(),
        )
    if not options.quiet:
        print(f"{options.output}: {len(motion.coeffs)} rows, {motion.duration_s:.2f} s.", file=sys.stderr)
    return 0


def _serve(options: argparse.Namespace, _: Parts | None) -> int:
    from sonic_stream.media.image import load_image
    from sonic_stream.offline.bundled import portrait_path

    if not options.port.isdecimal() or not 0 < int(options.port) < 65536:
        raise BadInputError(f"port is {options.port!r}, but has to be a whole number from 1 to 65535.")
    settings = _settings(options)
    portrait = Path(portrait_path(options.portrait)) if options.portrait else None
    if portrait is not None:
        load_image(portrait)  # refused here, before a server has begun to start
    try:
        # By name, because the library does not know the server that is built on it.
        server = importlib.import_module("server.run")
    except ModuleNotFoundError as error:
        raise MissingPieceError(
            f"The server cannot start without the package '{error.name}'; install sonic-stream again."
        ) from None
    for sentence in settings.notes:
        _note(sentence)
    server.serve(
        server.ServerSettings(
            host=options.host,
            port=int(options.port),
            portrait=portrait,
            device=settings.device,
            controls=settings.controls,
            portrait_settings=settings.portrait,
            ssl_certfile=options.ssl_certfile,
            ssl_keyfile=options.ssl_keyfile,
        )
    )
    return 0


def _doctor(_: argparse.Namespace, __: Parts | None) -> int:
    from sonic_stream.doctor import examine, report

    findings = examine()
    print(report(findings))
    return 0 if all(f.fine for f in findings if f.core) else SonicError.exit_code


if __name__ == "__main__":
    sys.exit(main())
