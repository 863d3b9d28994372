from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sonic_stream.motion import Animator
from sonic_stream.motion.backends import (
    AllSlotsBackend,
    Backend,
    OnnxBackend,
    TorchBackend,
    best_backend,
    onnx_session,
)
from sonic_stream.motion.features import FRAMES_PER_HOP, MELS
from sonic_stream.motion.weights import SHIPPED, load_net
from sonic_stream.types import F32


def some_mel(slots: int, seed: int) -> F32:
    noise = np.random.default_rng(seed).standard_normal((slots, FRAMES_PER_HOP, MELS))
    return np.asarray(noise * 3 - 5, np.float32)


@pytest.fixture
def backends() -> list[Backend]:
    net, _ = load_net()
    session, missing = onnx_session(SHIPPED)
    assert session is not None, missing
    both: list[Backend] = [
        TorchBackend(net),
        OnnxBackend(session, net),
        AllSlotsBackend(net, torch.device("cpu")),
    ]
    for backend in both:
        backend.open(3)
    return both


def test_all_give_the_same_for_any_mixture_of_slots(backends: list[Backend]) -> None:
    for i, slots in enumerate(([0], [0, 1], [2, 1, 0], [1], [2, 0]) * 8):
        mel = some_mel(len(slots), i)
        want, *others = (backend.step(slots, mel) for backend in backends)
        for other in others:
            for a, b in zip(want, other, strict=True):
                assert np.allclose(a, b, atol=1e-4)


def test_a_reset_slot_is_as_new_and_the_others_go_on(backends: list[Backend]) -> None:
    for backend in backends:
        for i in range(4):
            backend.step([0, 1], some_mel(2, i))
        backend.reset(0)
        mel = some_mel(1, 9)
        after_reset, _ = backend.step([0], mel)
        new, _ = backend.step([2], mel)
        used, _ = backend.step([1], mel)
        assert np.allclose(after_reset, new, atol=1e-5)
        assert not np.allclose(used, new, atol=1e-3)


def test_the_shipped_files_belong_together() -> None:
    assert Animator.load(1).backend == "onnxruntime"


def test_an_onnx_file_of_other_weights_is_not_used(small_weights: Path) -> None:
    shutil.copy(SHIPPED.with_suffix(".onnx"), small_weights.with_suffix(".onnx"))
    net, _ = load_net(small_weights)
    with pytest.warns(UserWarning, match=r"sonic_stream\.train\.export"):
        assert best_backend(net, small_weights).name == "torch"
    small_weights.with_suffix(".onnx").unlink()


def test_an_exported_network_is_used_and_agrees(small_weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from sonic_stream.train.export import export

    weights = tmp_path / "motion.safetensors"
    shutil.copy(small_weights, weights)
    export(weights)
    net, _ = load_net(weights)
    made = best_backend(net, weights)
    assert made.name == "onnxruntime"
    plain = TorchBackend(net)
    for backend in (made, plain):
        backend.open(1)
    for i in range(9):
        one, other = (backend.step([0], some_mel(1, i))[0] for backend in (made, plain))
        assert np.allclose(one, other, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and this machine has none")
def test_the_captured_step_gives_the_same_on_a_gpu() -> None:
    net, _ = load_net()
    plain = TorchBackend(net)
    plain.open(4)
    wanted = [
        plain.step(slots, some_mel(len(slots), i)) for i, slots in enumerate(([0, 2], [1], [3, 0], [2, 1]))
    ]
    captured = AllSlotsBackend(net, torch.device("cuda"))
    captured.open(4)
    for i, (slots, want) in enumerate(zip(([0, 2], [1], [3, 0], [2, 1]), wanted, strict=True)):
        for a, b in zip(want, captured.step(slots, some_mel(len(slots), i)), strict=True):
            assert np.allclose(a, b, atol=1e-3)
