"""The colours of the inside of a mouth, guessed from what the portrait shows.

All light is reckoned in squared (nearly linear) values, as sums of light need it. The portrait's white
is not known, so it is guessed from the skin (halfway between "pale skin in dim light" and "dark skin in good
light") and from the whites of the eyes, unless the portrait shows teeth of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sonic_stream.picture.mouth_traits import LUMA, MouthTraits
from sonic_stream.types import F32, Colours

SKIN_CHROMA = np.array([1.17, 0.96, 0.84], np.float32)
"""Usual skin over its own luminance, in daylight."""
EYES_CHROMA = np.array([1.04, 0.99, 0.98], np.float32)
MUCOSA_CHROMA = np.array([1.46, 0.82, 0.80], np.float32)
_TEETH_OVER_EYES, _AT_MOST = 1.1, 1.06
"""Front teeth in full light against the brightest whites of the eyes: as these would have it, and at most."""
_EYES_TELL = 0.65
"""How much more the eyes are believed than the brightness of the face, which may be dark of itself."""
TEETH_CHROMA = np.array([1.06, 0.988, 0.91], np.float32)


@dataclass(frozen=True, slots=True)
class MouthLook:
    """Squared RGB, float32 [3], of each thing in full light; and the light."""

    teeth: F32
    teeth_rim: F32
    """Near the biting edge, where light shines through."""
    teeth_neck: F32
    """Near the gum."""
    tongue: F32
    gums: F32
    cavity: F32
    deep: F32
    """What is left where no light comes."""
    gloss: F32
    """Light thrown back by a wet surface that mirrors the light."""
    warm: F32
    """Tint of light that has been thrown to and fro inside; its strongest channel is 1."""
    light: F32
    """Unit vector towards the light (x right, y down, z to the camera)."""

    def packed(self) -> F32:
        """float32 [10, 3] in the order of the fields, for the compiled renderer."""
        return np.stack([getattr(self, field.name) for field in fields(self)])


def _chroma(colour: F32) -> F32:
    return np.asarray(colour / max(float(colour @ LUMA), 0.02), np.float32)


def look_of(colours: Colours, traits: MouthTraits) -> MouthLook:
    """Colours of teeth, tongue, gums and cavity that suit the portrait's skin, lips, light and tones."""
    skin, lip = _chroma(np.clip(colours.skin, 0, 1)), _chroma(np.clip(colours.lip, 0, 1))
    brightness = float(np.clip(colours.brightness, 0.02, 1.0))
    colourful = float(np.clip(np.abs(lip - skin).sum() / 0.12, 0, 1))
    colourful *= float(np.clip(np.ptp(lip) / 0.15, 0, 1))
    # A picture of one tint (black and white, sepia, a monochrome painting) tints all alike.
    cast = np.clip(1.0 + 0.8 * (skin / SKIN_CHROMA - 1.0), 0.5, 1.5)
    flesh_cast = colourful * cast**0.6 + (1 - colourful) * skin
    if traits.white is not None:  # skin may be dark or ruddy of itself; eyes tell the colour of the light
        eyes = _chroma(traits.white) / EYES_CHROMA
        cast = cast**0.4 * np.clip(eyes, 0.8, 1.2) ** 0.5
    cast = colourful * cast + (1 - colourful) * skin

    white = 0.92 * brightness**0.5
    if traits.white is not None:
        eye = max(float(traits.white @ LUMA), brightness)  # a white darker than the skin lay in the shade
        told = float(np.clip(_TEETH_OVER_EYES * eye, 0.7 * white, 1.4 * white))
        white = min(white ** (1 - _EYES_TELL) * told**_EYES_TELL, _AT_MOST * eye, 0.97)
    teeth_chroma = 1 + colourful * (TEETH_CHROMA - 1)
    teeth_chroma = teeth_chroma * cast
    teeth_chroma[0] = max(teeth_chroma[0], teeth_chroma[1] * (1 + 0.04 * colourful))
    teeth_chroma[2] = min(teeth_chroma[2], teeth_chroma[1] * (1 - 0.05 * colourful))
    teeth = np.clip(white * teeth_chroma, 0.01, 0.97) ** 2
    if traits.teeth is not None:
        own = np.clip(traits.teeth, 0.01, 0.97) ** 2
        teeth = 0.25 * teeth + 0.75 * own

    flesh_level = 0.5 * white + 0.3 * brightness
    pink = (1 + colourful * (MUCOSA_CHROMA - 1)) * flesh_cast
    lip_pink = colourful * lip * (1.4 / float(np.max(lip))) + (1 - colourful) * lip
    flesh = flesh_level * (0.74 * pink + 0.26 * lip_pink) * 1.18
    flesh *= min(1.0, 0.9 / float(flesh.max()))  # cut evenly, so that bright flesh does not turn grey
    flesh[2] = min(flesh[2], flesh[1] * (1 - 0.05 * colourful))
    tongue = np.clip(flesh, 0.01, 0.95) ** 2
    gums = np.clip(0.82 * flesh * (1 + colourful * (np.array([1.0, 0.94, 0.95]) - 1)), 0.01, 0.95) ** 2
    cavity = tongue * (1 + colourful * (np.array([0.62, 0.42, 0.40]) - 1)) * 0.46
    floor = float(np.clip(0.62 * traits.black, 0.02, 0.09)) * min(1.0, 0.4 + brightness)
    deep = cavity * 0.02 + floor**2 * (1 + colourful * (np.array([1.7, 0.85, 0.8]) - 1))
    gloss = np.clip(white * (0.5 + 0.5 * cast), 0, 1) ** 2
    light = np.asarray(colours.light, np.float32)
    light = light / max(float(np.linalg.norm(light)), 1e-6)
    rim = teeth * (1 + colourful * (np.array([0.97, 0.99, 1.02]) - 1))
    neck = teeth * (1 + colourful * (np.array([1.0, 0.93, 0.80]) - 1))
    warm = tongue / tongue.max()
    rows = (teeth, rim, neck, tongue, gums, cavity, deep, gloss, warm, light)
    return MouthLook(*(np.asarray(row, np.float32) for row in rows))
