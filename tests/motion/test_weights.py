from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sonic_stream.errors import MissingPieceError
from sonic_stream.motion import Animator
from sonic_stream.motion.model import MotionNet
from sonic_stream.motion.weights import SHIPPED, load_net, notes_of


def test_saved_weights_come_back(small_net: MotionNet, small_weights: Path) -> None:
    net, units = load_net(small_weights)
    assert net.config == small_net.config
    assert (units == 1).all()
    for name, tensor in small_net.state_dict().items():
        assert torch.allclose(net.state_dict()[name], tensor, atol=2e-3)
    assert notes_of(small_weights) == {"steps": 0}


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(MissingPieceError, match=r"missing.*python -m sonic_stream\.train\.motion"):
        Animator.load(path=tmp_path / "none.safetensors")


def test_weights_of_another_version_are_refused(small_weights: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.safetensors"
    save_file(load_file(small_weights), old, {"format": "sonic-stream motion 0"})
    with pytest.raises(MissingPieceError, match="another version"):
        load_net(old)


@pytest.mark.parametrize("key", ["config", "channels", "units"])
@pytest.mark.parametrize("value", [None, "[1]", "no json"])
def test_weights_that_do_not_fit_their_description_are_refused(
    small_weights: Path, tmp_path: Path, key: str, value: str | None
) -> None:
    with safe_open(small_weights, "pt") as file:
        about = file.metadata()
    del about[key]
    odd = tmp_path / "odd.safetensors"
    save_file(load_file(small_weights), odd, about | ({key: value} if value else {}))
    with pytest.raises(MissingPieceError, match=r"do not fit.*python -m sonic_stream\.train\.motion"):
        load_net(odd)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not weights at all")
    with pytest.raises(MissingPieceError, match="cannot be read"):
        load_net(bad)


def test_the_shipped_weights_are_small_and_named() -> None:
    net, _ = load_net()
    assert sum(p.numel() for p in net.parameters()) <= 6_000_000
    assert SHIPPED.stat().st_size < 6_000_000
    assert notes_of()["steps"] > 0
