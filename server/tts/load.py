"""The voices a server has: those it was told of first, then the built-in one."""

from __future__ import annotations

from server.settings import ServiceSettings
from server.tts.base import VoiceEngine, Voices
from server.tts.edge import EdgeVoice
from server.tts.espeak import EspeakEngine
from server.tts.openai import RATE_HZ, OpenAiVoice
from server.tts.process import PROCESS_RATE_HZ, ProcessVoice
from sonic_stream.errors import MissingPieceError


def load_voices(services: ServiceSettings | None = None) -> Voices:
    """Every voice that is configured or installed; the built-in one may be absent, the reason is kept for
    the page. Errors: `SonicError` for a configured voice that cannot be used."""
    services = services or ServiceSettings()
    engines: list[VoiceEngine] = []
    missing = ""
    if services.tts is not None:
        engines.append(OpenAiVoice(services.tts, services.tts_voices, services.tts_rate_hz or RATE_HZ))
    if services.tts_command:
        engines.append(ProcessVoice(services.tts_command, services.tts_rate_hz or PROCESS_RATE_HZ))
    if services.edge_voices:
        engines.append(EdgeVoice(services.edge_voices))
    try:
        engines.append(EspeakEngine.load())
    except MissingPieceError as error:
        missing = str(error)
    return Voices(engines, missing)
