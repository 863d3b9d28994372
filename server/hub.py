"""What the routes share: one object that owns the engine's bridge, the portraits, voices and sessions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.requests import HTTPConnection

from server.backdrop import Backdrops
from server.bridge import EngineBridge
from server.ears import Hearing
from server.live import LiveFace, open_face
from server.metrics import Metrics
from server.portraits import BUNDLED, IdentityFactory, Portraits
from server.registry import Registry
from server.schemas import Offer
from server.services import Chat, Transcription
from server.settings import ServerSettings
from server.tts.base import Voices
from server.wishes import Surroundings, Wishes
from sonic_stream.config import CONTROL_NAMES, check_value, map_steps
from sonic_stream.engine.base import Engine
from sonic_stream.errors import BadInputError
from sonic_stream.types import Controls


def changed(controls: Controls, values: Mapping[str, Any]) -> Controls:
    """`controls` with `values` in their place. Errors: `BadInputError` naming the valid range."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in CONTROL_NAMES:
            raise BadInputError(f"There is no control '{name[:40]}'; there are {', '.join(CONTROL_NAMES)}.")
        checked[name] = check_value(name, value)
    if "inference_steps" in checked:
        checked["inference_steps"], _ = map_steps(checked["inference_steps"])
    return replace(controls, **checked)


class Hub:
    """Built once per application, on its event loop."""

    def __init__(
        self,
        settings: ServerSettings,
        engine_factory: Callable[[], Engine],
        identity_factory: IdentityFactory,
        voices: Voices,
    ) -> None:
        self.settings = settings
        self.voices = voices
        self.registry = Registry(settings.capacity)
        self.bridge = EngineBridge(engine_factory)
        self.portraits = Portraits(
            identity_factory,
            settings.portrait_settings,
            settings.portraits_dir or BUNDLED,
            settings.portrait,
            settings.uploads_kept,
        )
        self.backdrops = Backdrops()
        self.metrics = Metrics(self.registry)
        self.hearing = Hearing(settings.capacity)
        services = settings.services
        self.chat = Chat(services.chat) if services.chat else None
        self.transcription = Transcription(services.asr) if services.asr else None
        self._around = Surroundings(
            self.bridge,
            settings,
            voices,
            self.hearing,
            self.chat,
            self.transcription,
            self.metrics.observe,
        )
        self.started_s = time.monotonic()

    async def start_session(self, offer: Offer) -> tuple[LiveFace, str]:
        """A face on the air and the SDP answer. Errors: `SonicError`."""
        controls = changed(self.settings.controls, offer.controls)
        portrait = self.portraits.find(offer.portrait)
        wishes = Wishes(offer.mode, controls, offer.voice_interrupt, self.voices.fitting(portrait.voice))

        async def make(on_closed: Callable[[LiveFace], None]) -> tuple[LiveFace, str]:
            identity = await self.portraits.identity(portrait)
            identity = self.backdrops.place(identity, offer.backdrop)
            face = await open_face(self._around, identity, wishes, on_closed)
            try:
                return face, await face.begin(offer.sdp)
            except BaseException:
                await face.close()
                raise

        return await self.registry.admit(make)

    async def close(self) -> None:
        await self.registry.close()
        await self.hearing.close()
        for service in (self.chat, self.transcription):
            if service is not None:
                await service.close()
        await self.voices.close()
        await self.portraits.close()
        await self.bridge.stop()


def hub_of(connection: HTTPConnection) -> Hub:
    hub = connection.app.state.hub
    assert isinstance(hub, Hub)
    return hub


def request_hub(request: Request) -> Hub:
    """The hub as a dependency of HTTP routes."""
    return hub_of(request)
