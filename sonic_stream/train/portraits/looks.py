"""The people in the bundled portraits. None of them exists."""

import numpy as np

from sonic_stream.train.portraits.clothes import Top
from sonic_stream.train.portraits.hair import HairStyle
from sonic_stream.train.portraits.look import Look


def drawn(seed: int, spread: float = 0.7, components: int = 30) -> dict[int, float]:
    """An identity drawn at random."""
    rng = np.random.default_rng(seed)
    return {i: float(rng.normal() * spread) for i in range(components)}


MIRA = Look(
    name="mira",
    identity=drawn(3),
    expression={
        "mouthSmile": 0.26,
        "mouthPress": 0.1,
        "eyeWide": 0.08,
        "browInnerUp": -0.35,
        "browOuterUp": 0.25,
    },
    skin=(0.70, 0.39, 0.285),
    lip=(0.50, 0.12, 0.11),
    iris=(0.10, 0.038, 0.012),
    melanin=0.72,
    redness=0.45,
    style=HairStyle(strands=44000, wave=0.40, tuck=0.16, lift=0.8),
    brow=0.34,
    eye_size=1.05,
    exposure=0.95,
    lens_mm=120,
    bokeh=16,
    top=Top((0.06, 0.16, 0.19), shoulders=0.88),
    back_top=(0.50, 0.44, 0.37),
    back_low=(0.15, 0.12, 0.10),
    seed=3,
)
TARIQ = Look(
    name="tariq",
    identity=drawn(10),
    expression={"mouthSmile": 0.28, "browOuterUp": 0.1},
    skin=(0.30, 0.145, 0.075),
    lip=(0.27, 0.095, 0.075),
    iris=(0.05, 0.02, 0.008),
    melanin=0.97,
    redness=0.2,
    style=HairStyle(strands=52000, length_top=1.7, length_side=0.34, coil=0.10, turns=3.0),
    beard=11000,
    exposure=0.95,
    bokeh=14,
    scalp=(0.12, 0.10, 0.10),
    brow=0.54,
    lash=0.4,
    blush=0.25,
    top=Top((0.44, 0.40, 0.34), shoulders=1.08),
    back_top=(0.22, 0.30, 0.36),
    back_low=(0.06, 0.09, 0.12),
    seed=7,
    roughness=0.38,
)
JUNO = Look(
    name="juno",
    identity=drawn(1),
    expression={"mouthSmile": 0.3, "eyeWide": 0.1, "browInnerUp": -0.2, "browOuterUp": 0.2},
    skin=(0.80, 0.50, 0.38),
    lip=(0.62, 0.16, 0.16),
    iris=(0.05, 0.19, 0.12),
    melanin=0.44,
    redness=1.0,
    style=HairStyle(
        parting=-1.8,
        length_side=15.0,
        length_top=18.0,
        end_y=-8.0,
        wave=0.8,
        tuck=0.25,
        lift=1.1,
        radius=0.024,
    ),
    scalp=(0.5, 0.3, 0.25),
    brow=0.36,
    lash=0.75,
    blush=1.0,
    eye_size=1.28,
    top=Top((0.62, 0.30, 0.08), shoulders=0.86),
    back_top=(0.30, 0.52, 0.55),
    back_low=(0.10, 0.22, 0.30),
    sun=(1.0, 0.80, 0.45),
    seed=11,
    exposure=1.0,
    painted=True,
)

LOOKS = (MIRA, TARIQ, JUNO)
