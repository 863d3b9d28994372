"""Mouth shapes with names, for whoever draws or controls a mouth of their own by what this one does."""

from __future__ import annotations

from sonic_stream.types import CHANNEL_INDEX, F32

SHAPES = ("rest", "closed", "teeth", "open", "wide", "round", "narrow", "tongue")
"""rest: nobody speaks. closed: p, b, m. teeth: f, v. open: a. wide: e, i. round: o. narrow: u, w.
tongue: l, th and what else is said with a nearly shut mouth."""

SHUT, OPEN = 0.5, 0.035
"""Activation from which lips count as shut; aperture (of the face height) from which a mouth is open."""
ROUND = 0.35
WIDE = 0.012
"""Width over rest (of the face height)."""


def mouth_shape(coeffs: F32, speaking: float) -> tuple[str, float]:
    """The shape that a picture's coefficients show, and how strongly, 0..1."""

    def at(name: str) -> float:
        return float(coeffs[CHANNEL_INDEX[name]])

    if speaking < 0.2:
        return "rest", 1.0
    aperture = at("aperture")
    if at("close") > SHUT:
        return "closed", min(1.0, at("close"))
    if at("labiodental") > SHUT:
        return "teeth", min(1.0, at("labiodental"))
    if at("pucker") > ROUND and at("pucker") >= at("funnel"):
        return "narrow", min(1.0, at("pucker"))
    if at("funnel") > ROUND:
        return "round", min(1.0, at("funnel"))
    if aperture > OPEN:
        return "open", min(1.0, aperture / (2.5 * OPEN))
    if at("width") > WIDE or at("stretch") > ROUND:
        return "wide", min(1.0, max(at("stretch"), at("width") / (3 * WIDE)))
    return "tongue", min(1.0, 0.3 + at("tongue_tip"))
