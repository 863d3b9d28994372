"""Nodes for pictures that are there already, whoever made them: calibrate, smooth, save."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np
import torch

from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.integrations.comfyui import host
from sonic_stream.integrations.comfyui.model import SonicModel
from sonic_stream.integrations.comfyui.tensors import (
    Film,
    audio_of,
    check_images,
    picture_of,
    sound_file,
    sound_of,
    timed,
    track_of,
)
from sonic_stream.media.audio import open_audio
from sonic_stream.media.video import VideoWriter
from sonic_stream.media.video_file import TimedPicture
from sonic_stream.offline.calibrate import Calibration, compare, heard_motion
from sonic_stream.offline.calibrate_lips import FaceFollower, track_lips
from sonic_stream.offline.smooth import check_rate
from sonic_stream.offline.smooth_between import resampled
from sonic_stream.offline.smooth_steady import FLOW_PX, Shot, grey_of, is_cut, steady
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import F32, U8

CATEGORY: Final = "Sonic Stream"
_FPS: Final = ("FLOAT", {"default": 25.0, "min": 1.0, "max": 240.0, "step": 0.01})
_THESE: Final = "The pictures"


class Calibrate:
    """Measures how far lips and sound are apart, and moves the sound by up to 50 ms."""

    RETURN_TYPES: ClassVar = ("IMAGE", "AUDIO", "FLOAT", "STRING")
    RETURN_NAMES: ClassVar = ("image", "audio", "offset_ms", "report")
    FUNCTION: ClassVar = "calibrate"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "Tracks the lips and moves the sound to them. Pictures pass through unchanged."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {
            "required": {
                "image": ("IMAGE",),
                "audio": ("AUDIO",),
                "fps": _FPS,
                "mend": ("BOOLEAN", {"default": True}),
            },
            "optional": {"model": ("MODEL_SONIC",)},
        }

    def calibrate(
        self, image: Any, audio: Any, fps: float, mend: bool, model: SonicModel | None = None
    ) -> tuple[Any, dict[str, Any], float, str]:
        count, _, _ = check_images(image)
        samples, rate = sound_of(audio)
        progress = host.Progress(count)
        track = track_lips(timed(image, fps), _THESE, progress.update)
        with sound_file(samples, rate) as voice:
            sound = open_audio(voice)
            sound.check()
            asked = heard_motion(sound.blocks(), (model or SonicModel()).plain_parts)
        found: Calibration = compare(track, asked, 0.0, _THESE.lower())
        host.note(found.sentence())
        if mend and found.mendable:
            samples = later(samples, round(found.offset_s * rate))
        return image, audio_of(samples, rate), found.offset_s * 1000, found.sentence()


def later(samples: F32, count: int) -> F32:
    """[C, T] samples `count` later (silence before), or earlier (the first ones go)."""
    if count <= 0:
        return samples[:, -count:]
    return np.concatenate([np.zeros((samples.shape[0], count), np.float32), samples], axis=1)


class Smooth:
    """Takes trembling and flicker out, and makes more pictures a second."""

    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("image", "fps")
    FUNCTION: ClassVar = "smooth"
    CATEGORY: ClassVar = CATEGORY
    DESCRIPTION: ClassVar = "Steadies a talking head. new_fps 0: as many pictures as before."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        new_fps = ("FLOAT", {"default": 0.0, "min": 0.0, "max": 240.0, "step": 0.01})
        return {"required": {"image": ("IMAGE",), "fps": _FPS, "new_fps": new_fps}}

    def smooth(self, image: Any, fps: float, new_fps: float) -> tuple[torch.Tensor, float]:
        count, height, width = check_images(image)
        rate = check_rate(new_fps) if new_fps else None
        made: Iterator[TimedPicture]
        steadied = steady(self._shots(image, fps, count))
        if rate is None:
            total, made = count, (shot.picture for shot in steadied)
        else:
            total, made = resampled_count(count, fps, rate), resampled(steadied, rate)
        film = Film(total, height, width)
        for picture in made:
            film.add(picture.image)
        return film.whole(), float(rate or fps)

    def _shots(self, image: Any, fps: float, count: int) -> Iterator[Shot]:
        follower, progress, faces = FaceFollower(), host.Progress(count), 0
        last: U8 | None = None
        for done, picture in enumerate(timed(image, fps), start=1):
            grey, _ = grey_of(picture.image, FLOW_PX)
            cut = last is not None and is_cut(last, grey)
            if cut:
                follower.forget()
            face = follower.step(picture)
            faces += face is not None
            yield Shot(picture, face, cut or last is None)
            last = grey
            progress.update(done, picture.image)
        if not faces:
            raise NoFaceError(f"{_THESE} show no face; smoothing is made for talking heads.")


def resampled_count(count: int, fps: float, rate: Fraction) -> int:
    """How many pictures `resampled` makes of `count` at `fps`."""
    blank = np.zeros((2, 2, 3), np.uint8)
    shots = (Shot(TimedPicture(i / fps, blank), None, True) for i in range(count))
    return sum(1 for _ in resampled(shots, rate))


class SaveVideo:
    """Writes an mp4 with the sound as it came; pictures are taken one by one."""

    RETURN_TYPES: ClassVar = ("STRING",)
    RETURN_NAMES: ClassVar = ("video_path",)
    FUNCTION: ClassVar = "save"
    CATEGORY: ClassVar = CATEGORY
    OUTPUT_NODE: ClassVar = True
    DESCRIPTION: ClassVar = "Saves an mp4 that plays everywhere, with its sound."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "fps": _FPS,
                "filename_prefix": ("STRING", {"default": "sonic/video"}),
                "crf": ("INT", {"default": 18, "min": 1, "max": 51}),
            },
            "optional": {"audio": ("AUDIO",)},
        }

    def save(
        self, image: Any, fps: float, filename_prefix: str, crf: int, audio: Any = None
    ) -> dict[str, Any]:
        count, height, width = check_images(image)
        rate = round(fps)
        if abs(rate - fps) > 1e-3 or TICK_RATE % rate:
            raise BadInputError(
                f"fps is {fps:g}, but a saved video has a whole number that divides 48000, such as 24, 25, "
                "30, 50 or 60; the node 'Sonic Stream: smooth' makes one of the other."
            )
        height, width = height - height % 2, width - width % 2
        path, name, subfolder = host.place_for(filename_prefix, ".mp4", width, height)
        path.parent.mkdir(parents=True, exist_ok=True)
        track = None if audio is None else track_of(*sound_of(audio), count * (TICK_RATE // rate))
        progress = host.Progress(count)
        with VideoWriter(path, width, height, rate, track, crf=crf) as writer:
            for index in range(count):
                picture = picture_of(image, index)
                writer.write(picture[:height, :width])
                progress.update(index + 1, picture)
        return {"ui": host.shown(name, subfolder), "result": (str(path),)}
