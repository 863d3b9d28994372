"""`sonic-stream serve`: the live page."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonic_stream.commands.common import add_cut, add_files, add_gains, note, settings_of
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
    serve.add_argument("--sessions", default="1", metavar="N", help="faces at once, 1 to 64 (%(default)s)")
    add_cut(serve)
    add_gains(serve)
    add_files(serve)
    _add_services(serve)
    serve.set_defaults(run=run)


def _add_services(serve: argparse.ArgumentParser) -> None:
    """Other programs; each flag has a variable too, `SONIC_STREAM_TTS_URL` and so on."""
    group = serve.add_argument_group(
        "voices, answers and the network",
        "Services with OpenAI's interface. Their keys come from the environment alone: SONIC_STREAM_TTS_KEY,"
        " SONIC_STREAM_CHAT_KEY, SONIC_STREAM_ASR_KEY, or OPENAI_API_KEY for all. Every flag has a variable,"
        " SONIC_STREAM_TTS_URL and so on.",
    )
    group.add_argument("--tts-url", metavar="URL", help="speaks texts: a service with /v1/audio/speech")
    group.add_argument("--tts-model", metavar="NAME", help="its model")
    group.add_argument(
        "--tts-voice", metavar="NAME", action="append", help="a voice of it; may be given several times"
    )
    group.add_argument("--tts-command", metavar="CMD", help="speaks texts: reads text and writes PCM or WAV")
    group.add_argument("--tts-rate", metavar="HZ", help="of the PCM (service 24000, command 22050)")
    group.add_argument(
        "--edge-voice", metavar="NAME", action="append", help="a voice of Microsoft Edge (extra 'edge')"
    )
    group.add_argument("--chat-url", metavar="URL", help="answers: a service with /v1/chat/completions")
    group.add_argument("--chat-model", metavar="NAME", help="its model")
    group.add_argument("--chat-prompt", metavar="TEXT", help="who the face is and how it talks")
    group.add_argument(
        "--asr-url", metavar="URL", help="understands the user: a service with /v1/audio/transcriptions"
    )
    group.add_argument("--asr-model", metavar="NAME", help="its model")
    group.add_argument(
        "--ice-server",
        metavar="ADDRESS",
        action="append",
        help="stun:host:port or turn:user:password@host:port; may be given several times",
    )


def run(options: argparse.Namespace, _: Parts | None) -> int:
    from sonic_stream.media.image import load_image
    from sonic_stream.offline.bundled import portrait_path

    if not options.port.isdecimal() or not 0 < int(options.port) < 65536:
        raise BadInputError(f"port is {options.port!r}, but has to be a whole number from 1 to 65535.")
    if not options.sessions.isdecimal() or not 0 < int(options.sessions) <= 64:
        raise BadInputError(f"sessions is {options.sessions!r}, but has to be a whole number from 1 to 64.")
    settings = settings_of(options)
    portrait = Path(portrait_path(options.portrait)) if options.portrait else None
    if portrait is not None:
        load_image(portrait)  # refused here, before a server has begun to start
    try:
        # By name, because the library does not know the server that is built on it.
        server = importlib.import_module("server.run")
        others = importlib.import_module("server.options")
    except ModuleNotFoundError as error:
        raise MissingPieceError(
            f"The server cannot start without the package '{error.name}'; install sonic-stream again."
        ) from None
    for sentence in settings.notes:
        note(sentence)
    flags = vars(options)
    server.serve(
        server.ServerSettings(
            host=options.host,
            port=int(options.port),
            portrait=portrait,
            device=settings.device,
            controls=settings.controls,
            portrait_settings=settings.portrait,
            capacity=int(options.sessions),
            services=others.services(flags, os.environ),
            ice_servers=tuple(others.ice_servers(flags, os.environ)),
            ssl_certfile=options.ssl_certfile,
            ssl_keyfile=options.ssl_keyfile,
        )
    )
    return 0
