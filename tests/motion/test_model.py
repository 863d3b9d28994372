from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sonic_stream.motion.features import FRAMES_PER_HOP, MELS
from sonic_stream.motion.model import EVENTS, MotionNet, NetConfig, NetState, choose
from sonic_stream.types import MOUTH_CHANNELS


def some_mel(slots: int, pictures: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(slots, pictures * FRAMES_PER_HOP, MELS, generator=generator) * 3 - 5


def same(a: NetState, b: NetState, atol: float = 1e-5) -> bool:
    return all(torch.allclose(x, y, atol=atol) for x, y in zip(a, b, strict=True))


def test_shapes(small_net: MotionNet) -> None:
    out, _ = small_net(some_mel(3, 7), small_net.rest(3))
    heads = len(small_net.config.lookaheads)
    assert out.curves.shape == (3, 7, heads, len(MOUTH_CHANNELS))
    assert out.events.shape == (3, 7, heads, len(EVENTS))


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 999))
def test_any_chunks_give_what_the_whole_gives(small_net: MotionNet, parts: list[int], seed: int) -> None:
    mel = some_mel(2, sum(parts), seed)
    whole, end = small_net(mel, small_net.rest(2))
    state, curves, events = small_net.rest(2), [], []
    for piece in torch.split(mel, [p * FRAMES_PER_HOP for p in parts], dim=1):
        out, state = small_net(piece, state)
        curves.append(out.curves)
        events.append(out.events)
    assert torch.allclose(torch.cat(curves, 1), whole.curves, atol=1e-5)
    assert torch.allclose(torch.cat(events, 1), whole.events, atol=1e-5)
    assert same(state, end)


def test_the_past_beyond_the_windows_is_forgotten(small_net: MotionNet) -> None:
    c = small_net.config
    reach = c.blocks * (c.window - 1) + (c.near - 1) + 2
    a, b = some_mel(1, reach + 5, 1), some_mel(1, reach + 5, 1)
    b[:, : 2 * FRAMES_PER_HOP] += 3
    first, _ = small_net(a, small_net.rest(1))
    second, _ = small_net(b, small_net.rest(1))
    assert torch.allclose(first.curves[:, -1], second.curves[:, -1], atol=1e-5)
    assert not torch.allclose(first.curves[:, 3], second.curves[:, 3], atol=1e-3)


def test_nothing_later_is_heard(small_net: MotionNet) -> None:
    a, b = some_mel(1, 8, 1), some_mel(1, 8, 1)
    b[:, 5 * FRAMES_PER_HOP :] -= 4
    first, _ = small_net(a, small_net.rest(1))
    second, _ = small_net(b, small_net.rest(1))
    assert torch.allclose(first.curves[:, :5], second.curves[:, :5], atol=1e-6)
    assert not torch.allclose(first.curves[:, 5:], second.curves[:, 5:], atol=1e-3)


def test_slots_do_not_see_each_other(small_net: MotionNet) -> None:
    mel = some_mel(3, 6)
    together, _ = small_net(mel, small_net.rest(3))
    mel[[0, 2]] = some_mel(2, 6, seed=9)
    changed, _ = small_net(mel, small_net.rest(3))
    assert torch.allclose(together.curves[1], changed.curves[1], atol=1e-5)


def test_a_slot_that_does_not_run_keeps_its_state(small_net: MotionNet) -> None:
    _, before = small_net(some_mel(2, 4), small_net.rest(2))
    _, after = small_net(some_mel(2, 3, 7), before, torch.tensor([True, False]))
    rows = lambda s, i: NetState(*(x[i : i + 1] for x in s))  # noqa: E731
    assert same(rows(after, 1), rows(before, 1), atol=0)
    assert not same(rows(after, 0), rows(before, 0))


def test_a_reset_slot_is_as_new(small_net: MotionNet) -> None:
    _, used = small_net(some_mel(2, 9), small_net.rest(2))
    state = choose(torch.tensor([True, False]), small_net.rest(2), used)
    mel = some_mel(1, 5, 3).expand(2, -1, -1)
    out, _ = small_net(mel, state)
    new, _ = small_net(mel[:1], small_net.rest(1))
    assert torch.allclose(out.curves[:1], new.curves, atol=1e-5)
    assert not torch.allclose(out.curves[1:], new.curves, atol=1e-4)


def test_half_precision_autocast_stays_finite(small_net: MotionNet) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = small_net(some_mel(1, 3), small_net.rest(1))
    assert torch.isfinite(out.curves.float()).all()


def test_configuration_survives_json() -> None:
    config = NetConfig(stem=8, lookaheads=(0, 2))
    assert NetConfig.from_json(config.to_json()) == config
