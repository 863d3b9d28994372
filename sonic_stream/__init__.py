"""Sonic Stream: a portrait and a live voice become a talking picture.

Importing this package loads nothing heavy; each part is imported where it is used.
"""

__version__ = "0.1.0"
