"""The values that pass between the parts: frozen, numpy only.

`CHANNELS` names the motion coefficients. The mouth is physical where it can be: `aperture` is the gap
between the inner lips (landmarks 13-14) over the face height (landmarks 10-152), `width` is the change
of the mouth's width (landmarks 61-291) over the face height against rest; the other mouth channels are
activations, 0 at rest and about 1 at the strongest. Head rotation is in radians, positive `yaw` turns
to the person's left, positive `pitch` nods down, positive `roll` tilts towards the person's left
shoulder; shifts are in face heights (x to the picture's right, y down, z towards the camera).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.timebase import Ticks

MOUTH_CHANNELS = (
    "aperture",
    "jaw",
    "close",
    "labiodental",
    "pucker",
    "funnel",
    "stretch",
    "upper_up",
    "lower_down",
    "tongue_tip",
    "tongue_out",
    "tongue_back",
    "width",
)
"""What the voice moves (the motion network's outputs)."""

FACE_CHANNELS = (
    "blink_left",
    "blink_right",
    "squint",
    "wide",
    "gaze_x",
    "gaze_y",
    "brow_inner",
    "brow_outer",
    "brow_down",
    "smile",
    "frown",
    "yaw",
    "pitch",
    "roll",
    "shift_x",
    "shift_y",
    "shift_z",
)
"""What behaviour moves. Lids: 0 as in the portrait, 1 shut. Gaze: radians off the portrait's own
gaze, x to the picture's right, y down. Brows, smile, frown: activations about 0..1 (brow_inner and
brow_outer up; smile may be negative to relax a smiling portrait)."""

CHANNELS = MOUTH_CHANNELS + FACE_CHANNELS
CHANNEL_INDEX = {name: i for i, name in enumerate(CHANNELS)}

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


MOODS = ("neutral", "happy", "sad", "angry", "surprised", "tender")
"""What a face can look like while it speaks and rests."""
ATTENTIONS = ("auto", "listening", "thinking")
"""auto: talking or idle, as the voice says; listening to somebody; looking for an answer."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A run of sound: `samples` float32 [N] mono in -1..1 at `sample_rate` Hz, beginning at `pts`."""

    pts: Ticks
    samples: F32
    sample_rate: int
    is_last: bool = False
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class MotionFrame:
    """The face at one picture: `coeffs` float32 [len(CHANNELS)], `speaking` 0..1."""

    pts: Ticks
    coeffs: F32
    speaking: float


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A picture: `image` uint8 [H, W, 3] RGB, `pts` of the sound it shows, decoder `steps` used."""

    pts: Ticks
    image: U8
    steps: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Controls:
    """What a user may change, also while a session runs (checked by `sonic_stream.config`)."""

    dynamic_scale: float = 1.0
    """Gain of the mouth's movement."""
    motion_scale: float = 1.0
    """Gain of everything else: head, blinks, gaze, brows. 0 is a still head with live lips."""
    inference_steps: int = 1
    """Steps of the picture decoder, 1-8."""
    seed: int = 0
    """Makes head, gaze and blinks repeatable."""
    mood: str = "neutral"
    """One of MOODS; a change is eased into, also in the middle of a word."""
    mood_amount: float = 1.0
    """How much of the mood is shown, 0..1."""
    attention: str = "auto"
    """One of ATTENTIONS: what the face does besides speaking; a live session sets it by itself."""


@dataclass(frozen=True, slots=True)
class PortraitSettings:
    """How the picture is cut out of the portrait; part of the identity's key."""

    expand_ratio: float = 0.2
    """Margin around head and shoulders, as a share of the face box."""
    min_resolution: int = 512
    """Side of the square output picture, px."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours measured in the portrait, linear-free RGB 0..1 float32 [3], and where light comes from."""

    skin: F32
    lip: F32
    light: F32
    """Unit vector towards the light in picture axes (x right, y down, z to the camera), float32 [3]."""
    brightness: float
    """Mean luminance of the face skin, 0..1."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A portrait made ready, immutable and shared between sessions.

    A point `v` of the head model lands in the crop at
    `(t + s * (R @ v)[:2] * (1, -1))` with `R = rotation`, `s = scale` px per head unit,
    `t = translation` px (weak perspective; the model's y points up, the picture's y down).
    """

    id: str
    """Hash of the image bytes and the settings."""
    settings: PortraitSettings
    crop: U8
    """uint8 [S, S, 3] RGB."""
    crop_box: tuple[float, float, float]
    """Centre x, centre y and side of the crop in the portrait's own pixels."""
    landmarks: F32
    """float32 [478, 2], crop pixels."""
    shape: F32
    """Identity coefficients of the head model, float32 [I]."""
    expression: F32
    """Expression of the portrait, float32 [E], 0..1."""
    vertices: F32
    """The person's head without expression, snapped to the landmarks, float32 [V, 3], head units."""
    rotation: F32
    """float32 [3, 3]."""
    scale: float
    translation: F32
    """float32 [2]."""
    matte: U8
    """Soft mask of head, hair, neck and shoulders (255) against background (0), uint8 [S, S]."""
    colours: Colours
    fit_error: float
    """Mean landmark distance of the fit before snapping, as a share of the interocular distance."""
    lids_fit: bool
    """False where the eyes fit so badly that blinking would look wrong."""
    advice: tuple[str, ...] = ()
    """Sentences for the user about the portrait (turned head, several faces, ...)."""
    cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Features other parts derive once per identity; owned by the engine that holds the identity."""
