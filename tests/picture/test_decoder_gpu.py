"""The GPU's back end, on the CPU as far as it goes there, and on a GPU where there is one."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from sonic_stream.picture.decoder_backends import AGREEMENT, ROUGH_AGREEMENT, TorchBackend, choose
from sonic_stream.picture.decoder_gpu import BATCHES, GpuBackend, made_up, memory_ended
from sonic_stream.picture.decoder_patch import SIZES
from sonic_stream.picture.decoder_weights import load_nets
from sonic_stream.types import F32, U8

HERE = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU here")


def some_patches(kind: str, count: int) -> tuple[U8, U8, F32]:
    return made_up(*SIZES["mouth" if kind == "mouth" else "eye_left"], count)


class Counting(TorchBackend):
    """The spare backend, which tells how many patches it was given."""

    name = "the spare one"

    def __init__(self) -> None:
        super().__init__(load_nets())
        self.given: list[int] = []

    def change(self, kind: str, inputs: U8, reference: U8, tone: F32, steps: int) -> F32:
        self.given.append(len(inputs))
        return super().change(kind, inputs, reference, tone, steps)


class Small(GpuBackend):
    """A GPU whose memory holds only so many patches."""

    holds = 0

    def _run(self, kind: str, steps: int, *given: U8 | F32) -> F32:
        if len(given[0]) > self.holds:
            raise torch.cuda.OutOfMemoryError("simulated")
        return super()._run(kind, steps, *given)


@pytest.fixture(scope="module")
def spare() -> Counting:
    return Counting()


@pytest.mark.parametrize("kind", ["mouth", "eye"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_padded_batches_answer_as_plain_torch(spare: Counting, kind: str, count: int) -> None:
    backend = GpuBackend(load_nets(), HERE, spare, half=False)
    patches = some_patches(kind, count)
    for steps in (1, 2):
        answer = backend.change(kind, *patches, steps)
        assert answer.shape == spare.change(kind, *patches, steps).shape
        assert np.abs(answer - spare.change(kind, *patches, steps)).max() < AGREEMENT
    again = backend.change(kind, *some_patches(kind, 1), 1)
    np.testing.assert_allclose(again, spare.change(kind, *some_patches(kind, 1), 1), atol=1e-3)


def test_what_is_left_of_a_batch_before_does_not_show(spare: Counting) -> None:
    backend = GpuBackend(load_nets(), HERE, spare, half=False)
    many, few = some_patches("eye", 4), some_patches("eye", 2)
    fresh = backend.change("eye", *few, 1)
    inverted = tuple(255 - part for part in many[:2])
    backend.change("eye", *inverted, many[2], 1)
    np.testing.assert_array_equal(backend.change("eye", *few, 1), fresh)


def test_answers_are_the_callers_own(spare: Counting) -> None:
    backend = GpuBackend(load_nets(), HERE, spare, half=False)
    patches = some_patches("eye", 1)
    first = backend.change("eye", *patches, 1)
    kept = first.copy()
    backend.change("eye", 255 - patches[0], *patches[1:], 1)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("steps", [1, 8])
def test_bfloat16_agrees_roughly(spare: Counting, steps: int) -> None:
    backend = GpuBackend(load_nets(), HERE, spare, half=True)
    for kind in ("mouth", "eye"):
        patches = some_patches(kind, 1)
        wanted = spare.change(kind, *patches, steps)
        wrong = np.abs(backend.change(kind, *patches, steps) - wanted)
        assert np.abs(wanted).mean() > 0.4
        assert 0 < wrong.mean() < ROUGH_AGREEMENT
    assert backend.differs_by(spare) < ROUGH_AGREEMENT
    assert "bfloat16" in backend.name


def test_without_memory_batches_get_smaller(spare: Counting, caplog: pytest.LogCaptureFixture) -> None:
    backend = Small(load_nets(), HERE, spare, half=False)
    backend.holds = 4
    patches = some_patches("eye", 9)
    wanted = spare.change("eye", *patches, 1)
    spare.given.clear()
    with caplog.at_level(logging.WARNING):
        answer = backend.change("eye", *patches, 1)
        backend.change("eye", *patches, 1)
    np.testing.assert_allclose(answer, wanted, atol=1e-3)
    assert backend.most == 4 and not spare.given
    assert [record.args for record in caplog.records] == [(64,), (16,), (4,)]


def test_without_any_memory_the_cpu_goes_on_and_that_is_told_once(
    spare: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Small(load_nets(), HERE, spare, half=False)
    patches = some_patches("eye", 2)
    wanted = spare.change("eye", *patches, 1)
    spare.given.clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_allclose(backend.change("eye", *patches, 1), wanted, atol=1e-3)
    assert spare.given == [2, 2] and backend.name == spare.name
    assert sum("on the CPU (the spare one)" in record.getMessage() for record in caplog.records) == 1


def test_memory_that_ends_within_a_batch_loses_no_patch(spare: Counting) -> None:
    class Shrinking(Small):
        def _run(self, kind: str, steps: int, *given: U8 | F32) -> F32:
            self.holds -= 1
            return super()._run(kind, steps, *given)

    backend = Shrinking(load_nets(), HERE, spare, half=False)
    backend.holds, backend.most = 4, 4
    patches = some_patches("eye", 7)
    wanted = spare.change("eye", *patches, 1)
    np.testing.assert_allclose(backend.change("eye", *patches, 1), wanted, atol=1e-3)
    assert backend.most < 4


def test_memory_that_ends_during_a_capture_counts_and_other_errors_do_not(spare: Counting) -> None:
    class Spoiled(Small):
        def _run(self, kind: str, steps: int, *given: U8 | F32) -> F32:
            try:
                return super()._run(kind, steps, *given)
            except torch.cuda.OutOfMemoryError:
                raise RuntimeError("the capture is not valid")  # noqa: B904 - as a capture does it

    backend = Spoiled(load_nets(), HERE, spare, half=False)
    patches = some_patches("eye", 2)
    answer = backend.change("eye", *patches, 1)
    np.testing.assert_allclose(answer, spare.change("eye", *patches, 1), atol=1e-3)
    assert backend.most == 0
    assert not memory_ended(RuntimeError("an illegal access")) and not memory_ended(None)
    broken = GpuBackend(load_nets(), HERE, spare, half=False)
    with pytest.raises(RuntimeError, match="size of tensor"):
        broken.change("eye", patches[0][:, :8], *patches[1:], 1)


@needs_gpu
@pytest.mark.parametrize("steps", [1, 4])
def test_on_a_gpu_replayed_graphs_answer_as_the_cpu(spare: Counting, steps: int) -> None:
    backend = GpuBackend(load_nets(), torch.device("cuda"), spare)
    for count in (1, 5, BATCHES[-1] + 3):
        for kind in ("mouth", "eye"):
            patches = some_patches(kind, count)
            for _ in range(2):  # captured, then replayed
                answer = backend.change(kind, *patches, steps)
            assert np.abs(answer - spare.change(kind, *patches, steps)).mean() < ROUGH_AGREEMENT


@needs_gpu
def test_a_gpu_is_chosen_where_there_is_one() -> None:
    choice = choose("auto")
    assert isinstance(choice.backend, GpuBackend) and "as on the CPU" in choice.reason
