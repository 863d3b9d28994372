"""ICT-FaceKit as it comes, and the landmarks of the MediaPipe face mesh by which places are found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonic_stream.train.landmarks import mirrored_places

Array = NDArray[Any]

# Landmarks of the MediaPipe face mesh (its published topology).
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIM_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
RIM_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LID_LEFT_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LID_LEFT_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
LID_RIGHT_UPPER = (133, 173, 157, 158, 159, 160, 161, 246, 33)
LID_RIGHT_LOWER = (133, 155, 154, 153, 145, 144, 163, 7, 33)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)


@dataclass(frozen=True)
class Source:
    """ICT-FaceKit as it comes: vertices, shapes, polygons with texture coordinates."""

    vertices: Array
    expression: Array
    identity: Array
    names: list[str]
    quads: Array
    uv: Array
    quad_uv: Array
    landmarks: Array
    ranges: dict[str, tuple[int, int]]

    @classmethod
    def read(cls, folder: Path) -> Source:
        z = np.load(folder / "ict_facekit.npz")
        index = json.loads((folder / "index.json").read_text())
        source = cls(
            z["V"],
            z["E"].astype(np.float32),
            z["I"].astype(np.float32),
            [str(n) for n in z["names"]],
            z["quads"],
            z["vt"],
            z["quadt"],
            np.load(folder / "mediapipe_to_ict.npz")["idx"],
            {k: (a, b) for k, (a, b) in index["vertex_ranges_half_open"].items()},
        )
        opened = source.shape(jawOpen=0.8, mouthUpperUp=0.4, eyeBlink=-0.3)
        lips = RIM_UPPER + RIM_LOWER
        places = mirrored_places(source.landmarks, lips, (source.vertices, opened), source.ranges["face"][1])
        return replace(source, landmarks=places)

    def shape(self, **weights: float) -> Array:
        """The mean head with expressions; a name without side moves both."""
        vertices = self.vertices.copy()
        for name, weight in weights.items():
            for full in (name,) if name in self.names else (f"{name}_L", f"{name}_R"):
                vertices += weight * self.expression[self.names.index(full)]
        return vertices
