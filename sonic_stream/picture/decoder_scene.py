"""What the painter knew when it painted, and where in it a decoder has something to do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.face.head import Head
from sonic_stream.picture.decoder_fine import Sampled
from sonic_stream.picture.decoder_patch import EYE_LEFT, EYE_RIGHT, MOUTH, REGIONS, Frame, Patch, make_frame
from sonic_stream.picture.patch import Slit, slit_of
from sonic_stream.picture.rig import Pose, Rig
from sonic_stream.picture.rims import gaps
from sonic_stream.types import CHANNEL_INDEX, F32, U8, Identity

_STILL, _MOVING = 0.03, 0.18
"""Movement of the skin about the mouth, head units: up to here the portrait's own, from here wholly not."""
_LIDS_WAKE = 5.0
"""How soon lids count as moved: wholly at a fifth of a blink beyond what counts as still."""
_LIDS_STILL, _GAZE_STILL = 0.04, 0.25
"""Share of a blink, and radians of gaze, up to which the eyes' patches stay as geometry has them. Eyes wander
that far all the time; what would be painted, 2 to 4 steps of 255, is unseen and takes a fifth of the time."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One painted picture as the geometry knows it."""

    coeffs: F32
    vertices: F32
    """float32 [V, 3], head units."""
    placed: F32
    """The same in the picture, float32 [V, 3] px."""
    moved: F32
    """The same against the portrait's expression, float32 [V, 3], head units."""
    pose: Pose
    lips: Slit
    lids: tuple[Slit | None, ...]
    """Of the left and of the right eye, where they were drawn."""
    sampled: Sampled | None = None
    """How its pixels were sampled; None: it is the portrait itself."""


class Watch:
    """The frames of one identity's mouth and eyes."""

    def __init__(self, head: Head, identity: Identity, rig: Rig, portrait_vertices: F32) -> None:
        self.frames: dict[str, Frame] = {
            region: make_frame(region, head, identity, rig, portrait_vertices) for region in REGIONS
        }
        self._near_mouth = gaps()[0].vertices

    def activity(self, scene: Scene) -> dict[str, float]:
        """How far each region has left the portrait: 0 the portrait itself, 1 wholly."""
        reach = float(np.abs(scene.moved[self._near_mouth]).max())
        value = {name: float(scene.coeffs[i]) for name, i in CHANNEL_INDEX.items()}
        gaze = max(0.0, abs(value["gaze_x"]) + abs(value["gaze_y"]) - _GAZE_STILL)
        both = value["squint"] + value["wide"] + gaze - _LIDS_STILL
        return {
            MOUTH: float(np.clip((reach - _STILL) / (_MOVING - _STILL), 0, 1)),
            EYE_LEFT: float(np.clip(_LIDS_WAKE * (value["blink_left"] + both), 0, 1)),
            EYE_RIGHT: float(np.clip(_LIDS_WAKE * (value["blink_right"] + both), 0, 1)),
        }

    def look(self, picture: U8, scene: Scene, region: str, activity: float) -> Patch:
        """What a decoder sees of one region of the picture."""
        if region == MOUTH:
            slit = scene.lips
        else:
            side = REGIONS.index(region) - 1
            drawn = scene.lids[side]
            slit = slit_of(gaps()[1 + side], scene.placed) if drawn is None else drawn
        return self.frames[region].look(picture, scene.vertices, scene.placed, scene.pose, slit, activity)

    def patches(self, picture: U8, scene: Scene) -> list[Patch]:
        """All regions, at rest or not."""
        return [self.look(picture, scene, region, much) for region, much in self.activity(scene).items()]
