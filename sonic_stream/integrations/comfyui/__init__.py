"""Nodes for ComfyUI. Link this folder into `custom_nodes`:

    ln -s PATH/sonic_stream/integrations/comfyui ComfyUI/custom_nodes/sonic_stream

and install the package into ComfyUI's Python (`pip install PATH`). See docs/comfyui.md.
"""

import sys
from pathlib import Path

try:
    import sonic_stream as _  # noqa: F401
except (
    ModuleNotFoundError
):  # linked from a checkout that is not installed: the link's target knows where it is
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from sonic_stream.integrations.comfyui.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
