"""What a user may set, where it comes from, and what is valid: default < file < environment < flag.

The one table `OPTIONS` names every setting with its range; command line, configuration file (TOML),
environment (`SONIC_STREAM_<NAME>`) and server all check through it. A preset counts as if its settings stood
where it is named; a setting named beside it wins over the preset's.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypedDict

from sonic_stream import presets
from sonic_stream.errors import BadInputError
from sonic_stream.types import MOODS, Controls, PortraitSettings

RESOLUTIONS: Final = (384, 512, 768, 1024)
DEVICES: Final = ("auto", "cpu", "cuda")
RATES: Final = (24, 25, 30, 50, 60)
"""Pictures a second that a file may have; the motion itself has 25, others are read off its curves."""
MAX_CRF: Final = 63
MAX_STEPS: Final = 8
OLD_STEPS_MAX: Final = 100
OLD_STEPS_USUAL: Final = 25
OUR_STEPS_USUAL: Final = 4
ENV_PREFIX: Final = "SONIC_STREAM_"
CONFIG_ENV: Final = ENV_PREFIX + "CONFIG"
PRESET: Final = "preset"
_MAX_SEED: Final = 2**31 - 1
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_USUAL_GAIN: Final = {"dynamic_scale": 1.3, "motion_scale": 1.5}
"""Gains above which most faces look wrong."""
_USUAL_WORDS: Final = {"dynamic_scale": "1.0 to 1.2", "motion_scale": "1.0 to 1.1"}


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its kind, and the closed range or the choices that are valid."""

    kind: type
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()

    def valid(self) -> str:
        """The valid values in words."""
        if self.kind is bool:
            return "true or false"
        if self.choices:
            return "one of " + ", ".join(str(c) for c in self.choices)
        noun = "a whole number" if self.kind is int else "a number"
        return f"{noun} from {self.low:.10g} to {self.high:.10g}"


OPTIONS: Final[Mapping[str, Option]] = {
    "dynamic_scale": Option(float, Controls().dynamic_scale, 0, 2),
    "motion_scale": Option(float, Controls().motion_scale, 0, 2),
    "inference_steps": Option(int, Controls().inference_steps, 1, MAX_STEPS),
    "seed": Option(int, Controls().seed, 0, _MAX_SEED),
    "mood": Option(str, Controls().mood, choices=MOODS),
    "mood_amount": Option(float, Controls().mood_amount, 0, 1),
    "expand_ratio": Option(float, PortraitSettings().expand_ratio, 0, 1),
    "min_resolution": Option(int, PortraitSettings().min_resolution, choices=RESOLUTIONS),
    "keep_resolution": Option(bool, False),
    "fps": Option(int, 25, choices=RATES),
    "crf": Option(int, None, 1, MAX_CRF),
    "device": Option(str, "auto", choices=DEVICES),
}

CONTROL_NAMES: Final = tuple(field.name for field in fields(Controls) if field.name in OPTIONS)
"""The settings that may change while a session runs."""


class SettingWords(TypedDict, total=False):
    """The settings as keywords of the Python API; ranges as in `OPTIONS`."""

    dynamic_scale: float
    motion_scale: float
    inference_steps: int
    seed: int
    mood: str
    mood_amount: float
    expand_ratio: float
    min_resolution: int
    keep_resolution: bool
    fps: int
    crf: int
    device: str
    preset: str


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How pictures leave: none of it changes what is drawn."""

    keep_resolution: bool = False
    """The talking square laid back into the whole portrait, at the portrait's own size."""
    fps: int = 25
    crf: int | None = None
    """Quality of the encoder, smaller is better; None: the format's own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings, and one sentence for each that was changed or deserves advice."""

    controls: Controls
    portrait: PortraitSettings
    device: str
    notes: tuple[str, ...]
    output: OutputSettings = OutputSettings()


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" when one of `known` is near `name`, else an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""


def check_value(name: str, value: Any, origin: str = "") -> Any:
    """`value` (also as text) as the setting `name` takes it.

    Errors: `BadInputError` that names the valid range, or the nearest setting for an unknown name.
    """
    option = OPTIONS.get(name)
    where = f" ({origin})" if origin else ""
    if option is None:
        hint = nearest(name, OPTIONS) or f"; there are {', '.join(OPTIONS)}."
        raise BadInputError(f"There is no setting '{name}'{where}{hint}")
    wrong = BadInputError(f"{name} is {value!r}{where}, but has to be {option.valid()}.")
    if option.kind is bool:
        word = str(value).lower()
        if word not in _YES + _NO:
            raise wrong
        return word in _YES
    if isinstance(value, bool):
        raise wrong
    try:
        typed = option.kind(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if isinstance(value, float) and typed != value:  # 3.7 steps, or NaN
        raise wrong
    if option.choices:
        if typed not in option.choices:
            raise wrong
        return typed
    high = OLD_STEPS_MAX if name == "inference_steps" else option.high
    assert option.low is not None and high is not None
    if not math.isfinite(typed) or not option.low <= typed <= high:
        raise wrong
    return typed


def map_steps(steps: int) -> tuple[int, str | None]:
    """Decoder steps for `steps`; numbers of the original's recipes (20-30) with a sentence saying so."""
    if steps <= MAX_STEPS:
        return steps, None
    ours = min(MAX_STEPS, max(1, round(steps * OUR_STEPS_USUAL / OLD_STEPS_USUAL)))
    return ours, (
        f"inference_steps {steps} belongs to recipes of the original; this decoder takes 1 to {MAX_STEPS},"
        f" and {ours} are used."
    )


def settle(values: Mapping[str, Any], origin: str = "") -> Settings:
    """The settings that `values` (names of `OPTIONS` or `preset`, missing ones at their default) make."""
    values = _expanded(values, origin)
    chosen = {name: option.default for name, option in OPTIONS.items()}
    chosen |= {name: check_value(name, value, origin) for name, value in values.items()}
    notes = []
    chosen["inference_steps"], note = map_steps(chosen["inference_steps"])
    if note:
        notes.append(note)
    ratio = chosen["expand_ratio"]
    if ratio < 0.1:
        notes.append(f"expand_ratio {ratio:g} may cut the chin and the ears; 0.15 to 0.2 is usual.")
    elif ratio > 0.3:
        notes.append(
            f"expand_ratio {ratio:g} spends most pixels on what is not the face; 0.15 to 0.2 is usual."
        )
    for name, most in _USUAL_GAIN.items():
        if chosen[name] > most:
            notes.append(f"{name} {chosen[name]:g} exaggerates; {_USUAL_WORDS[name]} is usual.")
    controls = Controls(**{name: chosen[name] for name in CONTROL_NAMES})
    portrait = PortraitSettings(ratio, chosen["min_resolution"])
    output = OutputSettings(chosen["keep_resolution"], chosen["fps"], chosen["crf"])
    return Settings(controls, portrait, chosen["device"], tuple(notes), output)


def load(flags: Mapping[str, Any], file: str | Path | None, environment: Mapping[str, str]) -> Settings:
    """Settings from all four sources, the later over the earlier: default, file, environment, flag.

    `flags` holds only what was given. The file is `file` or what SONIC_STREAM_CONFIG names; none is
    needed. Errors: `BadInputError` naming the source of a wrong value.
    """
    values: dict[str, Any] = {}
    file = file or environment.get(CONFIG_ENV)
    if file:
        path = Path(file)
        values |= _checked(presets.read_toml(path, "configuration"), lambda _: f"from {path}")
    known = {name: ENV_PREFIX + name.upper() for name in (PRESET, *OPTIONS)}
    given = {name: environment[variable] for name, variable in known.items() if variable in environment}
    values |= _checked(given, lambda name: f"from {known[name]}")
    for variable in environment:
        # Other parts may have variables of their own, so only what looks like a slip is refused.
        if variable.startswith(ENV_PREFIX) and variable not in (*known.values(), CONFIG_ENV):
            slip = difflib.get_close_matches(variable, known.values(), n=1, cutoff=0.85)
            if slip:
                raise BadInputError(f"There is no variable {variable}; did you mean {slip[0]}?")
    values |= _checked(flags, lambda name: f"from --{name.replace('_', '-')}")
    return settle(values)


def _checked(values: Mapping[str, Any], origin: Callable[[str], str]) -> dict[str, Any]:
    """One source's settings with its preset, if it names one, beneath them."""
    below = _expanded({PRESET: values[PRESET]}, origin(PRESET)) if PRESET in values else {}
    named = {name: check_value(name, value, origin(name)) for name, value in values.items() if name != PRESET}
    return dict(below) | named


def _expanded(values: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    """`values` with the settings of the preset they name in its place, checked; others win over it.

    Errors: `BadInputError` for a preset that is unknown or holds something that is no setting.
    """
    if PRESET not in values:
        return values
    name = values[PRESET]
    preset = presets.find(name)
    where = f" ({origin})" if origin else ""
    if preset is None:
        known = presets.files()
        hint = nearest(str(name), known) or f"; there are {', '.join(known)}, and any path of a .toml file."
        raise BadInputError(f"There is no preset '{name}'{where}{hint}")
    checked = {key: check_value(key, value, f"from {preset.path}") for key, value in preset.values.items()}
    return checked | {key: value for key, value in values.items() if key != PRESET}
