"""The portraits and voices that come with the package, by name.

A name stands for a bundled file wherever a path is asked for, unless a file of that name exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sonic_stream.config import nearest
from sonic_stream.errors import BadInputError
from sonic_stream.media.image import SUFFIXES

ASSETS: Final = Path(__file__).parent.parent / "assets"
_VOICE_SUFFIXES: Final = (".flac", ".ogg", ".wav")


def portraits() -> dict[str, Path]:
    """Bundled portraits by name, in the order of their names."""
    return _named("portraits", SUFFIXES)


def voices() -> dict[str, Path]:
    """Bundled spoken samples by name, in the order of their names."""
    return _named("voice", _VOICE_SUFFIXES)


def portrait_path(path: str | Path) -> str | Path:
    """The bundled portrait called `path` if there is no such file, else `path` itself."""
    return _resolve(path, portraits(), "portrait")


def voice_path(path: str | Path) -> str | Path:
    """The bundled voice called `path` if there is no such file, else `path` itself."""
    return _resolve(path, voices(), "sound file")


def _resolve(path: str | Path, bundled: dict[str, Path], kind: str) -> str | Path:
    name = str(path)
    if "\0" in name or "/" in name or "." in name or Path(name).exists():
        return path
    if name not in bundled:
        hint = nearest(name, bundled).replace("mean ", "mean the bundled ") or (
            f"; bundled ones are {', '.join(bundled)}." if bundled else "."
        )
        raise BadInputError(f"There is no {kind} '{name}'{hint}")
    return bundled[name]


def _named(folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    place = ASSETS / folder
    found = sorted(place.iterdir(), key=lambda path: path.stem) if place.is_dir() else []
    return {path.stem: path for path in found if path.suffix.lower() in suffixes}
