"""Presets: named sets of settings as small TOML files, the package's own and the user's.

A preset holds settings by their names and a `description`. The user's lie in `user_folder()`, one file
`NAME.toml` each, and go before bundled ones of the same name. Nothing is checked here: `config` does that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sonic_stream.errors import BadInputError

BUNDLED: Final = Path(__file__).parent / "assets" / "presets"
SUFFIX: Final = ".toml"
DESCRIPTION: Final = "description"


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset: its settings as they stand in the file."""

    name: str
    path: Path
    description: str
    values: dict[str, Any]


def user_folder() -> Path:
    """Where this user's own presets lie; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_config_dir("sonic-stream")) / "presets"


def files(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """All presets by name; those of an earlier folder win. By default the user's, then the package's."""
    found: dict[str, Path] = {}
    for folder in folders if folders is not None else (user_folder(), BUNDLED):
        if folder.is_dir():
            for path in sorted(folder.glob(f"*{SUFFIX}")):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The table in the TOML file at `path`. Errors: `BadInputError` that calls the file `what`."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BadInputError(f"The {what} '{path}' cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"The {what} '{path}' is not valid TOML: {error}.") from None


def read_preset(path: Path) -> Preset:
    """The preset in the file at `path`. Errors: `BadInputError` when it is no TOML file."""
    values = read_toml(path, "preset")
    description = str(values.pop(DESCRIPTION, ""))
    return Preset(path.stem, path, description, values)


def find(name: str | Path, folders: Iterable[Path] | None = None) -> Preset | None:
    """The preset called `name`, or in the file at the path `name` (which ends in .toml); None if unknown."""
    text = str(name)
    if text.endswith(SUFFIX):
        return read_preset(Path(text))
    path = files(folders).get(text)
    return read_preset(path) if path else None
