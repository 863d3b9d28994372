"""What several commands share: groups of flags, settings from all their sources, notes, a clean stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from sonic_stream import config, presets
from sonic_stream.types import MOODS

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_duration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration",
        default="auto",
        metavar="auto|SECONDS",
        help="auto: as long as the sound; shorter cuts both, longer idles on",
    )


def add_cut(parser: argparse.ArgumentParser) -> None:
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


def add_gains(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dynamic-scale", metavar="X", help="gain of the mouth, 0 to 2 (1.0)")
    parser.add_argument("--motion-scale", metavar="X", help="gain of head, eyes and brows, 0 to 2 (1.0)")
    parser.add_argument("--mood", metavar="M", help=f"{', '.join(MOODS)} (neutral)")
    parser.add_argument("--mood-amount", metavar="X", help="how much of the mood is shown, 0 to 1 (1.0)")
    parser.add_argument("--seed", metavar="N", help="makes head, gaze and blinks repeatable (0)")


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        metavar="NAME|FILE",
        help=f"settings to begin with: {', '.join(presets.files())}, or a .toml file",
    )
    parser.add_argument("--config", metavar="FILE.toml", help="settings to begin with")


def add_common(parser: argparse.ArgumentParser) -> None:
    add_files(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")


def settings_of(options: argparse.Namespace) -> config.Settings:
    given = {name: getattr(options, name, None) for name in (config.PRESET, *config.OPTIONS)}
    flags = {name: value for name, value in given.items() if value is not None}
    return config.load(flags, options.config, os.environ)


def note(sentence: str) -> None:
    print(f"note: {sentence}", file=sys.stderr)


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


@contextmanager
def stop_cleanly() -> Iterator[None]:
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
