"""What a synthetic person looks like and how the picture was taken: numbers drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonic_stream.types import F32

Rgb = tuple[float, float, float]

_SKINS = np.array(
    [
        (0.72, 0.47, 0.37),
        (0.62, 0.38, 0.28),
        (0.52, 0.30, 0.20),
        (0.37, 0.20, 0.125),
        (0.22, 0.115, 0.07),
        (0.11, 0.06, 0.04),
    ]
)
"""Linear RGB from pale to dark; people lie between neighbours."""
_TEETH = np.array(
    [
        (0.76, 0.72, 0.63),
        (0.72, 0.66, 0.54),
        (0.66, 0.60, 0.49),
        (0.60, 0.51, 0.38),
        (0.80, 0.77, 0.70),
        (0.62, 0.50, 0.30),
    ]
)
_IRISES = np.array(
    [
        (0.10, 0.045, 0.02),
        (0.17, 0.09, 0.035),
        (0.16, 0.15, 0.06),
        (0.12, 0.2, 0.28),
        (0.2, 0.24, 0.26),
        (0.03, 0.016, 0.01),
    ]
)
_HAIRS = np.array(
    [
        (0.012, 0.009, 0.008),
        (0.035, 0.018, 0.01),
        (0.12, 0.06, 0.028),
        (0.35, 0.22, 0.1),
        (0.4, 0.38, 0.36),
        (0.2, 0.05, 0.015),
    ]
)
STYLES = ("photograph", "posterised", "painted", "tinted")


@dataclass(frozen=True, slots=True)
class Look:
    """One person, one light, one camera. Colours are linear RGB [3], 0..1."""

    seed: int
    skin: F32
    lip: F32
    teeth: F32
    gum: F32
    tongue: F32
    iris: F32
    hair: F32
    cloth: F32
    wall: tuple[Rgb, Rgb]
    blush: float
    uneven: float
    freckles: float
    pores: float
    creases: float
    lip_gloss: float
    skin_gloss: float
    brow: float
    beard: float
    """0 none .. 0.3 stubble .. 1 full."""
    lash: float
    shadow: float
    """Make-up on the lids."""
    bald: bool
    hairline: float
    hair_thick: float
    glasses: bool
    tooth_gaps: float
    key: F32
    """Unit vector towards the key light, picture axes (y down)."""
    key_colour: F32
    key_soft: float
    """0.05 hard .. 1 soft."""
    sky: F32
    ground: F32
    exposure: float
    contrast: float
    blur_px: float
    noise: float
    jpeg: int
    style: str


def _mix(rng: np.random.Generator, colours: np.ndarray, spread: float) -> F32:
    place = rng.uniform(0, len(colours) - 1)
    low = int(min(place, len(colours) - 2))
    colour = colours[low] + (place - low) * (colours[low + 1] - colours[low])
    return np.asarray(np.clip(colour * np.exp(spread * rng.normal(size=3)), 0.004, 0.95), np.float32)


def draw_look(seed: int) -> Look:
    """The look that belongs to `seed`."""
    rng = np.random.default_rng([seed, 77])
    skin = _mix(rng, _SKINS, 0.04)
    depth = float(skin.mean())
    red = np.array([1.0 - 0.2 * depth, 0.50 + 0.12 * rng.random(), 0.55 + 0.12 * rng.random()])
    lip = skin * red * rng.uniform(0.7, 1.05)
    if rng.random() < 0.25:  # lipstick
        stick = np.array([(0.45, 0.03, 0.05), (0.5, 0.12, 0.14), (0.3, 0.04, 0.09), (0.55, 0.2, 0.17)])
        lip = lip + rng.uniform(0.4, 0.9) * (stick[rng.integers(4)] - lip)
    pink = np.array([0.50, 0.17, 0.15]) * rng.uniform(0.7, 1.2)
    key = np.array([rng.normal(0, 0.55), -rng.uniform(-0.05, 0.9), rng.uniform(0.5, 1.1)])
    flat, fill = rng.random(), rng.uniform(0.25, 0.8)
    light = rng.random()
    if light < 0.2:  # from the side, as painters like it: half of the face in shade
        key[0] = np.sign(key[0]) * rng.uniform(0.9, 1.8)
        fill = rng.uniform(0.12, 0.5)
    elif light < 0.3:  # from high above: eyes in their sockets' shade
        key = np.array([0.5 * key[0], -rng.uniform(0.9, 1.6), rng.uniform(0.5, 0.9)])
        fill = rng.uniform(0.12, 0.4)
    warm = rng.normal(0, 0.09)
    male = rng.random() < 0.5
    beard = 0.0 if not male else float(rng.choice([0, 0.25, 0.4, 1.0], p=[0.4, 0.22, 0.18, 0.2]))
    wall = rng.uniform(0.02, 0.75) * (1 + 0.25 * rng.normal(size=(2, 3)))
    top, low = np.clip(wall, 0.01, 0.95)
    degraded = rng.random()
    return Look(
        seed=seed,
        skin=skin,
        lip=np.asarray(np.clip(lip, 0.01, 0.8), np.float32),
        teeth=np.asarray(
            np.clip(_TEETH[rng.integers(len(_TEETH))] * np.exp(0.025 * rng.normal(size=3)), 0.2, 0.93),
            np.float32,
        ),
        gum=np.asarray(
            np.clip(pink * (0.5 + 0.8 * depth) * np.exp(0.08 * rng.normal(size=3)), 0.03, 0.7), np.float32
        ),
        tongue=np.asarray(
            np.clip(np.array([0.48, 0.17, 0.15]) * np.exp(0.12 * rng.normal(size=3)), 0.05, 0.7), np.float32
        ),
        iris=_IRISES[rng.integers(6)].astype(np.float32) * np.float32(np.exp(0.2 * rng.normal())),
        hair=np.asarray(_HAIRS[rng.integers(6)] * np.exp(0.2 * rng.normal()), np.float32),
        cloth=np.asarray(rng.uniform(0.02, 0.6) * np.exp(0.5 * rng.normal(size=3)).clip(0.3, 2), np.float32),
        wall=(tuple(map(float, top)), tuple(map(float, low))),  # type: ignore[arg-type]
        blush=float(rng.uniform(0, 0.5)),
        uneven=float(rng.uniform(0.3, 1.3)),
        freckles=float(rng.random() ** 2 * (rng.random() < 0.3)),
        pores=float(rng.uniform(0.2, 1.2)),
        creases=float(rng.uniform(0.2, 1.2)),
        lip_gloss=float(rng.uniform(0.15, 1.0) if rng.random() < 0.8 else rng.uniform(1, 2)),
        skin_gloss=float(rng.uniform(0.1, 0.9)),
        brow=float(rng.uniform(0.4, 1.25)),
        beard=beard,
        lash=float(rng.uniform(0.4, 0.8) if male else rng.uniform(0.6, 1.3)),
        shadow=float(0 if male else rng.random() * (rng.random() < 0.5)),
        bald=bool(male and rng.random() < 0.12),
        hairline=float(rng.normal(0, 0.6)),
        hair_thick=float(rng.uniform(0.3, 1.6)),
        glasses=bool(rng.random() < 0.18),
        tooth_gaps=float(rng.uniform(0.3, 1.0)),
        key=np.asarray(key / np.linalg.norm(key), np.float32),
        key_colour=np.asarray(np.array([1 + warm, 1.0, 1 - warm]) * (1.25 - 0.6 * fill), np.float32),
        key_soft=float(0.06 + 0.9 * flat**1.5),
        sky=np.asarray(
            fill * (1 + rng.normal(0, 0.08) * np.array([1, 0.1, -1]) + 0.02 * rng.normal(size=3)), np.float32
        ),
        ground=np.asarray(0.6 * fill * (np.array([1.08, 0.98, 0.9]) + 0.04 * rng.normal(size=3)), np.float32),
        exposure=float(np.exp(rng.normal(0.05, 0.22)) * (0.50 / (0.25 + depth)) ** 0.35),
        contrast=float(rng.uniform(0.9, 1.2)),
        blur_px=float(rng.uniform(0.0, 0.5) if degraded < 0.6 else rng.uniform(0.5, 1.4)),
        noise=float(rng.uniform(0.0, 1.5) if degraded < 0.5 else rng.uniform(1.5, 6.0)),
        jpeg=int(rng.integers(82, 97) if rng.random() < 0.7 else rng.integers(45, 82)),
        style=str(rng.choice(STYLES, p=[0.84, 0.05, 0.07, 0.04])),
    )
