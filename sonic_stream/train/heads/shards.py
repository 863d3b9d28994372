"""Training pairs on disk: an uncompressed .npz for some people's mouths and one for their eyes.

inputs uint8 [N, h, w, 7], target uint8 [N, h, w, 3], weight uint8 [N, h, w]; reference uint8 [P, h, w, 3],
for each mouth or eye, and people int32 [P], whose it is; person int32 [N], row of `reference`; clip and frame
int32 [N]; coeffs float32 [N, C]; same bool [N], the target is the input; side int32 [N], 1 for right eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sonic_stream.picture.decoder_patch import EYE_LEFT, MOUTH
from sonic_stream.train.heads.pairs import Row


def write_shards(folder: Path, name: str, people: Sequence[tuple[int, list[Row]]]) -> int:
    """Writes `mouth-NAME.npz` and `eye-NAME.npz`; the number of rows. A file appears when it is whole."""
    total = 0
    for kind in ("mouth", "eye"):
        picked = [[row for row in rows if (row.region == MOUTH) == (kind == "mouth")] for _, rows in people]
        rows = [(i, row) for i, of_one in enumerate(picked) for row in of_one]
        if not rows:
            continue
        total += len(rows)
        if kind == "mouth":
            rows.sort(key=lambda r: (r[0], r[1].clip, r[1].frame))
        else:
            rows.sort(key=lambda r: (r[0], r[1].region, r[1].clip, r[1].frame))
        # One portrait shows one reference for each region; eyes are numbered 2 * person + side.
        references: dict[int, Any] = {}
        person, clip = [], []
        for i, row in rows:
            number = i if kind == "mouth" else 2 * i + (row.region != EYE_LEFT)
            references.setdefault(number, row.reference)
            person.append(number)
            clip.append(row.clip)
        order = {number: k for k, number in enumerate(sorted(references))}
        per = 1 if kind == "mouth" else 2
        arrays: dict[str, Any] = {
            "inputs": np.stack([row.inputs for _, row in rows]),
            "target": np.stack([row.target for _, row in rows]),
            "weight": np.stack([row.weight for _, row in rows]),
            "reference": np.stack([references[number] for number in sorted(references)]),
            "person": np.array([order[number] for number in person], np.int32),
            "people": np.array([people[number // per][0] for number in sorted(references)], np.int32),
            "clip": np.array(clip, np.int32),
            "frame": np.array([row.frame for _, row in rows], np.int32),
            "coeffs": np.stack([row.coeffs for _, row in rows]).astype(np.float32),
            "same": np.array([row.same for _, row in rows]),
            "side": np.array([row.region not in (MOUTH, EYE_LEFT) for _, row in rows], np.int32),
        }
        path = folder / f"{kind}-{name}.npz"
        temporary = path.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.rename(path)
    return total
