"""A stand-in for ComfyUI that holds nodes to the documented contract and runs workflows node by node.

The contract: https://docs.comfy.org/custom-nodes/backend/server_overview (properties of a node, input types,
VALIDATE_INPUTS, IS_CHANGED) and the nodes' datatypes. Workflows are those that the editor saves.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")
ADDED_AFTER = {"seed": 1, "noise_seed": 1}
"""Widgets that the editor adds behind an input: control_after_generate."""


class Interrupted(Exception):  # noqa: N818 - as ComfyUI's InterruptProcessingException
    """Raised in a node when the cancel button was pressed."""


class ContractError(AssertionError):
    """A node breaks the contract."""


def need(true: object, sentence: str) -> None:
    if not true:
        raise ContractError(sentence)


class Host:
    """Folders, progress and interruption of a ComfyUI, as modules that nodes import."""

    def __init__(self, root: Path) -> None:
        self.input, self.output = root / "input", root / "output"
        for folder in (self.input, self.output):
            folder.mkdir(parents=True)
        self.custom_nodes = root / "custom_nodes"
        self.custom_nodes.mkdir()
        self.progress: list[tuple[int, int]] = []
        self.previews: list[Any] = []
        self.interrupt_at: int | None = None
        self.ui: dict[int, Any] = {}

    def modules(self) -> dict[str, ModuleType]:
        host = self

        class ProgressBar:
            def __init__(self, total: int, node_id: Any = None) -> None:
                self.total, self.current = total, 0

            def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
                need(0 <= value <= (total or self.total), f"progress {value} of {total}")
                host.progress.append((value, total or self.total))
                if preview is not None:
                    kind, image, limit = preview
                    need(kind in ("JPEG", "PNG"), f"preview format {kind}")
                    need(hasattr(image, "save") and isinstance(limit, int), "preview is (format, PIL, size)")
                    host.previews.append(image)

        def throw_exception_if_processing_interrupted() -> None:
            if host.interrupt_at is not None and len(host.progress) >= host.interrupt_at:
                raise Interrupted

        def get_save_image_path(prefix: str, folder: str, width: int = 0, height: int = 0) -> tuple[Any, ...]:
            subfolder, name = Path(prefix).parent, Path(prefix).name
            place = (Path(folder) / subfolder).resolve()
            need(place.is_relative_to(Path(folder).resolve()), "saving outside the output folder")
            place.mkdir(parents=True, exist_ok=True)
            number = sum(1 for path in place.iterdir() if path.name.startswith(name + "_")) + 1
            return str(place), name, number, str(subfolder), prefix

        comfy = ModuleType("comfy")
        utils, management = ModuleType("comfy.utils"), ModuleType("comfy.model_management")
        utils.ProgressBar = ProgressBar
        management.throw_exception_if_processing_interrupted = throw_exception_if_processing_interrupted
        comfy.utils, comfy.model_management = utils, management
        paths = ModuleType("folder_paths")
        paths.get_input_directory = lambda: str(self.input)
        paths.get_output_directory = lambda: str(self.output)
        paths.get_temp_directory = lambda: str(self.output)
        paths.get_save_image_path = get_save_image_path
        names = ("comfy", "comfy.utils", "comfy.model_management", "folder_paths")
        return dict(zip(names, (comfy, utils, management, paths), strict=True))

    def load(self, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """The nodes of a folder in custom_nodes, loaded as ComfyUI does it."""
        name = str(folder).replace(".", "_x_")
        spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module.NODE_CLASS_MAPPINGS, module.NODE_DISPLAY_NAME_MAPPINGS


def inputs_of(node: Any) -> dict[str, tuple[Any, dict[str, Any], bool]]:
    """Input name -> type (or choices), options, required; in the order of the widgets."""
    declared = node.INPUT_TYPES()
    need(set(declared) <= {"required", "optional", "hidden"}, f"groups {set(declared)}")
    need("required" in declared, "no required group")
    out = {}
    for group in ("required", "optional"):
        for name, spec in declared.get(group, {}).items():
            need(isinstance(spec, tuple) and 1 <= len(spec) <= 2, f"{name} is no (type, options)")
            options = spec[1] if len(spec) == 2 else {}
            need(isinstance(options, dict), f"options of {name}")
            out[name] = (spec[0], options, group == "required")
    return out


def check_class(key: str, node: Any) -> None:
    """What ComfyUI reads of a class before it runs anything."""
    need(inspect.ismethod(node.INPUT_TYPES), f"{key}.INPUT_TYPES is no classmethod")
    need(isinstance(node.RETURN_TYPES, tuple) and all(isinstance(t, str) for t in node.RETURN_TYPES), key)
    names = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
    need(
        len(names) == len(node.RETURN_TYPES),
        f"{key}: {len(names)} names for {len(node.RETURN_TYPES)} outputs",
    )
    need(isinstance(node.CATEGORY, str) and node.CATEGORY, f"{key} has no category")
    need(callable(getattr(node, node.FUNCTION, None)), f"{key} has no {node.FUNCTION}")
    taken = inspect.signature(getattr(node, node.FUNCTION)).parameters
    for name, (kind, options, required) in inputs_of(node).items():
        need(name in taken, f"{key}.{node.FUNCTION} does not take {name}")
        need(required or taken[name].default is not inspect.Parameter.empty, f"{key}: {name} may be missing")
        if isinstance(kind, list):
            need(kind and all(isinstance(choice, str) for choice in kind), f"{key}.{name} has no choices")
            need(options.get("default", kind[0]) in kind, f"{key}.{name}: default is no choice")
        else:
            need(isinstance(kind, str) and kind == kind.upper(), f"{key}.{name} has type {kind}")
        if kind in ("INT", "FLOAT"):
            low, high, default = options["min"], options["max"], options["default"]
            need(low <= default <= high, f"{key}.{name}: {default} is not in {low}..{high}")
            need(kind == "FLOAT" or isinstance(default, int), f"{key}.{name}: {default} is no INT")
    needed = [n for n, p in taken.items() if n != "self" and p.default is inspect.Parameter.empty]
    need(set(needed) <= set(inputs_of(node)), f"{key} wants inputs it does not declare")


def widget_values(node: Any, values: list[Any], linked: set[str]) -> dict[str, Any]:
    """The editor's list of values by name, in the order in which it stores them."""
    out, at = {}, 0
    for name, (kind, options, _) in inputs_of(node).items():
        if not (isinstance(kind, list) or kind in WIDGETS):
            continue
        if at >= len(values):
            break
        if name not in linked:
            out[name] = values[at]
        at += 1
        at += ADDED_AFTER.get(name, 0) if kind == "INT" else 0
        at += bool(options.get("image_upload") or options.get("audio_upload"))
    need(at >= len(values), f"{len(values) - at} values are left over")
    return out


def validate(key: str, node: Any, given: dict[str, Any], links: dict[str, str]) -> None:
    """What ComfyUI checks before a prompt runs. `links` holds the type that comes in by each link."""
    own = set()
    if hasattr(node, "VALIDATE_INPUTS"):
        own = set(inspect.signature(node.VALIDATE_INPUTS).parameters) - {"input_types"}
        answer = node.VALIDATE_INPUTS(**{name: given[name] for name in own if name in given})
        need(answer is True, f"{key}: {answer}")
    for name, (kind, options, required) in inputs_of(node).items():
        if name in links:
            need(links[name] == kind, f"{key}.{name} takes {kind}, not {links[name]}")
            continue
        need(name in given or not required, f"{key}: required input is missing: {name}")
        if name not in given or name in own:
            continue
        value = given[name]
        if isinstance(kind, list):
            need(value in kind, f"{key}.{name}: {value!r} is not in the list")
        elif kind in ("INT", "FLOAT"):
            need(isinstance(value, (int, float)) and not isinstance(value, bool), f"{key}.{name}: {value!r}")
            need(options["min"] <= value <= options["max"], f"{key}.{name}: {value} is out of range")


def check_value(key: str, kind: str, value: Any) -> None:
    """That an output is what its type promises."""
    if kind == "IMAGE":
        need(
            isinstance(value, torch.Tensor) and value.dtype == torch.float32,
            f"{key}: IMAGE is no float tensor",
        )
        need(value.ndim == 4 and value.shape[3] == 3, f"{key}: IMAGE of shape {tuple(value.shape)}")
        need(float(value.min()) >= 0 and float(value.max()) <= 1, f"{key}: IMAGE is not within 0..1")
    elif kind == "AUDIO":
        need(set(value) >= {"waveform", "sample_rate"}, f"{key}: AUDIO has {set(value)}")
        need(value["waveform"].ndim == 3 and isinstance(value["sample_rate"], int), f"{key}: AUDIO's shape")
    elif kind == "FLOAT":
        need(isinstance(value, float), f"{key}: FLOAT is {type(value).__name__}")
    elif kind == "STRING":
        need(isinstance(value, str), f"{key}: STRING is {type(value).__name__}")


def run_node(key: str, node: Any, given: dict[str, Any], host: Host | None = None) -> tuple[Any, ...]:
    """Runs one node and checks what it gives; its `ui` goes to the host."""
    result = getattr(node(), node.FUNCTION)(**given)
    if isinstance(result, dict):
        need(set(result) <= {"ui", "result"}, f"{key} gives {set(result)}")
        if host is not None and "ui" in result:
            need(getattr(node, "OUTPUT_NODE", False), f"{key} shows something, but is no output node")
            json.dumps(result["ui"])
            host.ui[len(host.ui)] = result["ui"]
        result = result.get("result", ())
    need(isinstance(result, tuple) and len(result) == len(node.RETURN_TYPES), f"{key} gives {type(result)}")
    for kind, value in zip(node.RETURN_TYPES, result, strict=True):
        check_value(key, kind, value)
    return result


def run_workflow(
    path: Path, nodes: dict[str, Any], host: Host, changes: dict[str, dict[str, Any]] | None = None
) -> dict[str, tuple[Any, ...]]:
    """Runs a saved workflow node by node; `changes` are widget values by node type. Outputs by node type."""
    graph = json.loads(path.read_text())
    links = {link[0]: link for link in graph["links"]}
    types = {node["id"]: node["type"] for node in graph["nodes"]}
    waiting = {node["id"]: node for node in graph["nodes"]}
    done: dict[int, tuple[Any, ...]] = {}
    while waiting:
        ready = [
            node for node in waiting.values()
            if all(s["link"] is None or links[s["link"]][1] in done for s in node.get("inputs", ()))
        ]  # fmt: skip
        need(ready, "the workflow goes in circles")
        saved = waiting.pop(ready[0]["id"])
        key = saved["type"]
        need(key in nodes, f"there is no node '{key}'")
        node = nodes[key]
        incoming = {s["name"]: links[s["link"]] for s in saved.get("inputs", ()) if s["link"] is not None}
        values = saved["widgets_values"]
        given = dict(values) if isinstance(values, dict) else widget_values(node, values, set(incoming))
        given |= (changes or {}).get(key, {})
        for name in incoming:
            given.pop(name, None)
        kinds = {name: nodes[types[link[1]]].RETURN_TYPES[link[2]] for name, link in incoming.items()}
        validate(key, node, given, kinds)
        if hasattr(node, "IS_CHANGED"):
            first = node.IS_CHANGED(**{name: given[name] for name in given})
            need(
                first == node.IS_CHANGED(**{name: given[name] for name in given}), f"{key} changes by itself"
            )
        given |= {name: done[link[1]][link[2]] for name, link in incoming.items()}
        done[saved["id"]] = run_node(key, node, given, host)
    return {types[number]: result for number, result in done.items()}


def core_nodes(host: Host) -> dict[str, Any]:
    """The few nodes of ComfyUI and of others that the original's graph uses."""

    def make(returns: tuple[str, ...], inputs: dict[str, Any], work: Any, **more: Any) -> Any:
        names = [name for group in inputs.values() for name in group]

        def run(self: Any, **given: Any) -> Any:
            need(set(given) <= set(names), f"unknown inputs {set(given) - set(names)}")
            return work(SimpleNamespace(**given))

        space = {"RETURN_TYPES": returns, "FUNCTION": "run", "CATEGORY": "core", "run": run, **more}
        return type("Core", (), {**space, "INPUT_TYPES": classmethod(lambda cls: inputs)})

    def load_image(given: Any) -> Any:
        from PIL import Image

        image = np.asarray(Image.open(host.input / given.image).convert("RGB"), np.float32) / 255
        return torch.from_numpy(image)[None], torch.zeros(1, 64, 64)

    def load_audio(given: Any) -> Any:
        from sonic_stream.media.audio import open_audio

        samples = np.concatenate(list(open_audio(host.input / given.audio).blocks()))
        return ({"waveform": torch.from_numpy(samples)[None, None], "sample_rate": 48_000},)

    combined = {"images": ("IMAGE",), "frame_rate": ("FLOAT", {"default": 8, "min": 1, "max": 240})}
    rest = ("loop_count", "filename_prefix", "format", "pix_fmt", "crf", "save_metadata", "trim_to_audio",
            "pingpong", "save_output")  # fmt: skip
    optional = {"audio": ("AUDIO",), **{name: ("ANY",) for name in rest}}
    files = [path.name for path in host.input.iterdir()]
    picture, sound = (files, {"image_upload": True}), (files, {"audio_upload": True})
    return {
        "LoadImage": make(("IMAGE", "MASK"), {"required": {"image": picture}}, load_image),
        "LoadAudio": make(("AUDIO",), {"required": {"audio": sound}}, load_audio),
        "ImageOnlyCheckpointLoader": make(
            ("MODEL", "CLIP_VISION", "VAE"), {"required": {"ckpt_name": (["svd_xt.safetensors"],)}},
            lambda given: (object(), object(), object()),
        ),
        "VHS_VideoCombine": make(
            ("VHS_FILENAMES",), {"required": combined, "optional": optional},
            lambda given: ((given.images, given.frame_rate, given.audio),),
        ),
    }  # fmt: skip
