"""Identity and motion -> pictures."""

from sonic_stream.picture.painter import Painter
from sonic_stream.picture.warm import warm_up

__all__ = ["Painter", "warm_up"]
