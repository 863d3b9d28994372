"""A portrait before one plain colour, for a view that makes that colour transparent (OBS and the like)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from sonic_stream.types import Identity

KEPT = 4
"""Portraits before a colour that are remembered: making one ready costs the engine a moment."""


def before(identity: Identity, colour: str) -> Identity:
    """`identity` with its background replaced by `colour` (rrggbb), blended by its matte."""
    ground = np.frombuffer(bytes.fromhex(colour), np.uint8).astype(np.float32)
    share = identity.matte[..., None].astype(np.float32) / 255
    crop = np.rint(identity.crop * share + ground * (1 - share)).astype(np.uint8)
    # The cache holds what was derived from the crop: it must not come along.
    return replace(identity, id=f"{identity.id}-{colour}", crop=crop, cache={})


class Backdrops:
    """Remembers the last ones, so that the engine knows them again."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, Identity] = OrderedDict()

    def place(self, identity: Identity, colour: str | None) -> Identity:
        if colour is None:
            return identity
        key = f"{identity.id}-{colour.lower()}"
        made = self._made.get(key) or before(identity, colour.lower())
        self._made[key] = made
        self._made.move_to_end(key)
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return made
