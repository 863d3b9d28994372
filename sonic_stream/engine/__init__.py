"""Where the models meet: the only way pictures are made, live and offline alike."""

from sonic_stream.engine.base import Engine, HopInput, HopResult
from sonic_stream.engine.fake import FakeEngine

__all__ = ["Engine", "FakeEngine", "HopInput", "HopResult"]
