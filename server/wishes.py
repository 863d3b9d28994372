"""What a session is made of besides itself: what all sessions of a server share, and what somebody wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from server.bridge import EngineBridge
from server.ears import Hearing
from server.services import Chat, Transcription
from server.settings import ServerSettings
from server.speech import Observe
from server.tts.base import Voices
from sonic_stream.types import Controls

Mode = Literal["assistant", "streamer"]
VoiceInterrupt = Literal["off", "stop", "resume"]
"""What the user's voice does to a face that speaks: nothing; stop it; stop it and keep the rest."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a server share."""

    bridge: EngineBridge
    settings: ServerSettings
    voices: Voices
    hearing: Hearing
    chat: Chat | None = None
    transcription: Transcription | None = None
    observe: Observe = lambda stage, seconds: None


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants a session."""

    mode: Mode
    controls: Controls
    voice_interrupt: VoiceInterrupt = "stop"
    voice: str | None = None
    """Speaks texts that name no voice; None: the server's first."""
