"""What the server can be told: one frozen value, built by the command line or a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from server.endpoints import Endpoint
from sonic_stream.stream.settings import SessionSettings
from sonic_stream.types import Controls, PortraitSettings


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Other programs that give the face a voice, ears and something to say; none unless named."""

    tts: Endpoint | None = None
    """`/v1/audio/speech`."""
    tts_voices: tuple[str, ...] = ("alloy",)
    tts_command: str = ""
    """A program that reads text and writes PCM."""
    tts_rate_hz: int = 0
    """Of the PCM that either sends; 0: 24000 for a service, 22050 for a program."""
    edge_voices: tuple[str, ...] = ()
    chat: Endpoint | None = None
    """`/v1/chat/completions`."""
    chat_prompt: str = (
        "You are a person in a video call. Answer in spoken language, in one to three short sentences,"
        " without lists, emojis or markup."
    )
    asr: Endpoint | None = None
    """`/v1/audio/transcriptions`."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one server process."""

    host: str = "127.0.0.1"
    port: int = 8010
    portrait: Path | None = None
    """An image that is offered first."""
    device: str = "auto"
    capacity: int = 1
    """Sessions at once."""
    controls: Controls = field(default_factory=Controls)
    portrait_settings: PortraitSettings = field(default_factory=PortraitSettings)
    session: SessionSettings = field(default_factory=SessionSettings)
    ice_servers: tuple[str, ...] = ()
    """STUN or TURN addresses, `turn:user:password@host:port` allowed; none are asked unless named."""
    services: ServiceSettings = field(default_factory=ServiceSettings)
    viewers: int = 16
    """Peers that may watch one session beside its own browser."""
    static_dir: Path = Path(__file__).resolve().parent.parent / "static"
    portraits_dir: Path | None = None
    """Bundled portraits; None is the package's own `assets/portraits`."""
    upload_limit_bytes: int = 50 * 1024 * 1024
    body_limit_bytes: int = 256 * 1024
    """For every request that is not a picture."""
    text_limit: int = 5000
    """Characters in one `say`."""
    say_limit: int = 8
    """Texts that may wait to be spoken."""
    uploads_kept: int = 16
    connect_timeout_s: float = 15.0
    """A peer that has not connected by then is gone."""
    heartbeat_timeout_s: float = 6.0
    """A browser that has sent no sign of life for this long is gone."""
    ssl_certfile: Path | None = None
    """With `ssl_keyfile`: serve https; browsers give other machines' pages no microphone without it."""
    ssl_keyfile: Path | None = None
