"""What one offline job is made of, checked before anything is drawn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.config import Settings
from sonic_stream.engine import Engine
from sonic_stream.errors import BadInputError
from sonic_stream.face.regions import CHIN, FOREHEAD
from sonic_stream.media.audio import AudioFile, AudioInfo, open_audio
from sonic_stream.media.image import load_image, read_image_bytes
from sonic_stream.media.video import MAX_SIDE_PX
from sonic_stream.offline import half_covered
from sonic_stream.offline.bundled import portrait_path, voice_path
from sonic_stream.offline.estimate import estimate, machine_pace, refuse_if_too_large
from sonic_stream.offline.motion_file import StoredMotion, read_motion
from sonic_stream.offline.parts import Parts
from sonic_stream.offline.whole_picture import WholePicture
from sonic_stream.timebase import FPS, FRAME_TICKS, TICK_RATE, Ticks
from sonic_stream.types import U8, Identity

MIN_DURATION_S: Final = 1 / FPS
MAX_DURATION_S: Final = 24 * 3600.0
_SOFT: Final = 1.3
"""Enlargement of the painted square from which its softness shows beside the portrait's own pixels."""
_LESS_ROOM: Final = 0.15
"""How much narrower than asked the square may be without a word: a little never shows."""

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
    whole: WholePicture | None
    """Where the square goes, if the whole portrait is to be shown."""
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


def picture_count(info: AudioInfo, duration_s: float | None, fps: int = FPS) -> int:
    """Pictures of a result: round(seconds x fps), at least one."""
    if duration_s is not None:
        return max(round(duration_s * fps), 1)
    return max(round(Fraction(info.ticks, TICK_RATE // fps)), 1)


def prepare(
    portrait: str | Path | bytes,
    audio: str | Path,
    settings: Settings,
    duration_s: float | None,
    motion: str | Path | None,
    parts: Parts,
    note: Note,
    plan: Note | None = None,
) -> Job:
    """Checks and loads everything a job needs, the cheap and likely mistakes first.

    The portrait is read once, so that nobody can change it during the work. `plan` is told what the work
    will take.
    """
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
    fps = settings.output.fps
    count = picture_count(info, duration_s, fps)
    length = info.ticks if duration_s is None else count * (TICK_RATE // fps)
    if duration_s is not None and abs(length - info.ticks) > FRAME_TICKS:
        end = "picture and sound end there" if length < info.ticks else "the face idles on"
        note(
            f"duration {duration_s:g} s is followed although the sound lasts {info.duration_s:.2f} s; {end}."
        )
    if stored is not None and abs(stored.duration_s - count / fps) > 1 / FPS:
        longer = stored.duration_s > count / fps
        rest = "its rest is not used" if longer else "then the face follows the sound"
        note(f"The stored motion lasts {stored.duration_s:.2f} s of {count / fps:.2f} s; {rest}.")
    stage_s["sound"] = time.perf_counter() - begin
    begin = time.perf_counter()
    picture = load_image(image) if settings.output.keep_resolution else None
    pixels = _checked_pixels(picture)
    refuse_if_too_large(settings.portrait.min_resolution, parts.available_memory(), pixels)
    identity = parts.identify(image, settings.portrait)
    for sentence in (*identity.advice, *half_covered.advice(identity), *_room(identity)):
        note(sentence)
    whole = WholePicture(picture, identity) if picture is not None else None
    if whole is not None and whole.enlarged > _SOFT:
        note(
            f"The portrait is so large that the painted square is enlarged {whole.enlarged:.1f} times;"
            f" a min_resolution above {settings.portrait.min_resolution} is sharper, or a smaller portrait."
        )
    if plan:
        needs = estimate(
            count, settings.portrait.min_resolution, settings.output, pixels, pace=machine_pace(),
            steps=settings.controls.inference_steps,
        )  # fmt: skip
        plan(needs.sentence())
    stage_s["identity"] = time.perf_counter() - begin
    begin = time.perf_counter()
    engine = parts.engine(settings.device)
    stage_s["load"] = time.perf_counter() - begin
    wanted = settings.controls.inference_steps
    if wanted > max(1, engine.steps_available):
        what = f"{engine.steps_available} are used" if engine.steps_available else "it has no effect"
        note(f"inference_steps is {wanted}, but this engine paints {engine.steps_available} steps; {what}.")
    return Job(identity, engine, sound, info, count, length, settings, stored, whole, stage_s)


def _checked_pixels(picture: U8 | None) -> int:
    """How many pixels the whole portrait has. Errors: `BadInputError` when no video can be so large."""
    if picture is None:
        return 0
    height, width = picture.shape[:2]
    if max(height, width) > MAX_SIDE_PX:
        raise BadInputError(
            f"The portrait is {width} x {height} pixels, but a video's sides are at most {MAX_SIDE_PX}; make"
            " it smaller, or leave out keep_resolution."
        )
    return int(height * width)


def _room(identity: Identity) -> tuple[str, ...]:
    """A sentence where the portrait has less room about the face than `expand_ratio` asks for."""
    asked, given = identity.settings.expand_ratio, expand_given(identity)
    if given is None or given > asked - _LESS_ROOM:
        return ()
    return (
        f"expand_ratio {asked:g} asks for more than the portrait shows about the face; it has room for about"
        f" {max(given, 0):.2f}.",
    )


def expand_given(identity: Identity) -> float | None:
    """The `expand_ratio` that the square really has; None where no face was tracked."""
    face = float(np.linalg.norm(identity.landmarks[FOREHEAD] - identity.landmarks[CHIN]))
    return identity.crop.shape[0] / (2 * face) - 1 if face > 1 else None
