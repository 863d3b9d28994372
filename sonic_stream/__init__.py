"""Sonic Stream: a portrait and a live voice become a talking picture.

    from sonic_stream import render
    render("portrait.png", "voice.wav", "out.mp4")

    from sonic_stream import pictures
    for picture in pictures("portrait.png", "voice.wav"):
        show(picture.image)

Importing this package loads nothing heavy; each part is imported where it is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonic_stream.offline import pictures as pictures
    from sonic_stream.offline import render as render

__version__ = "0.1.0"
__all__ = ["__version__", "pictures", "render"]


def __getattr__(name: str) -> object:
    """The names of the library's front door, imported when first asked for (PEP 562)."""
    if name in ("pictures", "render"):
        from sonic_stream import offline

        return getattr(offline, name)
    raise AttributeError(f"module 'sonic_stream' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
