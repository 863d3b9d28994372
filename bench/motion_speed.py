"""How long a step of the motion network takes, and whether chunks give what the whole gives."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from sonic_stream.motion import Animator
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.weights import load_net
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import F32, Controls


def stream_error(weights: Path, sound: F32) -> float:
    """Largest difference, in curves' units, of random chunks and the whole."""
    net, _ = load_net(weights)
    log_mel = LogMel()
    hops = len(sound) // HOP_SAMPLES
    audio = torch.from_numpy(sound[: hops * HOP_SAMPLES])[None]
    rng = np.random.default_rng(3)
    with torch.inference_mode():
        whole, _ = net(log_mel(audio, log_mel.rest(1))[0], net.rest(1))
        state, tail, at, parts = net.rest(1), log_mel.rest(1), 0, []
        while at < hops:
            n = min(int(rng.integers(1, 12)), hops - at)
            mel, tail = log_mel(audio[:, at * HOP_SAMPLES : (at + n) * HOP_SAMPLES], tail)
            out, state = net(mel, state)
            parts.append(out.curves)
            at += n
    return float((torch.cat(parts, 1) - whole.curves).abs().max())


def step_ms(animator: Animator, sound: F32) -> tuple[float, float]:
    """Median and 95th percentile of one slot's step."""
    hops = np.resize(sound, (400, HOP_SAMPLES)).astype(np.float32)
    times = []
    for i in range(400):
        began = time.perf_counter()
        animator.step([0], [i * FRAME_TICKS], hops[i : i + 1], [Controls()])
        times.append(time.perf_counter() - began)
    return float(np.median(times[50:]) * 1e3), float(np.quantile(times[50:], 0.95) * 1e3)


def batch_ms(slots: int = 64) -> float | None:
    """Median of a step of that many slots on a GPU; None without one."""
    if not torch.cuda.is_available():
        return None
    animator = Animator.load(slots, 2, device="cuda")
    rng = np.random.default_rng(2)
    times = []
    for i in range(200):
        hops = rng.normal(0, 0.1, (slots, HOP_SAMPLES)).astype(np.float32)
        began = time.perf_counter()
        animator.step(list(range(slots)), [i * FRAME_TICKS] * slots, hops, [Controls()] * slots)
        times.append(time.perf_counter() - began)
    return float(np.median(times[50:]) * 1e3)
