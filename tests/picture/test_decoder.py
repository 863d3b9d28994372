from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sonic_stream.errors import BadInputError, MissingPieceError
from sonic_stream.picture import Painter
from sonic_stream.picture.decoder import (
    Decoder,
    Draft,
    FaceDecoder,
    check_steps,
    lay_change,
    mend,
    shared_decoder,
)
from sonic_stream.picture.decoder_backends import (
    AGREEMENT,
    ROUGH_AGREEMENT,
    Choice,
    OnnxBackend,
    TorchBackend,
    choose,
)
from sonic_stream.picture.decoder_fine import ROUNDED
from sonic_stream.picture.decoder_net import MAX_STEPS, MOUTH_CONFIG, DecoderNet, tone_of
from sonic_stream.picture.decoder_patch import MAPS, MOUTH, SIZES
from sonic_stream.picture.decoder_scene import Scene, Watch
from sonic_stream.picture.decoder_weights import load_nets, make_random, notes_of, onnx_path
from sonic_stream.train.decoder_export import export
from sonic_stream.types import F32, U8

Make = Callable[..., F32]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that were never trained, with ONNX files beside them."""
    path = tmp_path_factory.mktemp("weights") / "decoder.safetensors"
    make_random(path)
    export(path)
    return path


def some_patches(kind: str, count: int) -> tuple[U8, U8, F32]:
    rng = np.random.default_rng(3)
    width, height = SIZES["mouth" if kind == "mouth" else "eye_left"]
    inputs = rng.integers(0, 255, (count, height, width, MAPS), np.uint8)
    reference = rng.integers(0, 255, (count, height, width, 3), np.uint8)
    return inputs, reference, tone_of(reference)


class Answering:
    """A backend that always answers the same."""

    name = "answering"

    def __init__(self, value: float) -> None:
        self.value = value
        self.asked: list[tuple[str, int]] = []

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        self.asked.append((kind, steps))
        return np.full((len(inputs), 3, *inputs.shape[1:3]), self.value, np.float32)


def face_of(painter: Painter, backend: Answering, coeffs: F32) -> tuple[FaceDecoder, Decoder]:
    parts = painter._parts
    decoder = Decoder(Choice(backend, "test"))
    picture, scene = parts.paint(np.zeros_like(coeffs))
    backend.value, value = 0.0, backend.value
    face = FaceDecoder(decoder, parts.watch, picture, scene)
    backend.value = value
    backend.asked.clear()
    return face, decoder


def paint_over(face: FaceDecoder, decoder: Decoder, picture: U8, scene: Scene, steps: int) -> None:
    mend(decoder, [Draft(picture, steps, tuple(face.asks(picture, scene)), face)])


@pytest.mark.parametrize("kind", ["mouth", "eye"])
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_backends_agree(weights: Path, kind: str, steps: int) -> None:
    chosen = choose("cpu", weights).backend
    assert isinstance(chosen, OnnxBackend)
    patches = some_patches(kind, 2)
    a, b = (backend.change(kind, *patches, steps) for backend in (chosen, TorchBackend(load_nets(weights))))
    assert np.abs(a).mean() > 0.1
    assert np.abs(a - b).max() < AGREEMENT


def test_a_patch_does_not_see_who_shares_its_batch(weights: Path) -> None:
    backend = choose("cpu", weights).backend
    inputs, reference, tone = some_patches("mouth", 3)
    together = backend.change("mouth", inputs, reference, tone, 2)
    alone = backend.change("mouth", inputs[1:2], reference[1:2], tone[1:2], 2)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-3)


def test_an_untrained_network_changes_nothing() -> None:
    net = DecoderNet(MOUTH_CONFIG)
    inputs, reference, tone = map(torch.from_numpy, some_patches("mouth", 1))
    _, change = net(inputs, reference, tone, net.rest(1), torch.zeros(1, dtype=torch.int64))
    assert not change.any()


def test_changes_are_bounded_fade_out_at_the_rim_and_are_smooth_away_from_the_opening() -> None:
    torch.manual_seed(1)
    net = DecoderNet(MOUTH_CONFIG)
    torch.nn.init.normal_(net.out.weight, std=5.0)
    inputs, reference, tone = some_patches("mouth", 1)
    inputs[..., 3], inputs[..., 4:6] = 0, 128 + 40
    inputs[:, :48, :, 4] = 0
    tone[:, 3] = 30
    given = net.given(*map(torch.from_numpy, (inputs, reference, tone)))
    change = net.change(
        given.bounds, net.refine(given, net.rest(1), torch.zeros(1, dtype=torch.int64))
    ).detach()
    assert 0.5 < change.abs().max() <= 1.001 * MOUTH_CONFIG.limit
    assert not change[..., 0].any() and not change[..., 0, :].any() and not change[..., -1].any()
    away, inside = change[0, :, 15:40, 30:98], change[0, :, 56:80, 30:98]
    assert away.diff(dim=-1).abs().mean() < 0.15 * inside.diff(dim=-1).abs().mean()


def test_the_network_does_not_see_the_colour_of_a_face() -> None:
    torch.manual_seed(2)
    net = DecoderNet(MOUTH_CONFIG)
    torch.nn.init.normal_(net.out.weight, std=0.05)
    inputs, reference, _ = some_patches("mouth", 1)
    answers = []
    for gain, shift in ((0.5, np.zeros(3)), (0.4, np.array([40, 10, 90]))):
        looked = inputs.astype(np.float32)
        looked[..., :3] = looked[..., :3] * gain + shift
        own = np.asarray(reference * gain + shift, np.float32)
        tone = tone_of(own)
        step = torch.zeros(1, dtype=torch.int64)
        _, change = net(*map(torch.from_numpy, (looked, own, tone)), net.rest(1), step)
        answers.append(change.detach().numpy() / gain)
    assert np.abs(answers[0]).max() > 1
    # Contrast has bounds, so the two need not be equal to the last digit.
    np.testing.assert_allclose(answers[0], answers[1], rtol=0.05, atol=0.6)


def test_only_what_moves_is_painted(painter: Painter, coeffs: Make) -> None:
    backend = Answering(20.0)
    face, decoder = face_of(painter, backend, coeffs())
    picture, scene = painter._parts.paint(coeffs(yaw=0.1))
    before = picture.copy()
    paint_over(face, decoder, picture, scene, 3)
    assert not backend.asked
    np.testing.assert_array_equal(picture, before)
    picture, scene = painter._parts.paint(coeffs(aperture=0.1))
    before = picture.copy()
    paint_over(face, decoder, picture, scene, 3)
    assert backend.asked == [("mouth", 3)] and decoder.stats.painted == 4
    changed = (picture != before).any(2)
    matrix = painter._parts.watch.frames[MOUTH].matrix(scene.pose)
    rows, columns = np.nonzero(changed)
    inside = np.linalg.solve(matrix[:, :2], np.stack([columns, rows]) - matrix[:, 2:])
    assert changed.sum() > 1000
    assert inside.min() > -0.01 and (inside.max(1) < np.array([127.01, 95.01])).all()


def test_eyes_that_wander_are_left_to_geometry_and_lids_wake_evenly(painter: Painter, coeffs: Make) -> None:
    watch, parts = painter._parts.watch, painter._parts
    wandering = watch.activity(parts.paint(coeffs(gaze_x=0.15, gaze_y=-0.09, squint=0.02))[1])
    assert wandering["eye_left"] == wandering["eye_right"] == 0
    assert watch.activity(parts.paint(coeffs(gaze_x=0.5))[1])["eye_left"] == 1
    steps = [watch.activity(parts.paint(coeffs(blink_left=b))[1])["eye_left"] for b in np.linspace(0, 1, 41)]
    assert steps[0] == 0 and steps[-1] == 1 and min(np.diff(steps)) >= 0 and max(np.diff(steps)) < 0.15


def test_nan_leaves_the_geometry_is_counted_and_told_once(
    painter: Painter, coeffs: Make, caplog: pytest.LogCaptureFixture
) -> None:
    face, decoder = face_of(painter, Answering(float("nan")), coeffs())
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            picture, scene = painter._parts.paint(coeffs(aperture=0.1))
            before = picture.copy()
            paint_over(face, decoder, picture, scene, 1)
            np.testing.assert_array_equal(picture, before)
    assert decoder.stats.refused == 3
    assert sum("NaN" in record.message for record in caplog.records) == 1


def test_a_face_that_the_network_does_not_leave_alone_at_rest_is_not_trusted(
    painter: Painter, coeffs: Make
) -> None:
    parts = painter._parts
    picture, scene = parts.paint(coeffs())
    for value, low, high in ((0.0, 1, 1), (200.0, 0, 0)):
        face = FaceDecoder(Decoder(Choice(Answering(value), "test")), parts.watch, picture, scene)
        assert all(low <= trust <= high for trust in face.trust.values())


def test_pictures_mended_together_are_as_if_alone(painter: Painter, coeffs: Make) -> None:
    asked = [(coeffs(aperture=0.1), 1), (coeffs(), 2), (coeffs(aperture=0.04, blink_left=0.7), 1)]
    asked += [(coeffs(aperture=0.06), 2), (coeffs(aperture=0.06), 0)]
    alone = [painter.paint(wanted, steps) for wanted, steps in asked]
    drafts = [painter.draft(wanted, steps) for wanted, steps in asked]
    mend(shared_decoder(), drafts)
    for one, draft in zip(alone, drafts, strict=True):
        assert np.abs(one.astype(int) - draft.picture).max() <= 1
    assert (alone[3] != alone[4]).any()


def test_patches_of_one_kind_go_together(painter: Painter, coeffs: Make) -> None:
    backend = Answering(5.0)
    face, decoder = face_of(painter, backend, coeffs())
    drafts = []
    for aperture in (0.05, 0.1):
        picture, scene = painter._parts.paint(coeffs(aperture=aperture, blink_left=1.0, blink_right=1.0))
        drafts.append(Draft(picture, 1, tuple(face.asks(picture, scene)), face))
    mend(decoder, drafts)
    assert backend.asked == [("mouth", 1), ("eye", 1)]


@pytest.mark.parametrize("steps", [-1, 9, 100])
def test_other_numbers_of_steps_are_refused(painter: Painter, coeffs: Make, steps: int) -> None:
    with pytest.raises(BadInputError, match="1 to 8"):
        check_steps(steps)
    with pytest.raises(BadInputError, match="1 to 8"):
        painter.paint(coeffs(), steps)


def test_a_change_lands_where_the_matrix_says() -> None:
    picture = np.full((60, 80, 3), 100, np.uint8)
    change = np.zeros((3, 20, 30), np.float32)
    change[1, 5, 7] = 50
    matrix = np.array([[1, 0, 11], [0, 1, 22]], np.float32)
    lay_change(picture, change, matrix, 1.0, *ROUNDED)
    assert picture[27, 18].tolist() == [100, 150, 100]
    assert (picture != 100).sum() == 1
    change[:] = -300
    lay_change(picture, change, np.array([[1, 0, -10], [0, 1, -5]], np.float32), 1.0, *ROUNDED)
    assert picture[:14, :19].max() == 0 and picture[16:, 21:].min() == 100


class TestWeights:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MissingPieceError, match=r"none\.safetensors.*train\.decoder"):
            choose("cpu", tmp_path / "none.safetensors")
        with pytest.warns(UserWarning, match="geometry alone"):
            assert shared_decoder(tmp_path / "none.safetensors") is None

    def test_another_version(self, weights: Path, tmp_path: Path) -> None:
        other = tmp_path / "decoder.safetensors"
        save_file(load_file(weights), other, {"format": "sonic-stream decoder 0"})
        with pytest.raises(MissingPieceError, match=r"another version.*train\.decoder"):
            load_nets(other)

    def test_damaged(self, weights: Path, tmp_path: Path) -> None:
        other = tmp_path / "decoder.safetensors"
        other.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(MissingPieceError, match="cannot be read"):
            load_nets(other)

    def test_stale_onnx_falls_back_to_torch_with_a_warning(self, weights: Path, tmp_path: Path) -> None:
        other = tmp_path / "decoder.safetensors"
        make_random(other, seed=9)
        for kind, part in product(("mouth", "eye"), ("first", "later")):
            shutil.copy(onnx_path(weights, kind, part), onnx_path(other, kind, part))
        with pytest.warns(UserWarning, match="older than the weights"):
            choice = choose("cpu", other)
        assert isinstance(choice.backend, TorchBackend) and "decoder_export" in choice.reason

    def test_unknown_device(self, weights: Path) -> None:
        with pytest.raises(BadInputError, match="'cpu', 'cuda' or 'auto'"):
            choose("tpu", weights)
        if not torch.cuda.is_available():
            with pytest.raises(BadInputError, match="no CUDA"):
                choose("cuda", weights)

    def test_notes(self, weights: Path) -> None:
        assert notes_of(weights) == {"trained": False, "seed": 0}


def test_steps_have_each_their_own_voice() -> None:
    net = DecoderNet(MOUTH_CONFIG)
    torch.nn.init.normal_(net.out.weight, std=0.05)
    given = net.given(*map(torch.from_numpy, some_patches("mouth", 1)))
    states = [net.refine(given, net.rest(1), torch.tensor([step])) for step in range(MAX_STEPS)]
    assert all((a - b).abs().max() > 1e-4 for a, b in pairwise(states))


def test_a_scene_without_drawn_lids_still_has_eyes(painter: Painter, coeffs: Make) -> None:
    watch: Watch = painter._parts.watch
    picture, scene = painter._parts.paint(coeffs())
    assert scene.lids == (None, None) and isinstance(scene, Scene)
    assert watch.look(picture, scene, "eye_left", 1.0).inputs[..., 3].max() == 255


class TestShipped:
    def test_it_runs_in_onnx_runtime_and_offers_eight_steps(self, painter: Painter) -> None:
        decoder = shared_decoder()
        assert decoder is not None and isinstance(decoder.choice.backend, OnnxBackend)
        assert painter.steps_available == MAX_STEPS

    def test_8_bits_are_used_where_they_pay_and_change_next_to_nothing(
        self, painter: Painter, coeffs: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quick, exact = (choose("cpu", in_8_bits=yes) for yes in (True, False))
        assert "8 bits" in quick.reason and "8 bits" not in exact.reason
        for wide in (0.02, 0.06, 0.1):
            _, patches = painter.patches(coeffs(aperture=wide, jaw=5 * wide, pucker=0.3))
            mouth = patches[0]
            given = ("mouth", mouth.inputs[None], mouth.reference[None], tone_of(mouth.reference)[None])
            for steps in (1, 3):
                wanted = exact.backend.change(*given, steps)
                wrong = np.abs(quick.backend.change(*given, steps) - wanted)
                assert 0 < wrong.mean() < min(ROUGH_AGREEMENT, 0.2 * np.abs(wanted).mean())
        for able, told in (({"avx512_vnni": True}, True), ({"avx2": True}, False), ({}, False)):
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
            assert ("8 bits" in choose("cpu").reason) is told

    def test_its_card_tells_of_what_was_held_back(self) -> None:
        told = notes_of()
        for kind in ("mouth", "eye"):
            gains = [told[kind]["measured"][str(steps)]["psnr_gain"] for steps in range(9)]
            assert told[kind]["held_back"]["people"] > 0
            assert gains[1] > 1 and min(gains[1:]) >= gains[1]

    def test_a_face_at_rest_is_not_touched_and_a_speaking_one_keeps_its_surroundings(
        self, painter: Painter, coeffs: Make
    ) -> None:
        turned = coeffs(yaw=0.1)
        np.testing.assert_array_equal(painter.paint(turned, 8), painter.paint(turned))
        speaking = coeffs(aperture=0.1, jaw=0.5, blink_left=0.6)
        plain = painter.paint(speaking)
        for steps in (1, 4):
            painted = painter.paint(speaking, steps)
            np.testing.assert_array_equal(painted, painter.paint(speaking, steps))
            away = np.abs(painted.astype(int) - plain)
            assert away.any() and away.mean() < 2 and not away[:40].any() and not away[-40:].any()

    def test_a_movement_that_begins_makes_no_jump(self, painter: Painter, coeffs: Make) -> None:
        changes = []
        for aperture in np.linspace(0, 0.1, 26):
            asked = coeffs(aperture=aperture)
            changes.append(painter.paint(asked, 1).astype(int) - painter.paint(asked).astype(int))
        assert not changes[0].any()
        most = max(np.abs(b - a).mean() for a, b in pairwise(changes))
        assert most < 0.35 * np.abs(changes[-1]).mean()
