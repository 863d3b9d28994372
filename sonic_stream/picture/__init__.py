"""Identity and motion -> pictures."""

from sonic_stream.picture.compiled import find_a_place

find_a_place()  # before any function of this package is made ready to be compiled

from sonic_stream.picture.decoder_settle import Settling  # noqa: E402
from sonic_stream.picture.painter import Painter  # noqa: E402
from sonic_stream.picture.warm import warm_up  # noqa: E402

__all__ = ["Painter", "Settling", "warm_up"]
