"""Stores a part of an exported decoder network in 8 bits, calibrated with training patches.

Only layers that bear it: the first block and those at half resolution. Behind them numbers grow large (where
nothing shall be laid on, alpha is pressed far down), so that 256 levels are too coarse: with all layers in
8 bits the mouth loses 1.6 dB, with these nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from sonic_stream.picture.decoder_net import tone_of
from sonic_stream.train.decoder_data import draw, load
from sonic_stream.types import F32, U8

LAYERS: Final = ("/before/", "/down/", "/middle/")
"""Where in the graph layers lie that bear 8 bits."""
PATCHES: Final = 60
_KEPT_PERCENT: Final = 99.99
"""Share of the numbers seen whose range the levels are spread over."""


class _Reader:
    """Patches one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, inputs: U8, reference: U8) -> None:
        self._left: Iterator[dict[str, U8 | F32]] = iter(
            {"inputs": inputs[n : n + 1], "reference": own, "tone": tone_of(own)}
            for n in range(len(inputs))
            for own in (reference[n : n + 1],)
        )

    def get_next(self) -> dict[str, U8 | F32] | None:
        return next(self._left, None)


def drawn(folder: Path, kind: str, count: int = PATCHES, seed: int = 0) -> tuple[U8, U8]:
    """Patches and their portraits' own from training shards, varied as in training.

    Errors: `BadInputError` where there are none.
    """
    batch = draw(load(folder, kind), count, kind == "mouth", np.random.default_rng(seed))
    one_of_each_run = slice(None, None, len(batch.inputs) // count)
    inputs, reference = (np.round(part[one_of_each_run]) for part in (batch.inputs, batch.reference))
    return inputs.astype(np.uint8), reference.astype(np.uint8)


def quantise(model: onnx.ModelProto, inputs: U8, reference: U8) -> onnx.ModelProto:
    """`model`, a first step in float32, with `LAYERS` in 8 bits; the patches tell how far numbers reach."""
    with TemporaryDirectory() as folder:
        plain, ready, done = (Path(folder) / name for name in ("plain.onnx", "ready.onnx", "done.onnx"))
        onnx.save(model, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        nodes: Any = onnx.load(ready).graph.node
        chosen = [n.name for n in nodes if n.op_type == "Conv" and any(part in n.name for part in LAYERS)]
        quantize_static(
            ready,
            done,
            _Reader(inputs, reference),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=chosen,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": _KEPT_PERCENT},
        )
        return onnx.load(done)
