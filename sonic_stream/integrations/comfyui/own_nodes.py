"""Nodes of our own: load, portrait, voice, and a whole talking video that never lies in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch

from sonic_stream import __version__
from sonic_stream.config import OPTIONS, RATES, RESOLUTIONS
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.integrations.comfyui import host
from sonic_stream.integrations.comfyui.known_nodes import gain_of
from sonic_stream.integrations.comfyui.model import SonicModel
from sonic_stream.integrations.comfyui.tensors import audio_of, image_of, portrait_bytes, sound_file, sound_of
from sonic_stream.media.audio import open_audio
from sonic_stream.media.image import SUFFIXES, load_image
from sonic_stream.offline import bundled, render
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import MOODS

CATEGORY: Final = "Sonic Stream"
_SOUNDS: Final = (".wav", ".mp3", ".flac", ".m4a", ".ogg", ".opus", ".mp4", ".webm", ".mov", ".mkv")


def _file(name: str, named: dict[str, Path]) -> Path:
    """A file of the input folder, or the bundled one of that name. Errors: `BadInputError`."""
    if name in named:
        return named[name]
    root = host.folder("input").resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise BadInputError(f"'{name}' does not lie in ComfyUI's input folder; choose a file that does.")
    return path


def _checked(name: str, named: dict[str, Path]) -> bool | str:
    """ComfyUI's answer for a file: True, or why not."""
    try:
        path = _file(name, named)
    except SonicError as error:
        return str(error)
    return path.is_file() or f"There is no file '{name}' in ComfyUI's input folder."


def _fingerprint(name: str, named: dict[str, Path]) -> str:
    path = _file(name, named)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


class Load:
    """Loads Sonic Stream; needs nothing."""

    RETURN_TYPES: ClassVar = ("MODEL_SONIC",)
    RETURN_NAMES: ClassVar = ("model",)
    FUNCTION: ClassVar = "load"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "Loads Sonic Stream. Nothing has to be downloaded."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {}}

    @classmethod
    def IS_CHANGED(cls) -> str:  # noqa: N802
        return __version__

    def load(self) -> tuple[SonicModel]:
        return (SonicModel(),)


class Portrait:
    """A portrait from the input folder, or one that comes with the package."""

    RETURN_TYPES: ClassVar = ("IMAGE",)
    RETURN_NAMES: ClassVar = ("image",)
    FUNCTION: ClassVar = "read"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "A portrait of yours, or a bundled one. Nobody of the bundled ones exists."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        names = [*bundled.portraits(), *host.input_files(SUFFIXES)]
        return {"required": {"portrait": (names, {"image_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, portrait: str) -> bool | str:  # noqa: N802
        return _checked(portrait, bundled.portraits())

    @classmethod
    def IS_CHANGED(cls, portrait: str) -> str:  # noqa: N802
        """A file that changed on disk is read again."""
        return _fingerprint(portrait, bundled.portraits())

    def read(self, portrait: str) -> tuple[torch.Tensor]:
        return (image_of(load_image(_file(portrait, bundled.portraits()))),)


class Voice:
    """A sound from the input folder, or one that comes with the package."""

    RETURN_TYPES: ClassVar = ("AUDIO",)
    RETURN_NAMES: ClassVar = ("audio",)
    FUNCTION: ClassVar = "read"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "A voice of yours (or a video's sound), or a bundled one."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        names = [*bundled.voices(), *host.input_files(_SOUNDS)]
        return {"required": {"voice": (names, {"audio_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, voice: str) -> bool | str:  # noqa: N802
        return _checked(voice, bundled.voices())

    @classmethod
    def IS_CHANGED(cls, voice: str) -> str:  # noqa: N802
        return _fingerprint(voice, bundled.voices())

    def read(self, voice: str) -> tuple[dict[str, Any]]:
        sound = open_audio(_file(voice, bundled.voices()))
        for sentence in sound.check().notes:
            host.note(sentence)
        return (audio_of(np.concatenate(list(sound.heard()), axis=1), TICK_RATE),)


def _float(name: str, step: float) -> tuple[str, dict[str, Any]]:
    option = OPTIONS[name]
    return "FLOAT", {"default": option.default, "min": option.low, "max": option.high, "step": step}


class Talk:
    """Portrait and voice become an mp4 in the output folder; pictures stream into it one by one."""

    RETURN_TYPES: ClassVar = ("STRING", "FLOAT", "STRING")
    RETURN_NAMES: ClassVar = ("video_path", "fps", "notes")
    FUNCTION: ClassVar = "talk"
    CATEGORY: ClassVar = CATEGORY
    OUTPUT_NODE: ClassVar = True
    DESCRIPTION: ClassVar = "Portrait and voice become an mp4. Memory stays flat whatever the length."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "audio": ("AUDIO",),
                "min_resolution": ([str(size) for size in RESOLUTIONS], {"default": "512"}),
                "duration": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 86400.0, "step": 0.1}),
                "expand_ratio": _float("expand_ratio", 0.05),
                "dynamic_scale": _float("dynamic_scale", 0.05),
                "motion_scale": _float("motion_scale", 0.05),
                "inference_steps": ("INT", {"default": 1, "min": 1, "max": 8}),
                "seed": ("INT", {"default": 0, "min": 0, "max": int(OPTIONS["seed"].high or 0)}),
                "mood": (list(MOODS),),
                "fps": ([str(rate) for rate in RATES], {"default": "25"}),
                "keep_resolution": ("BOOLEAN", {"default": False}),
                "filename_prefix": ("STRING", {"default": "sonic/talk"}),
            },
            "optional": {"model": ("MODEL_SONIC",)},
        }

    def talk(
        self,
        image: Any,
        audio: Any,
        min_resolution: str,
        duration: float,
        expand_ratio: float,
        dynamic_scale: float,
        motion_scale: float,
        inference_steps: int,
        seed: int,
        mood: str,
        fps: str,
        keep_resolution: bool,
        filename_prefix: str,
        model: SonicModel | None = None,
    ) -> dict[str, Any]:
        model = model or SonicModel()
        samples, rate = sound_of(audio)
        side = int(min_resolution)
        path, name, subfolder = host.place_for(filename_prefix, ".mp4", side, side)
        path.parent.mkdir(parents=True, exist_ok=True)
        notes: list[str] = []

        def note(sentence: str) -> None:
            notes.append(sentence)
            host.note(sentence)

        parts, watch = model.watched()
        bar: list[host.Progress] = []

        def progress(done: int, total: int) -> None:
            if not bar:
                bar.append(host.Progress(total))
            bar[0].update(done, watch.last)

        with sound_file(samples, rate) as voice:
            render(
                portrait_bytes(image), voice, path, duration=duration or None, note=note, progress=progress,
                parts=parts, min_resolution=side, expand_ratio=float(expand_ratio),
                dynamic_scale=gain_of(dynamic_scale * model.gain), motion_scale=float(motion_scale),
                inference_steps=int(inference_steps), seed=int(seed), mood=mood, fps=int(fps),
                keep_resolution=bool(keep_resolution),
            )  # fmt: skip
        result = (str(path), float(fps), "\n".join(notes))
        return {"ui": host.shown(name, subfolder), "result": result}
