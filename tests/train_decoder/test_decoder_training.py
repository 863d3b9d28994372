from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sonic_stream.errors import BadInputError
from sonic_stream.picture.decoder_backends import OnnxBackend, choose
from sonic_stream.picture.decoder_net import MOUTH_CONFIG, DecoderNet
from sonic_stream.picture.decoder_weights import notes_of
from sonic_stream.train.decoder import Recipe, Run, checkpoint_of, finish, loss_of_batch, trained
from sonic_stream.train.decoder_data import RUN, _without_guesses, draw, load, varied
from sonic_stream.train.decoder_loss import _unlike, loss_of
from sonic_stream.train.decoder_measure import measure, ms_ssim, plot, psnr


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_pairs_follow_each_other_within_a_clip(shard_folder: Path) -> None:
    shards = load(shard_folder, "mouth")
    assert (shards.rows, shards.people, len(shards.pairs)) == (12, 2, 8)
    assert (shards.pairs[:, 2] - shards.pairs[:, 1] == 1).all()
    assert not set(shards.pairs[:, 1]) & {2, 5, 8, 11}
    np.testing.assert_array_equal(shards.runs, [(0, k, k + 1, k + 2) for k in (0, 3, 6, 9)])


def test_no_shards_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"train\.heads"):
        load(tmp_path, "eye")


def test_variations_are_the_same_for_picture_target_and_reference() -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 2, 20, 24, 3)).astype(np.float32)
    pixels = np.repeat(pixels, 3, 0)
    for seed in range(12):
        out = varied(pixels.copy(), np.random.default_rng(seed))
        assert out.min() >= 0 and out.max() <= 255 and np.ptp(out) > 20
        np.testing.assert_allclose(out[0], out[1], atol=1e-3)
        np.testing.assert_allclose(out[0], out[2], atol=1e-3)


def test_the_colour_of_teeth_is_not_learned(shard_folder: Path) -> None:
    batch = draw(load(shard_folder, "mouth"), 8, mirror=False, rng=np.random.default_rng(1))
    inside = batch.inputs[..., 3] == 255
    wrong = (batch.target - batch.inputs[..., :3])[inside]
    truth = load(shard_folder, "mouth")
    told = (truth.target[0].astype(float) - truth.inputs[0][..., :3])[truth.inputs[0][..., 3] == 255]
    # Asked for is 50 of red alone; learned is a little lightness, alike in all three.
    assert told.mean(0) @ (1, -0.5, -0.5) > 45
    assert abs(wrong.mean(0) @ (1, -0.5, -0.5)) < 6 and 0 < wrong.mean() < 12


def test_yellow_teeth_are_shaded_yellow() -> None:
    inputs = np.zeros((1, 8, 8, 7), np.float32)
    inputs[..., :3], inputs[..., 3] = (190, 160, 100), 255
    target = inputs[..., :3].copy()
    target[:, :4] *= 0.6
    asked = _without_guesses(inputs, target) - inputs[..., :3]
    assert (asked[:, :4].mean((0, 1, 2)) < 0).all()
    darker = asked[0, 0, 0]
    np.testing.assert_allclose(darker / darker[1], np.array([190, 160, 100]) / 160, atol=0.1)


def test_a_batch_keeps_maps_and_normalises_by_the_portrait(shard_folder: Path) -> None:
    batch = draw(load(shard_folder, "mouth"), 3, mirror=True, rng=np.random.default_rng(4))
    assert batch.inputs.shape == (3 * RUN, 96, 128, 7) and batch.tone.shape == (3 * RUN, 4)
    np.testing.assert_allclose(batch.tone[:, :3], batch.reference.mean((1, 2)), rtol=1e-4)
    assert set(np.unique(batch.inputs[..., 3])) == {0, 255}


def loss_between(made: torch.Tensor, truth: torch.Tensor) -> float:
    count, _, height, width = made.shape
    weight, near = torch.ones(count, 1, height, width), torch.zeros(count, 1, height, width)
    return float(loss_of(made - truth, truth, truth, weight, near))


def test_the_loss_is_least_at_the_truth() -> None:
    rng = torch.Generator().manual_seed(0)
    start, truth = torch.rand(2, 3, 3, 32, 32, generator=rng)
    losses = [loss_between(truth + share * (start - truth), truth) for share in (0, 0.1, 0.5, 1)]
    assert losses == sorted(losses)


def test_the_loss_counts_flicker_and_trembling() -> None:
    truth = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def error(*levels: float) -> float:
        return loss_between(truth + torch.tensor(levels)[:, None, None, None], truth)

    assert error(0.2, 0.2, 0.2) < error(0.2, -0.2, 0.2)
    assert error(0.0, 0.2, 0.4) < error(0.0, 0.4, 0.2)  # the same errors, but one grows evenly


def test_structure_is_asked_for_whatever_the_lightness() -> None:
    rows = torch.linspace(0, 12, 32)
    truth = (torch.sin(rows)[:, None] * torch.sin(rows)).expand(3, 3, 32, 32)
    weight = torch.ones(3, 1, 32, 32)
    grain = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2)) - 0.5
    assert _unlike(truth + 0.5, truth, weight) < 1e-3
    assert 0.02 < _unlike(truth + grain, truth, weight) < _unlike(0 * truth, truth, weight) <= 1
    weight[..., 16:] = 0
    half = torch.where(torch.arange(32) < 16, truth, grain)
    assert _unlike(half, truth, weight) < 0.5 * _unlike(half, truth, torch.ones_like(weight))


def test_what_has_no_weight_is_not_blamed() -> None:
    rgb, wrong = torch.zeros(3, 3, 32, 32), torch.zeros(3, 3, 32, 32)
    wrong[..., :8] = 5.0
    weight, near = torch.ones(3, 1, 32, 32), torch.zeros(3, 1, 32, 32)
    blamed = float(loss_of(rgb, rgb, wrong, weight, near))
    weight[..., :8] = 0
    assert float(loss_of(rgb, rgb, wrong, weight, near)) < 0.1 * blamed


def test_every_drawn_number_of_steps_gives_gradients(shard_folder: Path) -> None:
    shards, net = load(shard_folder, "mouth"), DecoderNet(MOUTH_CONFIG)
    torch.nn.init.normal_(net.out.weight, std=0.01)
    batch = draw(shards, 1, mirror=False, rng=np.random.default_rng(0))
    for steps, learning in ((1, 1), (2, 2), (8, 3)):
        net.zero_grad()
        loss, each = loss_of_batch(net, batch, steps)
        loss.backward()  # type: ignore[no-untyped-call]
        assert len(each) == learning
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_a_short_run_beats_geometry_goes_on_and_is_written_whole(shard_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "decoder.safetensors"
    shards = load(shard_folder, "eye")
    checkpoint = checkpoint_of(out, "eye")
    Run("eye", Recipe(batches=8, rate=4e-3), checkpoint, fresh=True).go(shards)
    first = torch.load(checkpoint, weights_only=True)["step"]
    again = Run("eye", Recipe(batches=30, rate=4e-3), checkpoint, fresh=False)
    assert again.step == first == 8
    again.go(shards)
    assert again.step == 30
    net, told = trained("eye", checkpoint)
    assert told["steps"] == again.step
    found = measure(net, load(shard_folder, "eye", "val"), (1, 2))
    assert found["0"]["psnr_gain"] == 0 and found["1"]["psnr_gain"] > 0.1
    finish(out, shard_folder, Recipe())
    assert isinstance(choose("cpu", out).backend, OnnxBackend)
    assert notes_of(out)["mouth"]["trained"] is False and notes_of(out)["eye"]["held_back"]["people"] == 2
    plot({"eye": found}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_measures_know_a_perfect_picture_from_a_worse_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 255, (2, 48, 64, 3)).astype(np.float32)
    weight = np.ones((2, 48, 64), np.float32)
    slightly, badly = (truth + rng.normal(0, s, truth.shape).astype(np.float32) for s in (3, 30))
    np.testing.assert_allclose(psnr(slightly, truth, weight), 20 * np.log10(255 / 3), atol=0.4)
    assert psnr(truth, truth, weight).min() > 60
    assert 1.0001 > ms_ssim(truth[0], truth[0], weight[0]) > ms_ssim(slightly[0], truth[0], weight[0])
    assert ms_ssim(slightly[0], truth[0], weight[0]) > ms_ssim(badly[0], truth[0], weight[0])
