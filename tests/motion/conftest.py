from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sonic_stream.motion.model import MotionNet, NetConfig
from sonic_stream.motion.weights import save_net
from sonic_stream.timebase import MODEL_RATE_HZ
from sonic_stream.train import speech
from sonic_stream.train.speech import Utterance
from sonic_stream.types import F32, MOUTH_CHANNELS


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small_net() -> MotionNet:
    """A little network with weights that are large enough to make every law visible."""
    torch.manual_seed(5)
    net = MotionNet(NetConfig(stem=16, width=24, heads=2, blocks=2, window=6)).eval().requires_grad_(False)
    for block in net.blocks:
        block.distance_bias.normal_()  # type: ignore[operator,union-attr]
        block.first_value.normal_()  # type: ignore[operator,union-attr]
    return net


@pytest.fixture(scope="session")
def small_weights(small_net: MotionNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "motion.safetensors"
    save_net(path, small_net, np.ones(len(MOUTH_CHANNELS), np.float32), {"steps": 0})
    return path


@pytest.fixture(scope="session")
def voice() -> F32:
    """Four seconds like a voice: a buzz at 120 Hz, loudness and colour changing with a syllable beat."""
    n = 4 * MODEL_RATE_HZ
    t = np.arange(n) / MODEL_RATE_HZ
    rng = np.random.default_rng(0)
    buzz = np.zeros(n)
    for k in range(1, 20):
        colour = 1 + np.sin(2 * np.pi * t * rng.uniform(1, 5))
        buzz += np.sin(2 * np.pi * 120 * k * t) / k * colour
    loud = 0.15 * (1 + np.sin(2 * np.pi * 4 * t)) / 2
    return np.asarray(buzz * loud + 0.003 * rng.standard_normal(n), np.float32)


@pytest.fixture(scope="module")
def spoken() -> Utterance:
    """A sentence with phone times, for what takes voices apart (which needs pyworld)."""
    pytest.importorskip("pyworld")
    said = speech.espeak_library().say("my mama buys a paper map of the moon", "en-us", 160)
    assert said is not None
    return said
