"""Exported networks: what stands in the way is told, and ONNX Runtime reports to nobody."""

import os
import shutil
import subprocess
import sys

import pytest

from sonic_stream import onnx_file
from sonic_stream.motion.weights import SHIPPED


@pytest.fixture
def pair(tmp_path):
    """Weights and their network, to be spoilt."""
    for suffix in (".safetensors", ".onnx"):
        shutil.copy(SHIPPED.with_suffix(suffix), tmp_path / f"net{suffix}")
    return tmp_path / "net.safetensors", tmp_path / "net.onnx"


def test_a_network_of_these_weights_is_ready(pair):
    weights, network = pair
    session, missing = onnx_file.session(network, onnx_file.hash_of(weights))
    assert session.get_inputs()[0].name == "mel" and missing == ""


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda network: network.unlink(), "net.onnx is missing"),
        (lambda network: network.write_bytes(b""), "net.onnx cannot be read"),
        (lambda network: network.write_bytes(network.read_bytes()[:5000]), "net.onnx cannot be read"),
    ],
)
def test_what_stands_in_the_way_is_told(pair, spoil, sentence):
    weights, network = pair
    spoil(network)
    session, missing = onnx_file.session(network, onnx_file.hash_of(weights))
    assert session is None and missing.startswith(sentence)


def test_a_network_of_other_weights_is_told(pair):
    session, missing = onnx_file.session(pair[1], "other")
    assert session is None and missing == "net.onnx is older than the weights"


def test_nothing_is_reported_to_anybody(tmp_path):
    """ONNX Runtime writes a device's name beside its reports; with reports forbidden there is none."""
    script = (
        "from pathlib import Path; from sonic_stream import onnx_file;"
        f"weights = Path({str(SHIPPED)!r});"
        "print(onnx_file.session(weights.with_suffix('.onnx'), onnx_file.hash_of(weights))[1] or 'ready')"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")}
    own = kept | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, check=True)
    assert done.stdout == "ready\n"
    assert list(tmp_path.rglob("*onnxruntime*")) == []
