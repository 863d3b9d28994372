"""Portrait -> Identity: find the face, fit the head, cut the crop, mask it, and say what is wrong with it."""

from sonic_stream.face.cache import IdentityCache
from sonic_stream.face.portrait import identify, warm_up

__all__ = ["IdentityCache", "identify", "warm_up"]
