"""The motion network's file: safetensors, its configuration and version in the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from sonic_stream import weights_file
from sonic_stream.motion.model import MotionNet, NetConfig
from sonic_stream.types import F32, MOUTH_CHANNELS

FORMAT: Final = "sonic-stream motion 1"
SHIPPED: Final = Path(__file__).parent.parent / "weights" / "motion.safetensors"
HOW_TO_MAKE: Final = "make them with: python -m sonic_stream.train.motion --quick --out {path}"


def save_net(path: Path, net: MotionNet, units: F32, notes: dict[str, Any]) -> None:
    """Writes weights, channel units and notes."""
    about = {
        "config": net.config.to_json(),
        "channels": MOUTH_CHANNELS,
        "units": [float(u) for u in units],
    }
    weights_file.write(path, FORMAT, net.state_dict(), about, notes)


def load_net(path: Path = SHIPPED) -> tuple[MotionNet, F32]:
    """The network ready to use, and what one unit of each mouth channel is worth.

    Errors: `MissingPieceError` when the file is absent, damaged or of another version.
    """
    how = HOW_TO_MAKE.format(path=path)
    tensors, about = weights_file.read(path, FORMAT, "motion", how)
    try:
        if about["channels"] != list(MOUTH_CHANNELS) or len(about["units"]) != len(MOUTH_CHANNELS):
            raise ValueError("other channels")
        net = MotionNet(NetConfig.from_json(about["config"]))
        net.load_state_dict(tensors)
        units = np.array(about["units"], np.float32)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise weights_file.misfit(path, "motion", how) from error
    net.requires_grad_(False)
    return net.eval(), units


def notes_of(path: Path = SHIPPED) -> dict[str, Any]:
    """What was written down when the weights were made."""
    return weights_file.notes_of(path)
