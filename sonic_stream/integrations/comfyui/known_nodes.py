"""The three nodes that graphs made for the original know, with their keys, sockets, defaults and ranges.

What has no meaning here is accepted and said; what has one is honoured, or mapped to what is nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Final

import torch

from sonic_stream import __version__
from sonic_stream.config import OLD_STEPS_MAX, OPTIONS, RATES, RESOLUTIONS
from sonic_stream.errors import BadInputError
from sonic_stream.integrations.comfyui import host
from sonic_stream.integrations.comfyui.model import SonicModel
from sonic_stream.integrations.comfyui.tensors import (
    Film,
    film_bytes,
    portrait_bytes,
    sound_file,
    sound_of,
)
from sonic_stream.offline import pictures
from sonic_stream.timebase import FPS, TICK_RATE
from sonic_stream.types import F32

CATEGORY: Final = "SONIC"
OWN_WEIGHTS: Final = "sonic-stream"
_KNOWN_WEIGHTS: Final = ("unet.pth", "none")
"""Names that old graphs hold."""
_DTYPES: Final = {"fp16": torch.float16, "fp32": torch.float32, "bf16": torch.bfloat16}
_MAX_SEED: Final = 2**31 - 1
_MB: Final = 2**20


@dataclass(frozen=True)
class PreData:
    """What SONIC_PreData hands to SONICSampler."""

    portrait: bytes
    samples: F32
    rate: int
    duration_s: float | None
    """None: as long as the sound."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def sound_s(self) -> float:
        return float(self.samples.shape[1] / self.rate)

    def count(self, fps: int) -> int:
        """Pictures of the result, as a render counts them."""
        if self.duration_s is not None:
            return max(round(self.duration_s * fps), 1)
        ticks = round(Fraction(self.samples.shape[1] * TICK_RATE, self.rate))
        return max(round(Fraction(ticks, TICK_RATE // fps)), 1)


class SONICLoader:
    """Loads Sonic Stream. Nothing of the original's weights is used, so `model` may stay unconnected."""

    RETURN_TYPES: ClassVar = ("MODEL_SONIC", "DTYPE")
    RETURN_NAMES: ClassVar = ("model", "weight_dtype")
    FUNCTION: ClassVar = "loader_main"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "Loads Sonic Stream's own weights. Weights of the original are not needed."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {
            "required": {
                "sonic_unet": ([OWN_WEIGHTS, *_KNOWN_WEIGHTS],),
                "ip_audio_scale": ("FLOAT", {"default": 1.0, "min": 0.5, "max": 2.0, "step": 0.1}),
                "use_interframe": ("BOOLEAN", {"default": True}),
                "dtype": (list(_DTYPES),),
            },
            "optional": {"model": ("MODEL",)},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, sonic_unet: str) -> bool:  # noqa: N802
        """Old graphs name files of the original; any name will do."""
        return True

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> str:  # noqa: N802
        """Another version loads anew."""
        return __version__

    def loader_main(
        self, sonic_unet: str, ip_audio_scale: float, use_interframe: bool, dtype: str, model: Any = None
    ) -> tuple[SonicModel, torch.dtype]:
        if dtype not in _DTYPES:
            raise BadInputError(f"dtype is {dtype!r}, but has to be one of {', '.join(_DTYPES)}.")
        if sonic_unet not in (OWN_WEIGHTS, "none"):
            host.note(f"'{sonic_unet}' is not used: Sonic Stream has its own weights.")
        if ip_audio_scale != 1.0:
            host.note(f"ip_audio_scale {ip_audio_scale:g} multiplies the mouth's gain (dynamic_scale).")
        return SonicModel(gain=float(ip_audio_scale)), _DTYPES[dtype]


class SONIC_PreData:  # noqa: N801 - the key's own name
    """Takes portrait, voice and cut together."""

    RETURN_TYPES: ClassVar = ("SONIC_PREDATA",)
    RETURN_NAMES: ClassVar = ("data_dict",)
    FUNCTION: ClassVar = "sampler_main"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = (
        "Portrait, voice and cut. clip_vision and vae are not used. duration 0: automatic."
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "audio": ("AUDIO",),
                "image": ("IMAGE",),
                "weight_dtype": ("DTYPE",),
                "min_resolution": (
                    "INT",
                    {"default": 512, "min": 128, "max": 2048, "step": 64, "display": "number"},
                ),
                "duration": ("FLOAT", {"default": 10.0, "min": 0.0, "max": 86400.0, "step": 0.1}),
                "expand_ratio": ("FLOAT", {"default": 0.5, "min": 0.1, "max": 1.0, "step": 0.1}),
            },
            "optional": {"clip_vision": ("CLIP_VISION",), "vae": ("VAE",)},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, duration: float) -> bool | str:  # noqa: N802
        """Without this ComfyUI would refuse lengths that old graphs may hold, such as 100000000000."""
        return True if duration >= 0 else f"duration is {duration:g}, but has to be 0 (automatic) or more."

    def sampler_main(
        self,
        audio: Any,
        image: Any,
        weight_dtype: Any,
        min_resolution: int,
        duration: float,
        expand_ratio: float,
        clip_vision: Any = None,
        vae: Any = None,
    ) -> tuple[PreData]:
        samples, rate = sound_of(audio)
        portrait = portrait_bytes(image)
        if image.shape[0] > 1:
            host.note(f"The first of {image.shape[0]} pictures is the portrait.")
        size_px = nearest_resolution(min_resolution)
        if size_px != min_resolution:
            host.note(f"min_resolution {min_resolution} becomes {size_px}; there are {_list(RESOLUTIONS)}.")
        data = PreData(
            portrait, samples, rate, length_s(duration, samples.shape[1] / rate),
            {"min_resolution": size_px, "expand_ratio": float(expand_ratio)},
        )  # fmt: skip
        return (data,)


class SONICSampler:
    """Makes the pictures: IMAGE float [T, H, W, 3], all in memory, as graphs expect them."""

    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("image", "fps")
    FUNCTION: ClassVar = "sampler_main"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "Makes the pictures. For long sounds 'portrait to talking video' needs no memory."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "model": ("MODEL_SONIC",),
                "data_dict": ("SONIC_PREDATA",),
                "seed": ("INT", {"default": 0, "min": 0, "max": _MAX_SEED}),
                "inference_steps": (
                    "INT",
                    {"default": 25, "min": 1, "max": 1024, "step": 1, "display": "number"},
                ),
                "dynamic_scale": ("FLOAT", {"default": 1.0, "min": 0.5, "max": 2.0, "step": 0.1}),
                "fps": ("FLOAT", {"default": 25.0, "min": 5.0, "max": 120.0, "step": 0.5}),
            }
        }

    def sampler_main(
        self,
        model: SonicModel,
        data_dict: PreData,
        seed: int,
        inference_steps: int,
        dynamic_scale: float,
        fps: float,
    ) -> tuple[torch.Tensor, float]:
        rate = nearest_rate(fps)
        if rate != fps:
            host.note(f"fps {fps:g} becomes {rate}; there are {_list(RATES)}.")
        count = data_dict.count(rate)
        side = int(data_dict.settings["min_resolution"])
        _refuse_if_too_large(count, side, model)
        parts = model.parts()
        progress = host.Progress(count)
        film: Film | None = None
        with sound_file(data_dict.samples, data_dict.rate) as voice:
            made = pictures(
                data_dict.portrait, voice, duration=data_dict.duration_s, note=host.note, parts=parts,
                seed=int(seed), inference_steps=min(int(inference_steps), OLD_STEPS_MAX),
                dynamic_scale=gain_of(dynamic_scale * model.gain), fps=rate, **data_dict.settings,
            )  # fmt: skip
            try:
                for done, picture in enumerate(made, start=1):
                    film = film or Film(count, *picture.image.shape[:2])
                    film.add(picture.image)
                    progress.update(done, picture.image)
            finally:
                made.close()  # type: ignore[attr-defined]
        assert film is not None
        return film.whole(), float(rate)


def nearest_resolution(wanted: int) -> int:
    """The resolution there is that is nearest to `wanted`, the larger of two."""
    return min(RESOLUTIONS, key=lambda size: (abs(size - wanted), -size))


def nearest_rate(wanted: float) -> int:
    """Pictures a second there are that are nearest to `wanted`: 25 where none is near."""
    rate = min(RATES, key=lambda known: (abs(known - wanted), -known))
    return rate if abs(rate - wanted) <= 1 else FPS


def length_s(duration: float, sound_s: float) -> float | None:
    """`duration` as a render takes it: 0 is automatic, and so is what an old graph holds to mean "all".

    A limit beyond a day is no wish for a day of silence.
    """
    if duration == 0 or abs(duration - sound_s) <= 1 / FPS:
        return None
    if duration > 3600 and duration > 2 * sound_s:
        host.note(f"duration {duration:g} s is taken as automatic: the sound lasts {sound_s:.2f} s.")
        return None
    return float(duration)


def gain_of(gain: float) -> float:
    """`gain` within what the mouth can do."""
    high = OPTIONS["dynamic_scale"].high or 2.0
    return min(float(gain), high)


def _refuse_if_too_large(count: int, side: int, model: SonicModel) -> None:
    need = film_bytes(count, side, side)
    room = model.plain_parts.available_memory()
    if room is not None and need > 0.8 * room:
        raise BadInputError(
            f"{count} pictures of {side} px take {need / _MB:.0f} MB as an IMAGE, and {room / _MB:.0f} MB "
            "are free; use the node 'Sonic Stream: portrait to talking video', which needs none of it, or a "
            "smaller min_resolution or duration."
        )


def _list(values: tuple[Any, ...]) -> str:
    return ", ".join(str(value) for value in values)
