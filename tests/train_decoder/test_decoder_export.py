from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from sonic_stream.picture.decoder_backends import AGREEMENT, OnnxBackend, TorchBackend, choose
from sonic_stream.picture.decoder_gpu import made_up
from sonic_stream.picture.decoder_net import EYE_CONFIG, MOUTH_CONFIG, DecoderConfig, DecoderNet
from sonic_stream.picture.decoder_weights import FIRST_IN_8_BITS, load_nets, make_random, onnx_path
from sonic_stream.train.decoder_export import export
from sonic_stream.train.decoder_folded import FirstStep, LaterStep
from sonic_stream.train.decoder_quantise import drawn


@pytest.mark.parametrize("config", [MOUTH_CONFIG, EYE_CONFIG])
def test_folded_steps_answer_as_the_network(config: DecoderConfig) -> None:
    torch.manual_seed(3)
    net = DecoderNet(config).eval()
    torch.nn.init.normal_(net.out.weight, std=0.03)
    patches = [torch.from_numpy(part) for part in made_up(config.width_px, config.height_px, 2)]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.inference_mode():
        state, rest = net.rest(2), torch.zeros(2, dtype=torch.int64)
        for step in range(3):
            wanted = net(*patches, state, rest + step)
            made = LaterStep(net)(*patches, state, rest + step)
            for a, b in zip(wanted, made, strict=True):
                torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
            if step == 0:
                for a, b in zip(wanted, FirstStep(net)(*patches), strict=True):
                    torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
            state = wanted[0]
        assert wanted[1].abs().mean() > 0.1
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0, rtol=0)


def test_a_file_in_8_bits_is_made_from_pairs_and_tied_to_its_weights(
    shard_folder: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "decoder.safetensors"
    make_random(weights)
    made = export(weights, shard_folder)
    small = onnx_path(weights, "mouth", FIRST_IN_8_BITS)
    assert len(made) == 5 and small in made
    kinds = [node.op_type for node in onnx.load(small).graph.node]
    assert kinds.count("QuantizeLinear") >= 7 and kinds.count("Conv") == 12
    quick, exact = (choose("cpu", weights, in_8_bits=yes) for yes in (True, False))
    assert isinstance(quick.backend, OnnxBackend) and "8 bits" in quick.reason
    patches = made_up(128, 96)
    wanted = TorchBackend(load_nets(weights)).change("mouth", *patches, 1)
    assert np.abs(exact.backend.change("mouth", *patches, 1) - wanted).max() < AGREEMENT
    wrong = np.abs(quick.backend.change("mouth", *patches, 1) - wanted)
    assert 0 < wrong.mean() < 0.2 * np.abs(wanted).mean()
    make_random(weights, seed=4)
    with pytest.warns(UserWarning, match="older than the weights"):
        assert isinstance(choose("cpu", weights, in_8_bits=True).backend, TorchBackend)


def test_patches_for_calibration_are_drawn_alike_each_time(shard_folder: Path) -> None:
    first, again, other = (drawn(shard_folder, "mouth", 3, seed) for seed in (0, 0, 1))
    assert first[0].shape == (3, 96, 128, 7) and first[1].shape == (3, 96, 128, 3)
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()
