"""What ComfyUI offers its nodes: progress with a preview, the cancel button, its folders.

Its modules are looked up when they are used, so that the nodes also work where they are missing (tests, other
hosts of the same node contract).
"""

from __future__ import annotations

import importlib
import logging
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sonic_stream.types import U8

PREVIEW_PX: Final = 512
_PREVIEW_S: Final = 0.25
"""A preview is sent to the browser, so not with every picture."""
_log = logging.getLogger("sonic_stream.comfyui")


def module(name: str) -> ModuleType | None:
    """The host's module `name`, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def note(sentence: str) -> None:
    """Tells the user, in ComfyUI's log."""
    _log.warning("Sonic Stream: %s", sentence)


def stop_if_cancelled() -> None:
    """Raises ComfyUI's own interruption when the cancel button was pressed."""
    management = module("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()


class Progress:
    """ComfyUI's progress bar for `total` pictures, with the newest picture beneath it."""

    def __init__(self, total: int) -> None:
        utils = module("comfy.utils")
        self._bar: Any = utils.ProgressBar(total) if utils is not None else None
        self._total = total
        self._next_preview = 0.0

    def update(self, done: int, image: U8 | None = None) -> None:
        """`done` pictures are there, the last of them `image`. Raises when cancelled."""
        stop_if_cancelled()
        if self._bar is None:
            return
        preview = None
        if image is not None and (time.monotonic() >= self._next_preview or done == self._total):
            from PIL import Image

            self._next_preview = time.monotonic() + _PREVIEW_S
            preview = ("JPEG", Image.fromarray(image), PREVIEW_PX)
        self._bar.update_absolute(done, self._total, preview)


def folder(kind: str) -> Path:
    """ComfyUI's folder of that kind: "input", "output" or "temp"; else the one we are in."""
    paths = module("folder_paths")
    if paths is None:
        return Path.cwd()
    return Path(getattr(paths, f"get_{kind}_directory")())


def input_files(suffixes: tuple[str, ...]) -> list[str]:
    """Files in the input folder that end so, by name."""
    if module("folder_paths") is None:
        return []
    place = folder("input")
    found = place.iterdir() if place.is_dir() else ()
    return sorted(path.name for path in found if path.suffix.lower() in suffixes and path.is_file())


def place_for(prefix: str, suffix: str, width: int, height: int) -> tuple[Path, str, str]:
    """A new file in the output folder, numbered as ComfyUI's are: path, its name, its subfolder."""
    paths = module("folder_paths")
    if paths is None:
        base, subfolder, number = Path.cwd(), "", 1
        name = Path(prefix).name or "sonic"
    else:
        whole, name, number, subfolder, _ = paths.get_save_image_path(
            prefix, paths.get_output_directory(), width, height
        )
        base = Path(whole)
    # Another run may have taken the number meanwhile, and saved videos count from the same numbers.
    while (path := base / f"{name}_{number:05}_{suffix}").exists():
        number += 1
    return path, path.name, str(subfolder)


def shown(name: str, subfolder: str) -> dict[str, Any]:
    """What makes ComfyUI show a saved video beneath the node."""
    return {"images": [{"filename": name, "subfolder": subfolder, "type": "output"}], "animated": (True,)}
