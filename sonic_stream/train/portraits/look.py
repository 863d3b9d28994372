"""What makes one portrait, as plain numbers; nothing here knows the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sonic_stream.train.portraits.clothes import Top
from sonic_stream.train.portraits.glasses import Glasses
from sonic_stream.train.portraits.hair import HairStyle

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """A person who does not exist, what is worn, and the room. Colours are linear RGB, 0..1."""

    name: str
    identity: dict[int, float]
    """Weights of the head's identity components."""
    expression: dict[str, float]
    """Weights of the head's expressions; a name without `_L` and `_R` means both sides."""
    skin: Colour
    lip: Colour
    iris: Colour
    melanin: float
    """Of the hair: 0 is white, 1 black."""
    redness: float
    """Of the hair's pigment."""
    style: HairStyle
    top: Top
    grey: Colour | None = None
    """Colour of hair that has lost its pigment; takes the place of `melanin`."""
    scalp: Colour = (0.30, 0.24, 0.22)
    """Shade of the skin under the hair."""
    brow: float = 0.4
    """Thickness of the brows (cm)."""
    lash: float = 0.55
    """Length of the lashes (cm)."""
    eye_size: float = 1.0
    """Above 1 for the proportions of a drawing."""
    blush: float = 0.5
    """Redness of cheeks, nose and ears."""
    beard: int = 0
    """Hairs of the stubble or beard."""
    beard_length: float = 0.16
    """Of its hairs (cm)."""
    glasses: Glasses | None = None
    teeth: bool = False
    """Whether the lips are parted, so that teeth are seen."""
    years: float = 0.0
    """Folds and lines; 1 is about seventy."""
    light: Literal["soft", "side"] = "soft"
    clay: bool = False
    """A modelled figure: even skin, hair and brows in thick strands."""
    clay_hair: Colour = (0.30, 0.10, 0.04)
    """Colour of a figure's hair and brows."""
    taper: float = 0.0
    """How much the head narrows towards the chin and widens above, for a figure."""
    iris_size: float = 1.0
    roughness: float = 0.42
    """Of the skin; lower shines more."""
    back_top: Colour = (0.30, 0.34, 0.38)
    back_low: Colour = (0.10, 0.12, 0.15)
    bokeh: int = 0
    """Out-of-focus lights in the background."""
    sun: Colour | None = None
    """A flat disc behind the head, as on a poster."""
    turned_deg: float = 0.0
    """How far head and shoulders are turned about the upright axis; the eyes stay near the camera."""
    lens_mm: float = 112
    """Longer brings the face closer."""
    exposure: float = 0.75
    """Stops."""
    painted: bool = False
    """Finish as a painting."""
    seed: int = 1
