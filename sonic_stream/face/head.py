"""The compact head model: a mesh with identity and expression shapes, read from `weights/head.safetensors`.

Axes: x to the head's left, y up, z forward, in units of about a centimetre. A head is
`mean + identity . shape + expression . weights`. It knows nothing of cameras or pixels.
The shapes were learned from ICT-FaceKit (Li et al. 2020, MIT licence) by `sonic_stream.train.head`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from sonic_stream.errors import MissingPieceError
from sonic_stream.types import F32

HEAD_VERSION = "1"
I32 = NDArray[np.int32]

PARTS = ("skin", "skull", "cavity", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue")


@dataclass(frozen=True, slots=True)
class Head:
    """The mesh and its shapes; all arrays are read-only.

    `expression_names` are ARKit-like (`jawOpen`, `eyeBlink_L`, ...) plus `tongueTip`, `tongueOut` and
    `tongueBack`. Skin, skull and cavity share vertices along their seams, so `vertex_part` tells where a
    vertex was first met while `triangle_part` is exact.
    """

    mean: F32
    """float32 [V, 3], no expression, lips just closed, eyes open."""
    identity: F32
    """float32 [I, V, 3]; coefficients are about N(0, 1)."""
    expression: F32
    """float32 [E, V, 3]; weights 0..1."""
    expression_names: tuple[str, ...]
    triangles: I32
    """int32 [T, 3], counter-clockwise seen from outside."""
    triangle_part: I32
    """int32 [T], index into `PARTS`."""
    vertex_part: I32
    """int32 [V], index into `PARTS`."""
    landmarks: I32
    """int32 [468]: the vertex under each point of the MediaPipe face mesh."""
    eye_centres: F32
    """float32 [2, 3]: centres of the left and right eyeball of the mean head."""
    eye_centres_identity: F32
    """float32 [I, 2, 3]."""
    eye_radius: float
    lip_rim_upper: I32
    """Vertices of the upper inner lip rim, from the head's right to its left."""
    lip_rim_lower: I32
    lid_rims: tuple[I32, I32, I32, I32]
    """Vertices of the lid margins: left upper, left lower, right upper, right lower; nose to temple."""

    def expression_index(self, name: str) -> int:
        """Position of a shape in `expression` by its name."""
        return self.expression_names.index(name)

    def shaped(self, shape: F32, expression: F32 | None = None) -> F32:
        """Vertices float32 [V, 3] of identity coefficients [<= I] and expression weights [E]."""
        vertices = self.mean + np.tensordot(shape, self.identity[: len(shape)], 1)
        if expression is not None:
            vertices = vertices + np.tensordot(expression, self.expression, 1)
        return np.asarray(vertices, np.float32)

    def triangles_of(self, *parts: str) -> I32:
        """The triangles int32 [T', 3] of the parts named."""
        wanted = [PARTS.index(part) for part in parts]
        return np.ascontiguousarray(self.triangles[np.isin(self.triangle_part, wanted)])


def _read(path: Path) -> Head:
    try:
        with safe_open(str(path), framework="numpy") as file:
            meta: dict[str, Any] = file.metadata() or {}
            if meta.get("version") != HEAD_VERSION:
                raise MissingPieceError(
                    f"{path.name} is version {meta.get('version')}, version {HEAD_VERSION} is needed;"
                    " make it with: python -m sonic_stream.train.head --data DIR"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError) as error:
        raise MissingPieceError(
            f"The head model {path.name} is missing or damaged ({error});"
            " reinstall, or make it with: python -m sonic_stream.train.head --data DIR"
        ) from error
    tensors["identity"] = (
        tensors["identity"].astype(np.float32) * tensors.pop("identity_scale")[:, None, None]
    )
    tensors["expression"] = (
        tensors["expression"].astype(np.float32) * tensors.pop("expression_scale")[:, None, None]
    )
    rims = tuple(tensors.pop(f"lid_rim_{i}") for i in range(4))
    for array in (*tensors.values(), *rims):
        array.setflags(write=False)
    return Head(
        **tensors,
        lid_rims=(rims[0], rims[1], rims[2], rims[3]),
        expression_names=tuple(json.loads(meta["expression_names"])),
        eye_radius=float(meta["eye_radius"]),
    )


@cache
def load_head() -> Head:
    """The shipped head model, read once.

    Errors: `MissingPieceError` when the weight file is absent, damaged or of another version.
    """
    with resources.as_file(resources.files("sonic_stream") / "weights" / "head.safetensors") as path:
        return _read(path)
