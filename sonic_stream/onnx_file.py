"""Networks exported to ONNX, beside the weights they were made from: one thread, quiet, and nobody is told.

Official builds of ONNX Runtime report models and machine to their maker unless a variable forbids it before
the library is loaded. So the library is loaded here and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final

OF: Final = "of"
"""Name in an ONNX file's metadata of the hash of the weights it was made from."""
_NO_REPORTS: Final = "ORT_DISABLE_TELEMETRY"


def hash_of(weights: Path) -> str:
    """Names the exact weights an ONNX file belongs to."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def session(path: Path, wanted: str) -> tuple[Any, str]:
    """The network in `path`, made from the weights with the hash `wanted`, ready to run on one thread of the
    CPU; else None and what stands in the way, in a few words."""
    if not path.exists():
        return None, f"{path.name} is missing"
    os.environ.setdefault(_NO_REPORTS, "1")
    try:
        import onnxruntime
    except ImportError:
        return None, "onnxruntime is not installed"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        ready = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its kinds are many and none of them is public
        return None, f"{path.name} cannot be read ({str(error).splitlines()[0]})"
    if ready.get_modelmeta().custom_metadata_map.get(OF) != wanted:
        return None, f"{path.name} is older than the weights"
    return ready, ""
