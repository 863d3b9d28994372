"""What a user may set, where it comes from, and what is valid: default < file < environment < flag.

The one table `OPTIONS` names every setting with its range; command line, configuration file (TOML),
environment (`SONIC_STREAM_<NAME>`) and server all check through it.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

from sonic_stream.errors import BadInputError
from sonic_stream.types import Controls, PortraitSettings

RESOLUTIONS: Final = (384, 512, 768, 1024)
DEVICES: Final = ("auto", "cpu", "cuda")
MAX_STEPS: Final = 8
OLD_STEPS_MAX: Final = 100
OLD_STEPS_USUAL: Final = 25
OUR_STEPS_USUAL: Final = 4
ENV_PREFIX: Final = "SONIC_STREAM_"
CONFIG_ENV: Final = ENV_PREFIX + "CONFIG"
_MAX_SEED: Final = 2**31 - 1


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
        if self.choices:
            return "one of " + ", ".join(str(c) for c in self.choices)
        noun = "a whole number" if self.kind is int else "a number"
        return f"{noun} from {self.low:.10g} to {self.high:.10g}"


OPTIONS: Final[Mapping[str, Option]] = {
    "dynamic_scale": Option(float, Controls().dynamic_scale, 0, 2),
    "motion_scale": Option(float, Controls().motion_scale, 0, 2),
    "inference_steps": Option(int, Controls().inference_steps, 1, MAX_STEPS),
    "seed": Option(int, Controls().seed, 0, _MAX_SEED),
    "expand_ratio": Option(float, PortraitSettings().expand_ratio, 0, 1),
    "min_resolution": Option(int, PortraitSettings().min_resolution, choices=RESOLUTIONS),
    "device": Option(str, "auto", choices=DEVICES),
}


class SettingWords(TypedDict, total=False):
    """The settings as keywords of the Python API; ranges as in `OPTIONS`."""

    dynamic_scale: float
    motion_scale: float
    inference_steps: int
    seed: int
    expand_ratio: float
    min_resolution: int
    device: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings, and one sentence for each that was changed or deserves advice."""

    controls: Controls
    portrait: PortraitSettings
    device: str
    notes: tuple[str, ...]


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
    """The settings that `values` (names of `OPTIONS`, missing ones at their default) make."""
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
    controls = Controls(
        **{k: chosen[k] for k in ("dynamic_scale", "motion_scale", "inference_steps", "seed")}
    )
    portrait = PortraitSettings(ratio, chosen["min_resolution"])
    return Settings(controls, portrait, chosen["device"], tuple(notes))


def load(flags: Mapping[str, Any], file: str | Path | None, environment: Mapping[str, str]) -> Settings:
    """Settings from all four sources, the later over the earlier: default, file, environment, flag.

    `flags` holds only what was given. The file is `file` or what SONIC_STREAM_CONFIG names; none is
    needed. Errors: `BadInputError` naming the source of a wrong value.
    """
    values: dict[str, Any] = {}
    file = file or environment.get(CONFIG_ENV)
    if file:
        values |= _from_file(Path(file))
    for name in OPTIONS:
        variable = ENV_PREFIX + name.upper()
        if variable in environment:
            values[name] = check_value(name, environment[variable], f"from {variable}")
    known = [ENV_PREFIX + name.upper() for name in OPTIONS]
    for variable in environment:
        # Other parts may have variables of their own, so only what looks like a slip is refused.
        if variable.startswith(ENV_PREFIX) and variable not in (*known, CONFIG_ENV):
            slip = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if slip:
                raise BadInputError(f"There is no variable {variable}; did you mean {slip[0]}?")
    for name, value in flags.items():
        values[name] = check_value(name, value, f"from --{name.replace('_', '-')}")
    return settle(values)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise BadInputError(f"The configuration '{path}' cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"The configuration '{path}' is not valid TOML: {error}.") from None
    return {name: check_value(name, value, f"from {path}") for name, value in table.items()}
