"""The motion network's file: safetensors, its configuration and version in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sonic_stream.errors import MissingPieceError
from sonic_stream.motion.model import MotionNet, NetConfig
from sonic_stream.types import F32, MOUTH_CHANNELS

FORMAT = "sonic-stream motion 1"
SHIPPED = Path(__file__).parent.parent / "weights" / "motion.safetensors"
HOW_TO_MAKE = "make them with: python -m sonic_stream.train.motion --quick --out {path}"


def save_net(path: Path, net: MotionNet, units: F32, notes: dict[str, Any]) -> None:
    """Writes weights (float16: half the size, no audible loss), channel units and notes."""
    tensors = {k: v.half().contiguous() for k, v in net.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(net.config.to_json()),
        "channels": json.dumps(MOUTH_CHANNELS),
        "units": json.dumps([float(u) for u in units]),
        "notes": json.dumps(notes),
    }
    unfinished = path.with_suffix(".part")
    save_file(tensors, unfinished, metadata)
    unfinished.replace(path)


def load_net(path: Path = SHIPPED) -> tuple[MotionNet, F32]:
    """The network ready to use, and what one unit of each mouth channel is worth.

    Errors: `MissingPieceError` when the file is absent, damaged or of another version.
    """
    how = HOW_TO_MAKE.format(path=path)
    if not path.exists():
        raise MissingPieceError(f"The motion weights {path} are missing; {how}")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as e:
        raise MissingPieceError(f"The motion weights {path} cannot be read ({e}); {how}") from e
    if about.get("format") != FORMAT or about.get("channels") != json.dumps(MOUTH_CHANNELS):
        raise MissingPieceError(
            f"The motion weights {path} are of another version ({about.get('format', 'none named')!r}, "
            f"wanted {FORMAT!r}); {how}"
        )
    net = MotionNet(NetConfig.from_json(json.loads(about["config"])))
    try:
        net.load_state_dict(tensors)
    except RuntimeError as e:
        raise MissingPieceError(f"The motion weights {path} do not fit their own description; {how}") from e
    net.requires_grad_(False)
    return net.eval(), np.array(json.loads(about["units"]), np.float32)


def notes_of(path: Path = SHIPPED) -> dict[str, Any]:
    """What was written down when the weights were made."""
    with safe_open(path, "pt") as file:
        notes: dict[str, Any] = json.loads((file.metadata() or {}).get("notes", "{}"))
    return notes
