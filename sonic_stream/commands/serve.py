"""`sonic-stream serve`: the live page."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import add_cut, add_gains, note, settings_of
from sonic_stream.errors import BadInputError, MissingPieceError

if TYPE_CHECKING:
    from sonic_stream.offline import Parts


def add(commands: argparse._SubParsersAction[Any]) -> None:
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
    add_cut(serve)
    add_gains(serve)
    serve.add_argument("--config", metavar="FILE.toml", help="settings to begin with")
    serve.set_defaults(run=run)


def run(options: argparse.Namespace, _: Parts | None) -> int:
    from sonic_stream.media.image import load_image
    from sonic_stream.offline.bundled import portrait_path

    if not options.port.isdecimal() or not 0 < int(options.port) < 65536:
        raise BadInputError(f"port is {options.port!r}, but has to be a whole number from 1 to 65535.")
    settings = settings_of(options)
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
        note(sentence)
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
