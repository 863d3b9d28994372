"""A portrait and a sound file become an mp4, through the same engine as live."""

from sonic_stream.offline.parts import Parts
from sonic_stream.offline.rendering import RenderReport, pictures, render

__all__ = ["Parts", "RenderReport", "pictures", "render"]
