"""Writes the motion network as an ONNX file beside its weights, for ONNX Runtime.

    python -m sonic_stream.train.export [WEIGHTS]

One step of one hop for any number of slots: `mel` and the state in, curves, events and the next state
out. The tensors are stored as float16 and widened when the file is loaded.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from sonic_stream.motion.features import FRAMES_PER_HOP, MELS
from sonic_stream.motion.model import MotionNet, NetState
from sonic_stream.motion.weights import SHIPPED, load_net
from sonic_stream.onnx_file import OF, hash_of

SMALLEST_HALVED = 1024
"""Tensors of fewer numbers stay float32."""


class Step(nn.Module):
    """The network with its state as plain inputs and outputs."""

    def __init__(self, net: MotionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, mel: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        out, after = self.net(mel, NetState(*state))
        return out.curves, out.events, *after


def halve(model: onnx.ModelProto) -> None:
    """Stores large tensors as float16, each followed by a cast that the runtime folds away."""
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST_HALVED:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), name + "_half"))
        model.graph.node.insert(0, helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))


def export(weights: Path) -> Path:
    """Makes the ONNX file of `weights` and gives its path."""
    net, _ = load_net(weights)
    out = weights.with_suffix(".onnx")
    example = (torch.zeros(2, FRAMES_PER_HOP, MELS), *net.rest(2))
    after = [f"next_{name}" for name in NetState._fields]
    inputs, outputs = ["mel", *NetState._fields], ["curves", "events", *after]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Step(net),
            example,
            str(out),
            dynamo=False,
            opset_version=17,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: {0: "slots"} for name in (*inputs, *outputs)},
        )
    model = onnx.load(out)
    halve(model)
    model.metadata_props.add(key=OF, value=hash_of(weights))
    onnx.save(model, out)
    return out


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("weights", type=Path, nargs="?", default=SHIPPED)
    print(export(parser.parse_args().weights))


if __name__ == "__main__":
    main()
