"""Voice -> motion: what the face does while somebody speaks, and while nobody does."""

from sonic_stream.motion.animator import Animator

__all__ = ["Animator"]
