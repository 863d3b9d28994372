"""The decoder's files: weights as safetensors, shapes and version in the metadata; and ONNX."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sonic_stream.errors import MissingPieceError
from sonic_stream.picture.decoder_net import DecoderConfig, DecoderNet

FORMAT: Final = "sonic-stream decoder 1"
SHIPPED: Final = Path(__file__).parent.parent / "weights" / "decoder.safetensors"
KINDS: Final = ("mouth", "eye")
"""The networks of a file; one for both eyes."""
_HOW: Final = "make them with: python -m sonic_stream.train.decoder --data DIR --out {path}"


def save_nets(path: Path, nets: dict[str, DecoderNet], notes: dict[str, Any]) -> None:
    """Writes all networks (float16: half the size, no visible loss) and notes."""
    tensors: dict[str, Tensor] = {}
    for kind, net in nets.items():
        for name, value in net.state_dict().items():
            tensors[f"{kind}.{name}"] = value.detach().half().contiguous().cpu()
    metadata = {
        "format": FORMAT,
        "configs": json.dumps({kind: net.config.to_json() for kind, net in nets.items()}),
        "notes": json.dumps(notes),
    }
    unfinished = path.with_suffix(".part")
    save_file(tensors, unfinished, metadata)
    unfinished.replace(path)


def load_nets(path: Path = SHIPPED) -> dict[str, DecoderNet]:
    """The networks by kind, ready to use.

    Errors: `MissingPieceError` when the file is absent, damaged or of another version.
    """
    how = _HOW.format(path=path)
    if not path.exists():
        raise MissingPieceError(f"The decoder weights {path} are missing; {how}")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise MissingPieceError(f"The decoder weights {path} cannot be read ({error}); {how}") from error
    if about.get("format") != FORMAT:
        raise MissingPieceError(
            f"The decoder weights {path} are of another version ({about.get('format', 'none named')!r}, "
            f"wanted {FORMAT!r}); {how}"
        )
    nets = {}
    try:
        for kind, config in json.loads(about["configs"]).items():
            net = DecoderNet(DecoderConfig.from_json(config))
            own = {k.removeprefix(f"{kind}."): v for k, v in tensors.items() if k.startswith(f"{kind}.")}
            net.load_state_dict(own)
            net.requires_grad_(False)
            nets[kind] = net.eval()
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise MissingPieceError(
            f"The decoder weights {path} do not fit their own description; {how}"
        ) from error
    if set(nets) != set(KINDS):
        raise MissingPieceError(
            f"The decoder weights {path} hold {sorted(nets)}, wanted {list(KINDS)}; {how}"
        )
    return nets


def notes_of(path: Path = SHIPPED) -> dict[str, Any]:
    """What was written down when the weights were made."""
    with safe_open(path, "pt") as file:
        notes: dict[str, Any] = json.loads((file.metadata() or {}).get("notes", "{}"))
    return notes


def onnx_path(weights: Path, kind: str) -> Path:
    """The ONNX file of one network, beside the weights."""
    return weights.with_name(f"{weights.stem}-{kind}.onnx")


def hash_of(weights: Path) -> str:
    """Names the exact weights an ONNX file belongs to."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def make_random(path: Path, seed: int = 0, strength: float = 0.02) -> None:
    """Writes networks that were never trained and do a little of everything (for tests)."""
    from sonic_stream.picture.decoder_net import EYE_CONFIG, MOUTH_CONFIG

    torch.manual_seed(seed)
    nets = {"mouth": DecoderNet(MOUTH_CONFIG), "eye": DecoderNet(EYE_CONFIG)}
    for net in nets.values():
        torch.nn.init.normal_(net.out.weight, std=strength)
    save_nets(path, nets, {"trained": False, "seed": seed})
