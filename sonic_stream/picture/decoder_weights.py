"""The decoder's files: weights as safetensors, shapes and version in the metadata; and ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from sonic_stream import weights_file
from sonic_stream.errors import MissingPieceError
from sonic_stream.picture.decoder_net import DecoderConfig, DecoderNet

FORMAT: Final = "sonic-stream decoder 1"
SHIPPED: Final = Path(__file__).parent.parent / "weights" / "decoder.safetensors"
KINDS: Final = ("mouth", "eye")
"""The networks of a file; one for both eyes."""
FIRST, LATER, FIRST_IN_8_BITS = "first", "later", "first-int8"
"""The ONNX files of a network: its first step, any further one, and the first partly in 8 bits."""
_HOW: Final = "make them with: python -m sonic_stream.train.decoder --data DIR --out {path}"


def save_nets(path: Path, nets: dict[str, DecoderNet], notes: dict[str, Any]) -> None:
    """Writes all networks and notes."""
    tensors: dict[str, Tensor] = {}
    for kind, net in nets.items():
        for name, value in net.state_dict().items():
            tensors[f"{kind}.{name}"] = value
    about = {"configs": {kind: net.config.to_json() for kind, net in nets.items()}}
    weights_file.write(path, FORMAT, tensors, about, notes)


def load_nets(path: Path = SHIPPED) -> dict[str, DecoderNet]:
    """The networks by kind, ready to use.

    Errors: `MissingPieceError` when the file is absent, damaged or of another version.
    """
    how = _HOW.format(path=path)
    tensors, about = weights_file.read(path, FORMAT, "decoder", how)
    nets = {}
    try:
        for kind, config in about["configs"].items():
            net = DecoderNet(DecoderConfig.from_json(config))
            own = {k.removeprefix(f"{kind}."): v for k, v in tensors.items() if k.startswith(f"{kind}.")}
            net.load_state_dict(own)
            net.requires_grad_(False)
            nets[kind] = net.eval()
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise weights_file.misfit(path, "decoder", how) from error
    if set(nets) != set(KINDS):
        raise MissingPieceError(
            f"The decoder weights {path} hold {sorted(nets)}, wanted {list(KINDS)}; {how}"
        )
    return nets


def notes_of(path: Path = SHIPPED) -> dict[str, Any]:
    """What was written down when the weights were made."""
    return weights_file.notes_of(path)


def onnx_path(weights: Path, kind: str, part: str) -> Path:
    """An ONNX file of one network, beside the weights."""
    return weights.with_name(f"{weights.stem}-{kind}-{part}.onnx")


def make_random(path: Path, seed: int = 0, strength: float = 0.02) -> None:
    """Writes networks that were never trained and do a little of everything (for tests)."""
    from sonic_stream.picture.decoder_net import EYE_CONFIG, MOUTH_CONFIG

    torch.manual_seed(seed)
    nets = {"mouth": DecoderNet(MOUTH_CONFIG), "eye": DecoderNet(EYE_CONFIG)}
    for net in nets.values():
        torch.nn.init.normal_(net.out.weight, std=strength)
    save_nets(path, nets, {"trained": False, "seed": seed})
