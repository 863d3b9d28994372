"""Flags and environment variables of `sonic-stream serve` that concern other programs and the network.

A flag wins over its variable. Keys are read from the environment alone: a flag would show them to everybody
who lists processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from server.endpoints import Endpoint
from server.ice import ice_server
from server.settings import ServiceSettings
from sonic_stream.errors import BadInputError
from sonic_stream.media.resample import check_rate

PREFIX: Final = "SONIC_STREAM_"
COMMON_KEY: Final = "OPENAI_API_KEY"

NAMES: Final = (
    "tts_url",
    "tts_model",
    "tts_voice",
    "tts_command",
    "tts_rate",
    "edge_voice",
    "chat_url",
    "chat_model",
    "chat_prompt",
    "asr_url",
    "asr_model",
    "ice_server",
)
"""The flags with `_` for `-`; their variables are the same in capitals behind `SONIC_STREAM_`."""

LISTS: Final = ("tts_voice", "edge_voice", "ice_server")
"""These may be given several times; in a variable they are separated by spaces or commas."""


def given(flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What was said, by flag or else by variable; lists as tuples."""
    told: dict[str, Any] = {}
    for name in NAMES:
        flag, variable = flags.get(name), environment.get(PREFIX + name.upper(), "")
        if name in LISTS:
            told[name] = (
                tuple(flag) if flag else tuple(re.split(r"[\s,]+", variable.strip()) if variable else ())
            )
        else:
            told[name] = flag if flag is not None else variable
    return told


def services(flags: Mapping[str, Any], environment: Mapping[str, str]) -> ServiceSettings:
    """The services that flags and environment name. Errors: `BadInputError`."""
    told = given(flags, environment)

    def endpoint(kind: str) -> Endpoint | None:
        url, model = told[f"{kind}_url"], told[f"{kind}_model"]
        if not url:
            if model:
                raise BadInputError(f"--{kind}-model needs --{kind}-url: the address of the service.")
            return None
        key = environment.get(f"{PREFIX}{kind.upper()}_KEY") or environment.get(COMMON_KEY, "")
        return Endpoint(url, model, key)

    defaults = ServiceSettings()
    return ServiceSettings(
        tts=endpoint("tts"),
        tts_voices=told["tts_voice"] or defaults.tts_voices,
        tts_command=told["tts_command"],
        tts_rate_hz=_rate(told["tts_rate"]),
        edge_voices=told["edge_voice"],
        chat=endpoint("chat"),
        chat_prompt=told["chat_prompt"] or defaults.chat_prompt,
        asr=endpoint("asr"),
    )


def _rate(text: str) -> int:
    if not text:
        return 0
    if not str(text).isdecimal():
        raise BadInputError(f"tts-rate is {text!r}, but has to be a sample rate in Hz, such as 24000.")
    return check_rate(int(text))


def ice_servers(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Sequence[str]:
    """STUN and TURN servers. Errors: `BadInputError`."""
    named: tuple[str, ...] = given(flags, environment)["ice_server"]
    for address in named:
        ice_server(address)
    return named
