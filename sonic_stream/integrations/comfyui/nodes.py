"""The table that ComfyUI reads: every node by its key, and by the name that people see."""

from __future__ import annotations

from typing import Any, Final

from sonic_stream.integrations.comfyui.finish_nodes import Calibrate, SaveVideo, Smooth
from sonic_stream.integrations.comfyui.known_nodes import SONIC_PreData, SONICLoader, SONICSampler
from sonic_stream.integrations.comfyui.own_nodes import Load, Portrait, Talk, Voice

NODE_CLASS_MAPPINGS: Final[dict[str, type[Any]]] = {
    "SONICTLoader": SONICLoader,
    "SONIC_PreData": SONIC_PreData,
    "SONICSampler": SONICSampler,
    "SonicStreamLoader": Load,
    "SonicStreamPortrait": Portrait,
    "SonicStreamVoice": Voice,
    "SonicStreamTalk": Talk,
    "SonicStreamCalibrate": Calibrate,
    "SonicStreamSmooth": Smooth,
    "SonicStreamSave": SaveVideo,
}

NODE_DISPLAY_NAME_MAPPINGS: Final[dict[str, str]] = {
    "SONICTLoader": "SONICTLoader",
    "SONIC_PreData": "SONIC_PreData",
    "SONICSampler": "SONICSampler",
    "SonicStreamLoader": "Sonic Stream: load",
    "SonicStreamPortrait": "Sonic Stream: portrait",
    "SonicStreamVoice": "Sonic Stream: voice",
    "SonicStreamTalk": "Sonic Stream: portrait to talking video",
    "SonicStreamCalibrate": "Sonic Stream: calibrate lips",
    "SonicStreamSmooth": "Sonic Stream: smooth",
    "SonicStreamSave": "Sonic Stream: save video",
}
