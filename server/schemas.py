"""The bodies of requests: what may be in them and how it is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request was refused."""

    kind: str
    """For programs, such as `bad_input`."""
    message: str
    """One sentence for people."""


class Refusal(BaseModel):
    """The body of every answer that is a refusal."""

    error: Problem


REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": Refusal, "description": "Something in the request cannot be used."},
    "default": {"model": Refusal, "description": "Refused; docs/protocol.md lists the statuses."},
}
"""For the description of the interface, in place of the framework's own shape, which is never sent."""


class Offer(_Strict):
    """A browser wants to see and hear a face."""

    sdp: Annotated[str, Field(min_length=1, max_length=100_000)]
    type: Literal["offer"] = "offer"
    portrait: Annotated[str, Field(max_length=100)] | None = None
    mode: Literal["assistant", "streamer"] = "assistant"
    controls: dict[str, Any] = {}
    voice_interrupt: Literal["off", "stop", "resume"] = "stop"
    """What the user's voice does to a face that speaks (assistant mode)."""
    backdrop: Annotated[str, Field(pattern="^[0-9a-fA-F]{6}$")] | None = None
    """A colour (rrggbb) instead of the portrait's background, for keying."""


class Ask(_Strict):
    """Something for the chat model to answer."""

    text: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(max_length=100)] | None = None
    rate: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0


class Interruption(_Strict):
    resume: bool = False
    """Keep what was not said yet, for `resume`."""


class VoiceInterruptChange(_Strict):
    voice_interrupt: Literal["off", "stop", "resume"]


class Say(_Strict):
    """A text to speak."""

    text: Annotated[str, Field(min_length=1)]
    voice: Annotated[str, Field(max_length=100)] | None = None
    rate: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    interrupt: bool = False
    """Stop what is being said first."""


class ModeChange(_Strict):
    mode: Literal["assistant", "streamer"]
