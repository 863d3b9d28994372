"""Sonic Stream inside other programs."""
