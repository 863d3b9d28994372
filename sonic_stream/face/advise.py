"""Judges a portrait: what makes it unusable, and what the user should know.

Every finding is one sentence that says what was seen and what to do. `refuse` raises for portraits that
cannot work; `advise` collects sentences for those that can.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sonic_stream.errors import NoFaceError
from sonic_stream.face import regions
from sonic_stream.face.colours import LUMA, sample, spots
from sonic_stream.face.fit import HeadFit
from sonic_stream.face.tracker import TrackedFace
from sonic_stream.face.window import Window
from sonic_stream.types import F32, U8

LEAST_FACE_PX, SMALL_FACE_PX = 40, 90
TURN_ADVISE_DEG, TURN_REFUSE_DEG = 20, 44
_NOD_ADVISE_DEG = 20
_TILT_ADVISE_DEG, _TILT_REFUSE_DEG = 25, 65
_ENLARGED = 1.7
_OPEN_MOUTH, _PARTED_MOUTH = 0.1, 0.04
"""Gap of the inner lips over face height that counts as wide open, and as showing teeth."""
_CLOSED_EYES, _CLOSED_EYE = 0.17, 0.12
"""Opening over width that counts as closed: mean of both eyes, and one of them beside an open one. Open
eyes have 0.25-0.55; on closed ones the tracker still sees a slit."""
_POOR_LIDS = 0.06
"""Mean landmark distance at an eye, over its width, above which the eye does not fit."""
_DOUBT_ERROR, _NO_FACE_ERROR = 0.022, 0.05
DOUBT_SPREAD, NO_FACE_SPREAD = 0.012, 0.04
"""Restlessness of the tracker: 0.002-0.008 on people, 0.02 on a wooden face, 0.07 on a cheetah."""
_DOUBT_SHAPE, _SHAPE_PER_TURN = 1.5, 0.5
"""Root mean square of the identity coefficients that calls for doubt (about 1 is usual), and what a turn
of one radian adds to it in everybody."""
_BLUR = 0.014
"""Sharpness below which a face counts as blurred: 0.03-0.8 in sharp pictures, under 0.01 after a blur of
1 % of the face height."""
_SHADOW = 6.0
"""Ratio of light on the two cheeks."""
_OTHER_COLOUR, _LIPS_FAINT = 12.0, 5.5
_ONE_COLOUR, _LIPS_UNSEEN = 2.0, 3.5
"""CIELAB distances by which a covered mouth is told, see `mouth_covered`."""
_EYE_CONTRAST = 35.0
"""Usual spread of lightness (CIELAB) between forehead, cheeks and eyes."""
_FILLED, _TIGHT = 0.1, 1.6
"""Share of the square beyond the portrait, and side of the square over the face height."""
_UPPER_FACE = (
    *regions.CHEEK_LEFT[3:],
    *regions.CHEEK_RIGHT[3:],
    *regions.FOREHEAD_PATCH,
    *regions.NOSE_BRIDGE,
)
_AROUND_MOUTH = (164, 167, 393, 165, 391, 57, 287, 43, 273, 18, 83, 313, 200, 199, 208, 428)
_LIP_MIDDLES = (*regions.LIPS_OUTER[12:19], 14, 15, 16, 17)


@dataclass(frozen=True, slots=True)
class Portrait:
    """What is known about a portrait when it is judged."""

    width: int
    height: int
    faces: int
    face: TrackedFace
    """The face used, in portrait pixels."""
    window: Window
    crop: U8
    landmarks: F32
    """[478, 2] crop px."""
    fit: HeadFit
    share_outside: float


def refuse_face(face: TrackedFace) -> None:
    """Errors: `NoFaceError` when the face is too small or lies on its side."""
    if face.size_px < LEAST_FACE_PX:
        raise NoFaceError(
            f"The face is only {face.size_px:.0f} pixels large; at least {LEAST_FACE_PX} are needed and"
            " 250 are good: give a larger picture or a closer one."
        )
    tilt_deg = abs(np.degrees(face.tilt))
    if tilt_deg > _TILT_REFUSE_DEG:
        how = "stands on its head" if tilt_deg > 135 else "lies on its side"
        raise NoFaceError(f"The face {how}; turn the picture upright and try again.")


def refuse(portrait: Portrait) -> None:
    """Errors: `NoFaceError` when the face is turned away, cut off, or no face at all."""
    turn_deg = abs(np.degrees(portrait.fit.yaw))
    if turn_deg > TURN_REFUSE_DEG:
        raise NoFaceError(
            f"The head is turned aside by about {turn_deg:.0f} degrees, so that half the face is hidden;"
            f" give a portrait turned by less than {TURN_ADVISE_DEG} degrees, looking at the camera."
        )
    if portrait.fit.error > _NO_FACE_ERROR:
        raise NoFaceError(
            "Something like a face was found, but its proportions fit no human head; give a portrait of a"
            " person, or a picture whose eyes, nose and mouth are placed like a person's."
        )
    needed = [*regions.EYE_LEFT, *regions.EYE_RIGHT, *regions.LIPS_OUTER]
    if _outside(portrait, needed) > 0.15:
        raise NoFaceError(
            "The picture cuts off the eyes or the mouth; give a portrait that shows the whole face."
        )


def advise(portrait: Portrait) -> tuple[str, ...]:
    """Sentences for the user, the weightiest first; empty for a good portrait."""
    found = (
        _several(portrait),
        _doubt(portrait),
        _turned(portrait),
        _tilted(portrait),
        _mouth(portrait),
        _eyes(portrait),
        _cut_off(portrait),
        _small(portrait),
        _blurred(portrait),
        _shadow(portrait),
    )
    return tuple(sentence for sentence in found if sentence)


def lids_fit(portrait: Portrait) -> bool:
    """Whether both eyes are open, alike and fitted well enough to blink."""
    openings = eye_openings(portrait.landmarks)
    for ring, corners in (
        (regions.EYE_LEFT, regions.CORNERS_LEFT),
        (regions.EYE_RIGHT, regions.CORNERS_RIGHT),
    ):
        width = np.linalg.norm(portrait.landmarks[corners[0]] - portrait.landmarks[corners[1]])
        share = width / np.linalg.norm(
            portrait.landmarks[regions.CORNERS_LEFT[1]] - portrait.landmarks[regions.CORNERS_RIGHT[1]]
        )
        if portrait.fit.errors[list(ring)].mean() > _POOR_LIDS * max(float(share), 0.15):
            return False
    return not _eyes_closed(openings) and max(openings) < 3 * min(openings)


def _eyes_closed(openings: tuple[float, float]) -> bool:
    """Whether one eye or both are closed."""
    return sum(openings) / 2 < _CLOSED_EYES or min(openings) < _CLOSED_EYE


def eye_openings(landmarks: F32) -> tuple[float, float]:
    """Opening over width of the left and the right eye."""
    found = []
    for lids, corners in (
        (regions.LIDS_LEFT, regions.CORNERS_LEFT),
        (regions.LIDS_RIGHT, regions.CORNERS_RIGHT),
    ):
        width = np.linalg.norm(landmarks[corners[0], :2] - landmarks[corners[1], :2])
        middle = np.array(lids[2:5])
        gap = np.linalg.norm(landmarks[middle[:, 0], :2] - landmarks[middle[:, 1], :2], axis=1).mean()
        found.append(float(gap / max(float(width), 1e-3)))
    return found[0], found[1]


def sharpness(crop: U8, landmarks: F32) -> float:
    """Fine detail in the face against its contrast, whatever size and exposure; about 0.1 when sharp.

    The variance of the Laplacian over that of the grey values, both in the face scaled to 128 px.
    """
    height = float(np.linalg.norm(landmarks[regions.FOREHEAD, :2] - landmarks[regions.CHIN, :2]))
    x, y = (landmarks[regions.FOREHEAD, :2] + landmarks[regions.CHIN, :2]) / 2
    face = Window(float(x), float(y), 0.9 * height, 128).cut(crop).astype(np.float32) @ LUMA
    contrast = float(cv2.GaussianBlur(face, (0, 0), 1).var())
    return float(cv2.Laplacian(face, cv2.CV_32F)[2:-2, 2:-2].var()) / max(contrast, 4.0)


def _outside(portrait: Portrait, indices: list[int]) -> float:
    """Share of the landmarks named that lie beyond the portrait's edges."""
    x, y = portrait.face.points[indices, :2].T
    out = (x < 0) | (y < 0) | (x > portrait.width - 1) | (y > portrait.height - 1)
    return float(out.mean())


def _several(portrait: Portrait) -> str:
    if portrait.faces < 2:
        return ""
    place = portrait.face.centre[0] / max(portrait.width, 1)
    side = "on the left" if place < 0.4 else "on the right" if place > 0.6 else "in the middle"
    return (
        f"There are {portrait.faces} faces in the picture; the largest, {side}, is used: crop the picture to"
        " choose another."
    )


def _doubt(portrait: Portrait) -> str:
    if _is_blurred(portrait) or mouth_covered(portrait.crop, portrait.landmarks) or _cut_part(portrait):
        return ""  # these unsettle the tracker, and are told by themselves
    # Small faces are tracked loosely, whoever's they are.
    loose = portrait.face.spread * min(portrait.face.size_px / SMALL_FACE_PX, 1.0)
    if loose > DOUBT_SPREAD:
        return (
            "This may not be a human face (the tracker is unsure of it, as with drawings, masks and animals):"
            " mouth and eyes may move oddly."
        )
    odd = float(np.sqrt((portrait.fit.shape**2).mean())) - _SHAPE_PER_TURN * abs(portrait.fit.yaw)
    if portrait.face.size_px > SMALL_FACE_PX and (odd > _DOUBT_SHAPE or portrait.fit.error > _DOUBT_ERROR):
        return (
            "The face has unusual proportions (a drawing, a mask, a picture stretched in one direction?):"
            " mouth and eyes may move oddly."
        )
    return ""


def _turned(portrait: Portrait) -> str:
    turn_deg, nod_deg = np.degrees([portrait.fit.yaw, portrait.fit.pitch])
    if round(abs(turn_deg)) > TURN_ADVISE_DEG:
        return (
            f"The head is turned aside by about {abs(turn_deg):.0f} degrees; a portrait turned by less than"
            f" {TURN_ADVISE_DEG} degrees moves more naturally."
        )
    if round(abs(nod_deg)) > _NOD_ADVISE_DEG:
        return (
            f"The head is {'lowered' if nod_deg > 0 else 'raised'} by about {abs(nod_deg):.0f} degrees;"
            " a portrait taken at eye level moves more naturally."
        )
    return ""


def _tilted(portrait: Portrait) -> str:
    tilt_deg = abs(np.degrees(portrait.fit.roll))
    if tilt_deg < _TILT_ADVISE_DEG:
        return ""
    return f"The head is tilted by about {tilt_deg:.0f} degrees; an upright portrait moves more naturally."


def _mouth(portrait: Portrait) -> str:
    if mouth_covered(portrait.crop, portrait.landmarks):
        return (
            "The mouth seems to be covered (by a mask, a hand, a scarf or a thick beard); a portrait that"
            " shows both lips speaks much better."
        )
    points = portrait.landmarks
    height = np.linalg.norm(points[regions.FOREHEAD] - points[regions.CHIN])
    gap = np.linalg.norm(points[regions.LIP_UPPER_MIDDLE] - points[regions.LIP_LOWER_MIDDLE])
    if gap / height > _OPEN_MOUTH:
        return "The mouth is wide open; a portrait with closed or gently smiling lips speaks better."
    if gap / height > _PARTED_MOUTH:
        return "The lips are parted; a portrait with lips closed, without showing teeth, speaks better."
    return ""


def mouth_covered(crop: U8, landmarks: F32) -> bool:
    """Whether the lips do not stand out, in a lower face unlike the upper one or of a single colour."""
    lab = np.asarray(cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    face = np.median(sample(lab, spots(landmarks, _UPPER_FACE)), axis=0)
    around = sample(lab, spots(landmarks, _AROUND_MOUTH))
    lower = np.median(around, axis=0)
    lips = np.median(sample(lab, spots(landmarks, _LIP_MIDDLES)), axis=0)
    # A pale picture has pale lips: distances are judged as if eyes and brows had their usual contrast.
    eyes = sample(lab, spots(landmarks, regions.EYE_LEFT + regions.EYE_RIGHT + _UPPER_FACE))[:, 0]
    gain = max(_EYE_CONTRAST / max(float(np.ptp(np.percentile(eyes, [5, 95]))), 5.0), 1.0)
    lips_seen = gain * float(np.linalg.norm(lips - lower))
    other_colour = gain * float(np.hypot(*(lower[1:] - face[1:])))
    variety = gain * float(around[:, 1:].std(0).max())
    return (lips_seen < _LIPS_FAINT and other_colour > _OTHER_COLOUR) or (
        lips_seen < _LIPS_UNSEEN and variety < _ONE_COLOUR
    )


def _eyes(portrait: Portrait) -> str:
    openings = eye_openings(portrait.landmarks)
    if sum(openings) / 2 < _CLOSED_EYES:
        return "The eyes are closed, and stay so; a portrait with open eyes looks alive."
    if _eyes_closed(openings):
        return "One eye is closed, so blinking is off; a portrait with both eyes open looks more alive."
    if not lids_fit(portrait):
        return "The eyes could not be fitted well, so blinking is off; a clearer view of both would help."
    return ""


def _cut_off(portrait: Portrait) -> str:
    part = _cut_part(portrait)
    if part:
        return f"The picture cuts off the {part}; a portrait with some room around the head looks better."
    if portrait.share_outside > _FILLED:
        return (
            "The picture ends close to the head, so part of the background is made up; a portrait with more"
            " room around head and shoulders looks better."
        )
    if portrait.window.side < _TIGHT * portrait.face.height:
        return (
            "The picture ends close to the head, which leaves it little room to move; a portrait with head"
            " and shoulders looks better."
        )
    return ""


def _cut_part(portrait: Portrait) -> str:
    """The part of the face that lies beyond the portrait's edges; empty when all is inside."""
    parts = (
        ("forehead", [10, 338, 109, 297, 67]),
        ("chin", [152, 148, 377, 176, 400]),
        ("side of the face", [234, 93, 132, 127]),
        ("side of the face", [454, 323, 361, 356]),
    )
    return next((name for name, indices in parts if _outside(portrait, indices) > 0.4), "")


def _small(portrait: Portrait) -> str:
    size_px = portrait.face.size_px
    if size_px < SMALL_FACE_PX:
        return (
            f"The face is only {size_px:.0f} pixels large and will look soft; 250 pixels or more are good:"
            " give a larger or a closer picture."
        )
    if portrait.window.zoom > _ENLARGED:
        return (
            f"The portrait is enlarged {portrait.window.zoom:.1f} times and will look soft; a larger picture"
            f" or a smaller output (now {portrait.window.size_px} pixels) is sharper."
        )
    return ""


def _blurred(portrait: Portrait) -> str:
    if portrait.face.size_px < SMALL_FACE_PX or not _is_blurred(portrait):
        return ""  # a small face is soft in any case, and told so already
    return "The face is blurred; a sharp portrait makes a much better picture."


def _is_blurred(portrait: Portrait) -> bool:
    return sharpness(portrait.crop, portrait.landmarks) < _BLUR


def _shadow(portrait: Portrait) -> str:
    picture = np.asarray(portrait.crop, np.float32) / np.float32(255)
    light = []
    for cheek in (regions.CHEEK_LEFT, regions.CHEEK_RIGHT):
        value = float(np.median(sample(picture, spots(portrait.landmarks, cheek)) @ LUMA))
        light.append(max(value, 0.02) ** 2.2)
    if max(light) < _SHADOW * min(light):
        return ""
    side = "right" if light[0] < light[1] else "left"  # the person's left is at the picture's right
    return (
        f"The half of the face at the {side} of the picture lies in deep shadow; softer light from the front"
        " would look better."
    )
