"""What the program sees in a portrait and hears in a sound, and what it would advise, before any work.

The portrait goes through the same preparation as for rendering; what refuses it there is a finding here. The
sheet with crop and landmarks is drawn by `inspect_sheet`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.face.glasses import find_glasses
from sonic_stream.face.regions import CHIN, FOREHEAD
from sonic_stream.media.audio import open_audio
from sonic_stream.media.image import load_image, read_image_bytes
from sonic_stream.media.listen import SoundReport, listen
from sonic_stream.offline import half_covered
from sonic_stream.offline.bundled import portrait_path, voice_path
from sonic_stream.offline.job import expand_given
from sonic_stream.types import F32, U8, Identity, PortraitSettings

Identify = Callable[[bytes, PortraitSettings], Identity]
Search = Callable[[U8], Sequence[F32]]
"""Finds faces in a picture: landmarks [478, 2 or 3] px of each, the largest first."""

_GOOD: Final = "Nothing to mend."


def search_faces(image: U8) -> list[F32]:
    """All faces that the tracker finds."""
    from sonic_stream.face.tracker import shared_tracker

    return [face.points for face in shared_tracker().search(image)]


@dataclass(frozen=True, slots=True)
class PortraitReport:
    """A portrait looked at. `identity` is None where it cannot be used; `refusal` says why."""

    image: U8
    faces: tuple[F32, ...]
    """Landmarks of every face found, portrait px, the largest (the one used) first."""
    identity: Identity | None
    refusal: str = ""

    def facts(self) -> tuple[str, ...]:
        """What was seen, in a few words each."""
        height, width = self.image.shape[:2]
        count = len(self.faces)
        found = [f"{width} x {height} pixels, {count or 'no'} face{'' if count == 1 else 's'}"]
        if self.identity is None:
            return tuple(found)
        yaw, pitch, roll = head_pose_deg(self.identity)
        side = self.identity.crop_box[2]
        face_px = (
            side
            / self.identity.crop.shape[0]
            * float(np.linalg.norm(self.identity.landmarks[FOREHEAD] - self.identity.landmarks[CHIN]))
        )
        found.append(f"face {face_px:.0f} pixels high")
        found.append(
            f"turned {abs(yaw):.0f}° {'to its left' if yaw > 0 else 'to its right'},"
            f" {'lowered' if pitch > 0 else 'raised'} {abs(pitch):.0f}°, tilted {abs(roll):.0f}°"
        )
        found.append(
            f"square of {side:.0f} pixels shown as {self.identity.crop.shape[0]}"
            f" (expand_ratio {expand_given(self.identity) or 0:.2f})"
        )
        found.append("blinks" if self.identity.lids_fit else "does not blink")
        if find_glasses(self.identity.crop, self.identity.landmarks):
            found.append("wears glasses")
        return tuple(found)

    def advice(self) -> tuple[str, ...]:
        if self.identity is None:
            return (self.refusal,)
        return (*self.identity.advice, *half_covered.advice(self.identity))


@dataclass(frozen=True, slots=True)
class Inspection:
    """Both inputs looked at."""

    portrait: PortraitReport
    sound: SoundReport | None
    sound_refusal: str = ""

    @property
    def usable(self) -> bool:
        return self.portrait.identity is not None and not self.sound_refusal

    def words(self) -> str:
        """All of it as text, a line each."""
        lines = ["Portrait:", *_listed(self.portrait.facts(), self.portrait.advice())]
        if self.sound is not None:
            lines += ["Sound:", *_listed(self.sound.facts(), self.sound_advice())]
        elif self.sound_refusal:
            lines += ["Sound:", *_listed((), self.sound_advice())]
        return "\n".join(lines)

    def sound_advice(self) -> tuple[str, ...]:
        if self.sound_refusal:
            return (self.sound_refusal,)
        return self.sound.advice() if self.sound else ()


def _listed(facts: Sequence[str], advice: Sequence[str]) -> list[str]:
    return [*(f"  {fact}" for fact in facts), *(f"  -> {sentence}" for sentence in advice or (_GOOD,))]


def head_pose_deg(identity: Identity) -> tuple[float, float, float]:
    """Yaw to the person's left, pitch down, roll to the person's left shoulder, in degrees."""
    r = identity.rotation.astype(np.float64)
    yaw = np.arctan2(r[0, 2], r[2, 2])
    pitch = -np.arcsin(np.clip(r[1, 2], -1, 1))
    roll = np.arctan2(-r[1, 0], r[1, 1])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def inspect(
    portrait: str | Path | bytes,
    audio: str | Path | None,
    settings: PortraitSettings,
    identify: Identify,
    search: Search = search_faces,
) -> Inspection:
    """Looks at `portrait` and listens to `audio`, if given.

    A portrait without a usable face and a sound that is refused are findings. Errors: `BadInputError` for a
    file that is no picture at all, `MissingPieceError` where the models are absent.
    """
    data = portrait if isinstance(portrait, bytes) else read_image_bytes(portrait_path(portrait))
    image = load_image(data)
    faces = tuple(search(image))
    try:
        seen = PortraitReport(image, faces, identify(data, settings))
    except NoFaceError as refusal:
        seen = PortraitReport(image, faces, None, str(refusal))
    if audio is None:
        return Inspection(seen, None)
    try:
        sound = open_audio(voice_path(audio))
        heard = listen(sound)
        sound.check()
    except BadInputError as refusal:
        return Inspection(seen, None, str(refusal))
    return Inspection(seen, heard)
