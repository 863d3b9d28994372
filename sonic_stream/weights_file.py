"""A file of trained weights: safetensors, with its format, descriptions and notes in the metadata.

It knows nothing of the networks; who reads a file builds the network and checks that the tensors fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sonic_stream.errors import MissingPieceError


def write(
    path: Path, format_: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any], notes: dict[str, Any]
) -> None:
    """Writes `tensors` as float16 (half the size; neither heard nor seen), whole or not at all."""
    halves = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in tensors.items()}
    told = {name: json.dumps(value) for name, value in (*about.items(), ("notes", notes))}
    unfinished = path.with_suffix(".part")
    save_file(halves, unfinished, {"format": format_, **told})
    unfinished.replace(path)


def read(path: Path, format_: str, what: str, how: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors as float32, and what the file says about itself, by the names it was written with.

    `what` names the weights and `how` tells how to make them, for the sentence of an error.
    Errors: `MissingPieceError` when the file is absent, damaged or of another version.
    """
    if not path.exists():
        raise MissingPieceError(f"The {what} weights {path} are missing; {how}")
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise MissingPieceError(f"The {what} weights {path} cannot be read ({error}); {how}") from error
    found = metadata.pop("format", "none named")
    if found != format_:
        raise MissingPieceError(
            f"The {what} weights {path} are of another version ({found!r}, wanted {format_!r}); {how}"
        )
    try:
        return tensors, {name: json.loads(value) for name, value in metadata.items()}
    except ValueError as error:
        raise misfit(path, what, how) from error


def misfit(path: Path, what: str, how: str) -> MissingPieceError:
    """The error for tensors that no network of the file's own description can take."""
    return MissingPieceError(f"The {what} weights {path} do not fit their own description; {how}")


def notes_of(path: Path) -> dict[str, Any]:
    """What was written down when the weights were made."""
    with safe_open(path, "pt") as file:
        notes: dict[str, Any] = json.loads((file.metadata() or {}).get("notes", "{}"))
    return notes
