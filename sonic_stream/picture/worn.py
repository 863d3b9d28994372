"""What glasses hold still: their rims are rigid, so the skin that carries them in the picture must not move.

Brows, cheeks and smiles fade out towards the rims and what lies behind them; lids move as ever.
"""

from __future__ import annotations

import numpy as np

from sonic_stream.face.glasses import find_glasses
from sonic_stream.face.head import PARTS, Head
from sonic_stream.types import F32, Identity

_HELD, _LET_GO = 1.35, 1.9
"""Distance from the line between the eyes up to which skin is held, and from which it moves freely again, in
radii of a lens."""
_LIDS_FREE, _LIDS_END = 0.35, 0.95
"""Distance from the lids' edge up to which skin moves as ever, and from which it is held, head units."""


def held_by_glasses(head: Head, identity: Identity, placed: F32) -> F32 | None:
    """How much each vertex is held, float32 [V] 0..1; `placed` [V, 2+] is the portrait's mesh, px. None where
    no glasses are worn."""
    glasses = find_glasses(identity.crop, identity.landmarks)
    if glasses is None:
        return None
    left, right = glasses
    points = placed[:, :2]
    across = left.middle - right.middle
    place = np.clip((points - right.middle) @ across / max(float(across @ across), 1e-6), 0, 1)
    away = np.linalg.norm(points - (right.middle + place[:, None] * across), axis=1)
    held = _ramp((_LET_GO - away / max(left.radius, right.radius)) / (_LET_GO - _HELD))
    lids = points[np.concatenate(head.lid_rims)]
    nearest = np.linalg.norm(points[:, None] - lids, axis=2).min(1) / identity.scale
    held *= _ramp((nearest - _LIDS_FREE) / (_LIDS_END - _LIDS_FREE))
    held[head.vertex_part != PARTS.index("skin")] = 0
    return held


def _ramp(share: F32) -> F32:
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)
