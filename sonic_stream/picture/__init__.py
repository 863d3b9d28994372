"""Identity and motion -> pictures."""

from sonic_stream.picture.painter import Painter

__all__ = ["Painter"]
