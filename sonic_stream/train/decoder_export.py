"""Writes the decoder's networks as ONNX files beside their weights, for ONNX Runtime.

    python -m sonic_stream.train.decoder_export [WEIGHTS]

One step for any number of patches: inputs, reference, tone, state and step in, the next state and its change
of the patch out. Large tensors are stored as float16 and widened when a file is loaded.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import onnx
import torch

from sonic_stream.onnx_file import OF, hash_of
from sonic_stream.picture.decoder_net import DecoderNet
from sonic_stream.picture.decoder_patch import MAPS
from sonic_stream.picture.decoder_weights import SHIPPED, load_nets, onnx_path
from sonic_stream.train.export import halve


def export(weights: Path) -> list[Path]:
    """Makes the ONNX files of `weights` and gives their paths."""
    return [
        _export(net, onnx_path(weights, kind), hash_of(weights)) for kind, net in load_nets(weights).items()
    ]


def _export(net: DecoderNet, out: Path, of: str) -> Path:
    height, width = net.config.height_px, net.config.width_px
    example = (
        torch.zeros(2, height, width, MAPS, dtype=torch.uint8),
        torch.zeros(2, height, width, 3, dtype=torch.uint8),
        torch.ones(2, 4),
        net.rest(2),
        torch.zeros(2, dtype=torch.int64),
    )
    names = ["inputs", "reference", "tone", "state", "step"]
    answers = ["next_state", "change"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            example,
            str(out),
            dynamo=False,
            opset_version=17,
            input_names=names,
            output_names=answers,
            dynamic_axes={name: {0: "patches"} for name in (*names, *answers)},
        )
    model = onnx.load(out)
    halve(model)
    model.metadata_props.add(key=OF, value=of)
    onnx.save(model, out)
    return out


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("weights", type=Path, nargs="?", default=SHIPPED)
    for path in export(parser.parse_args().weights):
        print(path)


if __name__ == "__main__":
    main()
