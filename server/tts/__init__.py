"""Voices: text in, sound out, behind one small protocol."""

from server.tts.base import Voice, VoiceEngine, Voices

__all__ = ["Voice", "VoiceEngine", "Voices"]
