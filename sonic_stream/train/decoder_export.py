"""Writes the decoder's networks as ONNX files beside their weights, for ONNX Runtime.

    python -m sonic_stream.train.decoder_export [WEIGHTS] [--data DIR]

Of each network the first step and any further one, for any number of patches: inputs, reference, tone (and
state and step) in, the next state and its change of the patch out. Large tensors are stored as float16 and
widened when a file is loaded. With `--data`, training shards, the mouth's first step in 8 bits, too.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from torch import nn

from sonic_stream.onnx_file import OF, hash_of
from sonic_stream.picture.decoder_net import DecoderNet
from sonic_stream.picture.decoder_patch import MAPS
from sonic_stream.picture.decoder_weights import FIRST, FIRST_IN_8_BITS, LATER, SHIPPED, load_nets, onnx_path
from sonic_stream.train.decoder_folded import FIRST_INPUTS, LATER_INPUTS, FirstStep, LaterStep
from sonic_stream.train.export import halve

IN_8_BITS = "mouth"
"""The network that gains by it: an eye's patch is too small."""


def export(weights: Path, data: Path | None = None) -> list[Path]:
    """Makes the ONNX files of `weights` and gives their paths; with `data` also the one in 8 bits.

    Errors: `MissingPieceError` for weights that cannot be used, `BadInputError` for data without shards.
    """
    made = []
    for kind, net in load_nets(weights).items():
        first = _traced(net, FirstStep(net), FIRST_INPUTS)
        models = {FIRST: first, LATER: _traced(net, LaterStep(net), LATER_INPUTS)}
        if data is not None and kind == IN_8_BITS:
            from sonic_stream.train.decoder_quantise import drawn, quantise

            models[FIRST_IN_8_BITS] = quantise(first, *drawn(data, kind))
        for part, model in models.items():
            halve(model)
            model.metadata_props.add(key=OF, value=hash_of(weights))
            out = onnx_path(weights, kind, part)
            onnx.save(model, out)
            made.append(out)
    return made


def _traced(net: DecoderNet, step: nn.Module, inputs: tuple[str, ...]) -> onnx.ModelProto:
    height, width = net.config.height_px, net.config.width_px
    example = (
        torch.zeros(2, height, width, MAPS, dtype=torch.uint8),
        torch.zeros(2, height, width, 3, dtype=torch.uint8),
        torch.ones(2, 4),
        net.rest(2),
        torch.zeros(2, dtype=torch.int64),
    )[: len(inputs)]
    answers = ["next_state", "change"]
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / "step.onnx"
        warnings.simplefilter("ignore")
        torch.onnx.export(
            step.eval(),
            example,
            str(file),
            dynamo=False,
            opset_version=17,
            input_names=list(inputs),
            output_names=answers,
            dynamic_axes={name: {0: "patches"} for name in (*inputs, *answers)},
        )
        return onnx.load(file)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("weights", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--data", type=Path, help="shards of sonic_stream.train.heads, for 8 bits")
    chosen = parser.parse_args()
    for path in export(chosen.weights, chosen.data):
        print(path)


if __name__ == "__main__":
    main()
