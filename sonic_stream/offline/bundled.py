"""The portraits and voices that come with the package, by name.

A name stands for a bundled file wherever a path is asked for, unless a file of that name exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).parent.parent / "assets"
_PORTRAIT_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
_VOICE_SUFFIXES: Final = (".flac", ".ogg", ".wav")


def portraits() -> dict[str, Path]:
    """Bundled portraits by name, in the order of their names."""
    return _named("portraits", _PORTRAIT_SUFFIXES)


def voices() -> dict[str, Path]:
    """Bundled spoken samples by name, in the order of their names."""
    return _named("voice", _VOICE_SUFFIXES)


def resolve(path: str, bundled: dict[str, Path]) -> str | Path:
    """The bundled file called `path`, if there is one and no file is; else `path` itself."""
    return bundled[path] if path in bundled and not Path(path).exists() else path


def _named(folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    place = ASSETS / folder
    found = sorted(place.iterdir()) if place.is_dir() else []
    return {path.stem: path for path in found if path.suffix.lower() in suffixes}
