"""What one offline job is made of, checked before anything is drawn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from sonic_stream.config import Settings
from sonic_stream.engine import Engine
from sonic_stream.errors import BadInputError
from sonic_stream.media.audio import AudioFile, AudioInfo, open_audio
from sonic_stream.media.image import read_image_bytes
from sonic_stream.offline.bundled import portrait_path, voice_path
from sonic_stream.offline.motion_file import StoredMotion, read_motion
from sonic_stream.offline.parts import Parts
from sonic_stream.timebase import FPS, FRAME_TICKS, Ticks
from sonic_stream.types import Identity

MIN_DURATION_S: Final = 1 / FPS
MAX_DURATION_S: Final = 24 * 3600.0

Note = Callable[[str], None]
"""Takes one sentence of advice for the user."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job ready to run: the portrait made ready, the sound measured, the engine loaded."""

    identity: Identity
    engine: Engine
    sound: AudioFile
    info: AudioInfo
    count: int
    """Pictures."""
    length: Ticks
    """Of the sound in the result."""
    settings: Settings
    motion: StoredMotion | None
    stage_s: dict[str, float] = field(default_factory=dict)
    """Wall seconds spent so far by stage."""


def parse_duration(text: str | float | None) -> float | None:
    """Seconds, or None for "auto". Errors: `BadInputError` naming the valid range."""
    if text is None or text == "auto":
        return None
    try:
        duration_s = float(text)
    except ValueError:
        duration_s = math.nan
    if not MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
        raise BadInputError(
            f"duration is {text!r}, but has to be 'auto' or seconds from {MIN_DURATION_S:g} "
            f"to {MAX_DURATION_S:.0f}."
        )
    return duration_s


def picture_count(info: AudioInfo, duration_s: float | None) -> int:
    """Pictures of a result: round(seconds x 25), at least one."""
    if duration_s is not None:
        return max(round(duration_s * FPS), 1)
    return max(round(Fraction(info.ticks, FRAME_TICKS)), 1)


def prepare(
    portrait: str | Path | bytes,
    audio: str | Path,
    settings: Settings,
    duration_s: float | None,
    motion: str | Path | None,
    parts: Parts,
    note: Note,
) -> Job:
    """Checks and loads everything a job needs, the cheap and likely mistakes first."""
    stage_s: dict[str, float] = {}
    for sentence in settings.notes:
        note(sentence)
    image = portrait if isinstance(portrait, bytes) else read_image_bytes(portrait_path(portrait))
    begin = time.perf_counter()
    sound = open_audio(voice_path(audio))
    stored = read_motion(motion) if motion is not None else None
    info = sound.check(allow_silence=stored is not None)
    for sentence in info.notes:
        note(sentence)
    count = picture_count(info, duration_s)
    if duration_s is not None and abs(count * FRAME_TICKS - info.ticks) > FRAME_TICKS:
        end = "picture and sound end there" if count * FRAME_TICKS < info.ticks else "the face idles on"
        note(
            f"duration {duration_s:g} s is followed although the sound lasts {info.duration_s:.2f} s; {end}."
        )
    if stored is not None and abs(len(stored.coeffs) - count) > 1:
        rest = "its rest is not used" if len(stored.coeffs) > count else "then the face follows the sound"
        note(f"The stored motion lasts {stored.duration_s:.2f} s of {count / FPS:.2f} s; {rest}.")
    stage_s["sound"] = time.perf_counter() - begin
    begin = time.perf_counter()
    identity = parts.identify(image, settings.portrait)
    for sentence in identity.advice:
        note(sentence)
    stage_s["identity"] = time.perf_counter() - begin
    begin = time.perf_counter()
    engine = parts.engine(settings.device)
    stage_s["load"] = time.perf_counter() - begin
    wanted = settings.controls.inference_steps
    if wanted > max(1, engine.steps_available):
        what = f"{engine.steps_available} are used" if engine.steps_available else "it has no effect"
        note(f"inference_steps is {wanted}, but this engine paints {engine.steps_available} steps; {what}.")
    length = info.ticks if duration_s is None else count * FRAME_TICKS
    return Job(identity, engine, sound, info, count, length, settings, stored, stage_s)
