from __future__ import annotations

import pytest
import torch

from sonic_stream.errors import BadInputError
from sonic_stream.motion.features import FRAMES_PER_HOP, MELS
from sonic_stream.motion.model import MotionNet, NetConfig
from sonic_stream.train.grow import grow

SMALL = NetConfig(stem=16, width=32, heads=2, blocks=1, near=3, window=5)


def test_a_grown_network_answers_as_it_did_and_can_learn() -> None:
    torch.manual_seed(3)
    small = MotionNet(SMALL)
    large = grow(small, NetConfig(stem=24, width=32, heads=2, blocks=3, near=3, window=5))
    mel = torch.randn(2, 20 * FRAMES_PER_HOP, MELS) * 4 - 4
    before, _ = small(mel, small.rest(2))
    after, _ = large(mel, large.rest(2))
    assert torch.allclose(before.curves, after.curves, atol=1e-5)
    after.curves.square().mean().backward()  # type: ignore[no-untyped-call]
    assert float(large.blocks[2].out.weight.grad.abs().max()) > 0  # type: ignore[union-attr,operator,index]
    new = large.stem_mid.conv.weight.grad
    assert new is not None and float(new[:, 16:].abs().max()) > 0


@pytest.mark.parametrize("config", [NetConfig(), NetConfig(16, 32, 2, 1, 3, 6), NetConfig(8, 32, 2, 1, 3, 5)])
def test_what_cannot_grow_is_said(config: NetConfig) -> None:
    with pytest.raises(BadInputError, match="stem and blocks may grow"):
        grow(MotionNet(SMALL), config)
