"""Lips that follow a voice, measured: against real people's and against sounds with known phone times.

`animate` runs the shipped way from sound to coefficients; everything else here compares its answer.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from sonic_stream.motion import Animator
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.model import MotionNet
from sonic_stream.motion.mouth import gap_of
from sonic_stream.timebase import FPS, FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.train import speech
from sonic_stream.train.corpus import surrounded
from sonic_stream.train.phones import CLASSES
from sonic_stream.train.targets import targets
from sonic_stream.types import CHANNEL_INDEX, F32, MOUTH_CHANNELS, Controls

APERTURE, WIDTH, CLOSE, PUCKER = (CHANNEL_INDEX[n] for n in ("aperture", "width", "close", "pucker"))
OPEN_VOWELS = [CLASSES.index(name) for name in ("AA", "AE", "EH", "EY", "AH")]
CLOSED_GAP = 0.008
"""A gap below this share of the face height is seen as closed (1.5 mm on a grown-up)."""
PICTURE_S = 1 / FPS


def animate(animator: Animator, sound: F32, seed: int = 0, slot: int = 0) -> tuple[F32, F32]:
    """Coefficients [T, C] and speaking [T] for a whole sound, look-ahead taken off."""
    late = animator.lookahead // FRAME_TICKS
    hops = -(-len(sound) // HOP_SAMPLES)
    padded = np.zeros((hops + late) * HOP_SAMPLES, np.float32)
    padded[: len(sound)] = sound
    animator.reset(slot, seed)
    frames = [
        animator.step([slot], [i * FRAME_TICKS], hop[None], [Controls()])[0]
        for i, hop in enumerate(padded.reshape(-1, HOP_SAMPLES))
    ][late:]
    return np.stack([f.coeffs for f in frames]), np.array([f.speaking for f in frames], np.float32)


def correlation(a: F32, b: F32) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def auc(score: F32, positive: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    """Chance that a positive scores above a negative (ties count half)."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


@dataclass(frozen=True)
class Clip:
    """A recording with measured lips at times `t` of its sound."""

    name: str
    sound: F32
    t: F32
    aperture: F32
    width: F32


def real_clips(folder: Path) -> list[Clip]:
    lags = json.loads((folder / "lag_s.json").read_text())
    clips = []
    for path in sorted(folder.glob("*.npz")):
        measured = np.load(path)
        sound, rate_hz = soundfile.read(path.with_suffix(".wav"), dtype="float32")
        assert rate_hz == MODEL_RATE_HZ
        seen = measured["detected"]
        clips.append(
            Clip(
                path.stem,
                sound,
                (measured["t"][seen] - lags[path.stem]).astype(np.float32),
                measured["aperture"][seen].astype(np.float32),
                measured["width"][seen].astype(np.float32),
            )
        )
    return clips


def at_times(values: F32, t: F32) -> F32:
    """A curve of 25 a second, picture i standing for i / 25 s, read at times `t`."""
    return np.interp(t, np.arange(len(values)) * PICTURE_S, values).astype(np.float32)


def compare(animator: Animator, clip: Clip, change: Callable[[F32], F32] | None = None) -> dict[str, float]:
    """One clip's figures; `change` spoils its sound first."""
    coeffs, speaking = animate(animator, change(clip.sound) if change else clip.sound)
    predicted = at_times(coeffs[:, APERTURE], clip.t)
    talking = at_times(speaking, clip.t) > 0.5
    span = np.quantile(clip.aperture, 0.98) - clip.aperture.min()
    relative = (clip.aperture - clip.aperture.min()) / span
    shut, wide = relative < 0.12, relative > 0.35
    judged = talking & (shut | wide)
    return {
        "r": correlation(predicted, clip.aperture),
        "width_r": correlation(at_times(coeffs[:, WIDTH], clip.t), clip.width),
        "mean": float(predicted[talking].mean()) if talking.any() else 0.0,
        "std": float(predicted[talking].std()) if talking.any() else 0.0,
        "std_real": float(clip.aperture[talking].std()) if talking.any() else 0.0,
        "auc": auc(-predicted[judged], shut[judged]),
        "rough": float(np.abs(np.diff(coeffs[:, APERTURE], 2)).mean()),
    }


def net_r(net: MotionNet, said: list[speech.Utterance], lookahead: int = 2) -> float:
    """Mean r of the gap that the network expects, before it is spread to what lips show; pauses count."""
    which, log_mel, rs = net.config.lookaheads.index(lookahead), LogMel(), []
    for u in said:
        n = len(u.samples) // HOP_SAMPLES
        padded = np.pad(u.samples[: n * HOP_SAMPLES], (0, lookahead * HOP_SAMPLES))
        with torch.inference_mode():
            mel, _ = log_mel(torch.from_numpy(padded)[None], log_mel.rest(1))
            out, _ = net(mel, net.rest(1))
        expected = out.curves[0, lookahead:, which, MOUTH_CHANNELS.index("aperture")].numpy()
        rs.append(correlation(expected, targets(u.segments, n).curves[:, APERTURE]))
    return float(np.mean(rs))


def spoken(source: Iterator[speech.Utterance], count: int) -> list[speech.Utterance]:
    rng = np.random.default_rng(7)
    return [surrounded(said, rng) for said in itertools.islice(source, count)]


def synthetic(animator: Animator, said: list[speech.Utterance]) -> dict[str, float]:
    """Against true phone times: how the aperture follows, which pictures shut, how fast the mouth settles.

    `r` counts pictures in speech only, `r_whole` pauses too.
    """
    got, want, rs, whole_rs, settle = [], [], [], [], []
    for u in said:
        coeffs, _ = animate(animator, u.samples)
        n = len(u.samples) // HOP_SAMPLES
        truth = targets(u.segments, n)
        truth.curves[:, APERTURE] = gap_of(truth.curves[:, APERTURE], truth.curves[:, PUCKER])
        talking = truth.events[:, 2] > 0.5
        rs.append(correlation(coeffs[:n][talking, APERTURE], truth.curves[talking, 0]))
        whole_rs.append(correlation(coeffs[:n, APERTURE], truth.curves[:, 0]))
        got.append(coeffs[:n])
        want.append(truth)
        end_s, total_s = u.segments[-1].start_s, u.segments[-1].end_s
        if u.segments[-1].phone == 0 and total_s - end_s > 0.5:
            gap = coeffs[:n, APERTURE][int(np.ceil(end_s * FPS)) :]
            first = int(np.ceil(end_s * FPS)) * PICTURE_S - end_s
            open_at = np.flatnonzero(gap > 0.004)
            settle.append(1000 * (first + ((open_at[-1] + 1) * PICTURE_S if len(open_at) else 0)))
    coeffs = np.concatenate(got)
    events = np.concatenate([w.events for w in want])
    phone = np.concatenate([w.phone for w in want])
    curves = np.concatenate([w.curves for w in want])
    talking = events[:, 2] > 0.5
    closed = (coeffs[:, CLOSE] > 0.5) | (coeffs[:, APERTURE] < CLOSED_GAP)
    should = (events[:, 0] > 0.5) & (curves[:, 0] < CLOSED_GAP)
    # Vowel pictures whose neighbours are no lip sounds: where a gap is plainly wanted.
    near_lips = np.convolve(events[:, 0], np.ones(3), "same") > 0
    opened = np.isin(phone, OPEN_VOWELS) & ~near_lips & talking
    # A sound's closures as events: is any picture of each shut?
    edges = np.flatnonzero(np.diff(np.concatenate([[0], should.astype(int), [0]])))
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    return {
        "r": float(np.mean(rs)),
        "r_whole": float(np.mean(whole_rs)),
        "recall": float(closed[should].mean()),
        "recall_event": float(np.mean([closed[max(0, a - 1) : b + 1].any() for a, b in runs])),
        "false": float(closed[opened].mean()),
        "std": float(coeffs[talking, APERTURE].std()),
        "std_target": float(curves[talking, 0].std()),
        "mean": float(coeffs[talking, APERTURE].mean()),
        "mean_vowel": float(coeffs[opened, APERTURE].mean()),
        "settle_p50": float(np.median(settle)) if settle else float("nan"),
        "settle_p95": float(np.quantile(settle, 0.95)) if settle else float("nan"),
    }
