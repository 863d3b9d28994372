"""The ComfyUI nodes in a stand-in host that enforces the node contract, and both workflows node by node."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import sonic_stream
from sonic_stream.errors import BadInputError, NoFaceError, SonicError
from sonic_stream.integrations.comfyui.finish_nodes import later, resampled_count
from sonic_stream.integrations.comfyui.known_nodes import length_s, nearest_rate, nearest_resolution
from sonic_stream.integrations.comfyui.model import SonicModel
from sonic_stream.integrations.comfyui.tensors import image_of, sound_file, sound_of, track_of
from sonic_stream.media.audio import open_audio
from sonic_stream.media.image import load_image
from sonic_stream.media.video_file import open_video
from sonic_stream.offline import Parts, bundled, pictures
from sonic_stream.offline.smooth import check_rate

_spec = importlib.util.spec_from_file_location("comfy_host", Path(__file__).with_name("comfy_host.py"))
assert _spec is not None and _spec.loader is not None
comfy = importlib.util.module_from_spec(_spec)
sys.modules["comfy_host"] = comfy
_spec.loader.exec_module(comfy)

FOLDER = Path(sonic_stream.__file__).parent / "integrations" / "comfyui"
OLD, OURS = (
    FOLDER / "workflows" / f"{name}.json" for name in ("original_graph", "portrait_to_talking_video")
)
SECONDS = 0.4


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = comfy.Host(tmp_path / "ComfyUI")
    for name, module in host.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    shutil.copy(bundled.portraits()["mira"], host.input / "portrait.png")
    shutil.copy(bundled.voices()["hello"], host.input / "voice.wav")
    return host


@pytest.fixture
def nodes(host):
    (host.custom_nodes / "sonic_stream").symlink_to(FOLDER, target_is_directory=True)
    return host.load(host.custom_nodes / "sonic_stream")[0]


@pytest.fixture(scope="module")
def model():
    """One engine for all tests of this file."""
    return SonicModel()


@pytest.fixture(scope="module")
def mira():
    return image_of(load_image(bundled.portraits()["mira"]))


@pytest.fixture(scope="module")
def hello():
    samples = np.concatenate(list(open_audio(bundled.voices()["hello"]).blocks()))
    return {"waveform": torch.from_numpy(samples)[None, None], "sample_rate": 48_000}


def run(nodes, key, host=None, **given):
    return comfy.run_node(key, nodes[key], given, host)


def defaults(nodes, key):
    """The values that the editor begins with."""
    out = {}
    for name, (kind, options, _) in comfy.inputs_of(nodes[key]).items():
        if isinstance(kind, list):
            out[name] = options.get("default", kind[0])
        elif "default" in options:
            out[name] = options["default"]
    return out


def test_every_node_keeps_the_contract(host):
    (host.custom_nodes / "linked").symlink_to(FOLDER, target_is_directory=True)
    classes, names = host.load(host.custom_nodes / "linked")
    assert set(names) == set(classes) and {"SONICTLoader", "SONIC_PreData", "SONICSampler"} < set(classes)
    for key, node in classes.items():
        comfy.check_class(key, node)


def test_the_known_nodes_have_the_keys_sockets_defaults_and_ranges_of_old_graphs(nodes):
    loader, data, sampler = (
        comfy.inputs_of(nodes[k]) for k in ("SONICTLoader", "SONIC_PreData", "SONICSampler")
    )
    assert nodes["SONICTLoader"].__name__ == "SONICLoader"
    assert nodes["SONICTLoader"].RETURN_TYPES == ("MODEL_SONIC", "DTYPE")
    assert loader["model"] == ("MODEL", {}, False)
    assert loader["ip_audio_scale"][1]["default"] == 1.0 and loader["use_interframe"][1]["default"] is True
    assert loader["dtype"][0] == ["fp16", "fp32", "bf16"]
    assert nodes["SONIC_PreData"].RETURN_TYPES == ("SONIC_PREDATA",)
    assert {k: v[0] for k, v in data.items() if isinstance(v[0], str) and v[0] not in ("INT", "FLOAT")} == {
        "audio": "AUDIO",
        "image": "IMAGE",
        "weight_dtype": "DTYPE",
        "clip_vision": "CLIP_VISION",
        "vae": "VAE",
    }
    assert not data["clip_vision"][2] and not data["vae"][2]
    size = data["min_resolution"][1]
    assert (size["default"], size["min"], size["max"], size["step"]) == (512, 128, 2048, 64)
    assert data["duration"][1]["default"] == 10.0
    ratio = data["expand_ratio"][1]
    assert (ratio["default"], ratio["min"], ratio["max"]) == (0.5, 0.1, 1.0)
    assert nodes["SONICSampler"].RETURN_TYPES == ("IMAGE", "FLOAT")
    assert (sampler["model"][0], sampler["data_dict"][0]) == ("MODEL_SONIC", "SONIC_PREDATA")
    assert [sampler[k][1]["default"] for k in ("seed", "inference_steps", "dynamic_scale", "fps")] == [
        0,
        25,
        1,
        25,
    ]
    assert (sampler["dynamic_scale"][1]["min"], sampler["dynamic_scale"][1]["max"]) == (0.5, 2.0)


def test_the_old_graph_runs_unchanged_but_for_its_length(host, nodes, caplog):
    everything = nodes | comfy.core_nodes(host)
    changes = {"SONIC_PreData": {"duration": SECONDS, "min_resolution": 384}}
    done = comfy.run_workflow(OLD, everything, host, changes)
    images, fps = done["SONICSampler"]
    assert images.shape == (10, 384, 384, 3) and fps == 25.0
    assert float(images.std()) > 0.1
    combined, rate, audio = done["VHS_VideoCombine"][0]
    assert combined is images and rate == 25.0 and audio["sample_rate"] == 48_000
    assert host.progress[-1] == (10, 10) and host.previews
    said = caplog.text
    assert (
        "'unet.pth' is not used" in said
        and "inference_steps 25" in said
        and "duration 0.4 s is followed" in said
    )


def test_our_workflow_needs_no_other_node_and_plays(host, nodes):
    changes = {"SonicStreamTalk": {"min_resolution": "384", "duration": SECONDS}}
    done = comfy.run_workflow(OURS, nodes, host, changes)
    path = Path(done["SonicStreamTalk"][0])
    assert path.is_relative_to(host.output) and done["SonicStreamTalk"][1] == 25.0
    with av.open(str(path)) as made:
        assert made.streams.video[0].frames == 10 and made.streams.audio[0].rate == 48_000
    shown = host.ui[0]["images"][0]
    assert host.output / shown["subfolder"] / shown["filename"] == path and shown["type"] == "output"
    assert host.previews and max(host.previews[-1].size) == 384


def test_the_sampler_makes_the_pictures_that_python_makes(nodes, mira, hello, model):
    data = run(
        nodes, "SONIC_PreData", audio=hello, image=mira, weight_dtype=torch.float16, min_resolution=384,
        duration=SECONDS, expand_ratio=0.2,
    )[0]  # fmt: skip
    images, _ = run(
        nodes,
        "SONICSampler",
        model=model,
        data_dict=data,
        seed=3,
        inference_steps=25,
        dynamic_scale=1.2,
        fps=25.0,
    )
    with sound_file(*sound_of(hello)) as voice:
        wanted = [
            picture.image
            for picture in pictures(
                data.portrait,
                voice,
                duration=SECONDS,
                parts=model.parts(),
                seed=3,
                inference_steps=25,
                dynamic_scale=1.2,
                min_resolution=384,
                expand_ratio=0.2,
            )
        ]
    assert (images.mul(255).round().to(torch.uint8).numpy() == np.stack(wanted)).all()


def sampled(nodes, model, mira, hello, **more):
    words = {"seed": 0, "inference_steps": 1, "dynamic_scale": 1.0, "fps": 25.0, "duration": SECONDS} | more
    data = run(
        nodes, "SONIC_PreData", audio=hello, image=mira, weight_dtype=None, min_resolution=384,
        duration=words.pop("duration"), expand_ratio=0.2,
    )[0]  # fmt: skip
    return run(nodes, "SONICSampler", model=model, data_dict=data, **words)


def test_pictures_a_second_are_real(nodes, mira, hello, model, caplog):
    images, fps = sampled(nodes, model, mira, hello, fps=50.0)
    assert (len(images), fps) == (20, 50.0)
    images, fps = sampled(nodes, model, mira, hello, fps=40.0)
    assert (len(images), fps) == (10, 25.0) and "fps 40 becomes 25" in caplog.text


def test_duration_nought_is_the_sounds_own(nodes, mira, model):
    tone = 0.1 * torch.sin(torch.arange(13_230) * 0.05)
    short = {"waveform": tone[None, None], "sample_rate": 22_050}
    images, _ = sampled(nodes, model, mira, short, duration=0.0)
    assert len(images) == 15


def test_cancel_ends_at_once_and_leaves_nothing(host, nodes, mira, hello, model):
    host.interrupt_at = 3
    with pytest.raises(comfy.Interrupted):
        sampled(nodes, model, mira, hello, duration=5.0)
    assert len(host.progress) == 3
    with pytest.raises(comfy.Interrupted):
        words = defaults(nodes, "SonicStreamTalk") | {"min_resolution": "384", "duration": 5.0}
        run(nodes, "SonicStreamTalk", host, image=mira, audio=hello, model=model, **words)
    assert not [path for path in host.output.rglob("*") if path.is_file()]
    host.interrupt_at = None
    assert len(sampled(nodes, model, mira, hello)[0]) == 10  # the engine's only place is free again


def test_a_film_too_large_for_memory_is_refused_with_a_way_out(nodes, mira, hello):
    tight = SonicModel(replace(Parts(), available_memory=lambda: 4 * 2**20))
    with pytest.raises(BadInputError, match="portrait to talking video"):
        sampled(nodes, tight, mira, hello)


def test_saving_keeps_the_sound_and_counts_files(host, nodes):
    images = torch.rand(10, 66, 65, 3)
    rng = np.random.default_rng(0)
    samples = (0.3 * np.sin(np.arange(17_640) * 0.05) * rng.uniform(0.5, 1, 17_640)).astype(np.float32)
    audio = {"waveform": torch.from_numpy(np.stack([samples, -samples]))[None], "sample_rate": 44_100}
    words = {"fps": 25.0, "filename_prefix": "sonic/video", "crf": 18}
    first = Path(run(nodes, "SonicStreamSave", host, image=images, audio=audio, **words)[0])
    second = Path(run(nodes, "SonicStreamSave", host, image=images, **words)[0])
    assert first != second and first.parent == second.parent == host.output / "sonic"
    with av.open(str(first)) as made:
        video, sound = made.streams.video[0], made.streams.audio[0]
        assert (video.frames, video.width, video.height) == (10, 64, 66)
        assert (sound.rate, sound.channels) == (48_000, 2)
    heard = np.concatenate(list(open_audio(first).heard()), axis=1)
    wanted = np.concatenate(list(track_of(*sound_of(audio), 19_200).blocks), axis=1)
    assert wanted.shape == (2, 19_200)
    assert np.corrcoef(heard[0, :19_000], wanted[0, :19_000])[0, 1] > 0.98
    with pytest.raises(BadInputError, match="divides 48000"):
        run(nodes, "SonicStreamSave", image=images, **words | {"fps": 29.97})


@pytest.fixture(scope="module")
def talking(model):
    """Four seconds of a talking head as an IMAGE, and its sound."""
    made = list(pictures("mira", "hello", duration=4.0, parts=model.parts(), min_resolution=384))
    images = torch.stack([torch.from_numpy(p.image) for p in made]).to(torch.float32).div(255)
    samples = np.concatenate(list(open_audio(bundled.voices()["hello"]).blocks()))[: 4 * 48_000]
    return images, samples


@pytest.mark.parametrize("late_ms", [-40, 0, 40])
def test_calibration_moves_the_sound_to_the_lips(nodes, talking, late_ms):
    images, samples = talking
    audio = {
        "waveform": torch.from_numpy(later(samples[None], -round(late_ms * 48)))[None],
        "sample_rate": 48_000,
    }
    same, mended, offset_ms, report = run(
        nodes, "SonicStreamCalibrate", image=images, audio=audio, fps=25.0, mend=True
    )
    assert same is images and offset_ms == pytest.approx(late_ms, abs=10) and "confidence" in report
    grown = mended["waveform"].shape[2] - audio["waveform"].shape[2]
    assert grown / 48 == pytest.approx(offset_ms, abs=0.1)
    untouched = run(nodes, "SonicStreamCalibrate", image=images, audio=audio, fps=25.0, mend=False)[1]
    assert torch.equal(untouched["waveform"], audio["waveform"])


def test_smoothing_doubles_and_steadies(nodes, talking):
    images = talking[0][:30]
    steadied, fps = run(nodes, "SonicStreamSmooth", image=images, fps=25.0, new_fps=0.0)
    assert steadied.shape == images.shape and fps == 25.0
    doubled, fps = run(nodes, "SonicStreamSmooth", image=images, fps=25.0, new_fps=50.0)
    assert doubled.shape == (60, *images.shape[1:]) and fps == 50.0
    assert float((doubled[::2] - steadied).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("count", "fps", "rate"), [(10, 25, 50), (10, 29.97, 60), (7, 24, 25), (9, 50, 12.5)]
)
def test_the_number_of_smoothed_pictures_is_known_beforehand(count, fps, rate):
    made = resampled_count(count, fps, check_rate(rate))
    assert abs(made - count / fps * rate) <= 1


def test_pictures_without_a_face_or_of_another_shape_are_told(nodes, hello):
    flat = torch.full((12, 64, 64, 3), 0.5)
    with pytest.raises(NoFaceError, match="no face"):
        run(nodes, "SonicStreamSmooth", image=flat, fps=25.0, new_fps=0.0)
    with pytest.raises(NoFaceError, match="no face"):
        run(nodes, "SonicStreamCalibrate", image=flat, audio=hello, fps=25.0, mend=True)
    with pytest.raises(BadInputError, match="shape"):
        run(nodes, "SonicStreamSave", image=torch.zeros(4, 8, 8), fps=25.0, filename_prefix="x", crf=18)
    with pytest.raises(BadInputError, match="waveform"):
        sound_of({"samples": 1})
    silent = {"waveform": torch.zeros(1, 1, 48_000), "sample_rate": 48_000}
    with pytest.raises(SonicError, match="is silent"):
        sampled(nodes, SonicModel(), image_of(load_image(bundled.portraits()["mira"])), silent)


def test_files_are_chosen_from_the_input_folder_only(host, nodes):
    portrait, voice = nodes["SonicStreamPortrait"], nodes["SonicStreamVoice"]
    assert {"mira", "portrait.png"} <= set(portrait.INPUT_TYPES()["required"]["portrait"][0])
    assert {"hello", "voice.wav"} <= set(voice.INPUT_TYPES()["required"]["voice"][0])
    assert portrait.VALIDATE_INPUTS("mira") is True and portrait.VALIDATE_INPUTS("portrait.png") is True
    assert "no file" in portrait.VALIDATE_INPUTS("absent.png")
    assert "does not lie in" in portrait.VALIDATE_INPUTS("../../secret.png")
    before = portrait.IS_CHANGED("portrait.png")
    shutil.copy(bundled.portraits()["tariq"], host.input / "portrait.png")
    assert portrait.IS_CHANGED("portrait.png") != before
    audio = run(nodes, "SonicStreamVoice", voice="voice.wav")[0]
    assert audio["sample_rate"] == 48_000 and audio["waveform"].shape[1] == 1


def test_old_values_are_mapped_to_what_there_is():
    assert [nearest_resolution(px) for px in (128, 448, 512, 576, 640, 900, 2048)] == [
        384,
        512,
        512,
        512,
        768,
        1024,
        1024,
    ]
    assert [nearest_rate(fps) for fps in (25, 24.5, 29.97, 60, 12, 120)] == [25, 25, 30, 60, 25, 25]
    assert (
        length_s(0, 5) is None and length_s(5.02, 5) is None and length_s(3, 5) == 3 and length_s(10, 5) == 10
    )
    assert length_s(1e11, 5) is None


def test_the_nodes_work_without_their_host(mira, monkeypatch, tmp_path):
    """Hosts that load the same nodes need not be ComfyUI."""
    from sonic_stream.integrations.comfyui.nodes import NODE_CLASS_MAPPINGS

    monkeypatch.chdir(tmp_path)
    path = run(NODE_CLASS_MAPPINGS, "SonicStreamSave", image=torch.rand(3, 32, 32, 3), fps=25.0,
               filename_prefix="a/b", crf=18)[0]  # fmt: skip
    assert sum(1 for _ in open_video(path).pictures()) == 3


def test_the_stand_in_catches_what_breaks_the_contract(nodes):
    """A contract nobody can break proves nothing."""
    node = nodes["SonicStreamSave"]
    broken = type("Broken", (node,), {"RETURN_NAMES": ("a", "b")})
    with pytest.raises(comfy.ContractError, match="names"):
        comfy.check_class("Broken", broken)
    with pytest.raises(comfy.ContractError, match="out of range"):
        comfy.validate("S", node, defaults(nodes, "SonicStreamSave") | {"crf": 99}, {"image": "IMAGE"})
    with pytest.raises(comfy.ContractError, match="takes IMAGE"):
        comfy.validate("S", node, defaults(nodes, "SonicStreamSave"), {"image": "MASK"})
    with pytest.raises(comfy.ContractError, match="missing"):
        comfy.validate("S", node, {"crf": 9}, {"image": "IMAGE"})
    lying = type("Lying", (node,), {"save": lambda self, **_: (3,)})
    with pytest.raises(comfy.ContractError, match="STRING"):
        run({"Lying": lying}, "Lying", image=None)
    assert inspect.isclass(broken)
