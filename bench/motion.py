"""Measures the motion model: how well lips follow the voice, shut, rest, and how fast a step is.

    python -m bench.motion [--real-lips DIR] [--weights FILE] [--lookahead 0|2|4] [--quick]

`--real-lips` names a folder of NAME.wav (16 kHz) beside NAME.npz (`t` s, `detected`, `aperture`, `width`
over the face height) and `lag_s.json`; without it those figures are null, as are those of festival's voices
where festival is not installed. Prints tables and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
import torch
from scipy.signal import butter, sosfilt, welch

from sonic_stream.motion import Animator
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.moods import EYES_HOLD
from sonic_stream.motion.mouth import gap_of
from sonic_stream.motion.weights import SHIPPED, load_net, notes_of
from sonic_stream.timebase import FPS, FRAME_TICKS, HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.train import speech
from sonic_stream.train.corpus import surrounded
from sonic_stream.train.negatives import breath, coloured_noise, hum, music, unsteady_noise
from sonic_stream.train.phones import CLASSES
from sonic_stream.train.targets import targets
from sonic_stream.types import CHANNEL_INDEX, F32, Controls

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


def opus(sound: F32, bit_rate: int = 12_000) -> F32:
    """Through Opus and back."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = bit_rate
        loud = (np.clip(soxr.resample(sound, MODEL_RATE_HZ, 48_000), -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(loud[None], "s16", "mono")
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as back:
        resampler = av.AudioResampler("flt", "mono", 48_000)
        parts = [f.to_ndarray()[0] for p in back.decode(audio=0) for f in resampler.resample(p)]
    heard = soxr.resample(np.concatenate(parts).astype(np.float32), 48_000, MODEL_RATE_HZ)
    return np.pad(heard, (0, max(0, len(sound) - len(heard))))[: len(sound)].astype(np.float32)


def spoilers(rng: np.random.Generator, other: F32) -> dict[str, Callable[[F32], F32]]:
    """Ways in which a voice arrives that is not clean."""

    def noise(db: float) -> Callable[[F32], F32]:
        def add(x: F32) -> F32:
            n = coloured_noise(len(x), rng, 1.0)
            return (x + n * np.float32(x.std() / n.std() * 10 ** (-db / 20))).astype(np.float32)

        return add

    band = butter(4, (250, 3400), "band", fs=MODEL_RATE_HZ, output="sos")
    return {
        "clean": lambda x: x,
        "noise 20 dB": noise(20),
        "noise 10 dB": noise(10),
        "noise 0 dB": noise(0),
        "telephone": lambda x: sosfilt(band, x).astype(np.float32),
        "-30 dB": lambda x: x * np.float32(10**-1.5),
        "clipped": lambda x: np.clip(x * np.float32(8), -0.5, 0.5),
        "opus 12 kb/s": opus,
        "second voice -6 dB": lambda x: x + np.resize(other, len(x)) * np.float32(x.std() / other.std() / 2),
    }


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


def stillness(animator: Animator) -> dict[str, float]:
    """Standard deviation of the aperture on sounds nobody makes with a mouth."""
    rng = np.random.default_rng(11)
    n = 20 * MODEL_RATE_HZ
    noises = [
        make(n, rng) * np.float32(g)
        for g in (0.02, 0.2, 0.7)
        for make in (coloured_noise, unsteady_noise, hum)
    ]
    sounds = {
        "noise": noises,
        "music": [music(n, rng) * np.float32(g) for g in (0.05, 0.2, 0.4, 0.7) for _ in range(3)],
        "breath": [breath(n, rng) * np.float32(0.1)],
        "silence": [np.zeros(n, np.float32)],
    }
    return {
        name: float(np.sqrt(np.mean([animate(animator, x)[0][:, APERTURE].var() for x in group])))
        for name, group in sounds.items()
    }


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


def looks_away(face: F32) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Pictures in which the eyes, head's turn made good, are off the viewer by more than 3.4 degrees."""
    sideways = face[:, CHANNEL_INDEX["gaze_x"]] + EYES_HOLD * face[:, CHANNEL_INDEX["yaw"]]
    return np.asarray(np.abs(sideways) > 0.06)


def behaviour(animator: Animator, voice: F32) -> dict[str, float]:
    """Statistics of head and lids while talking, over ten minutes of four seeds."""
    sound = np.resize(voice, 150 * MODEL_RATE_HZ)
    faces = [animate(animator, sound, seed)[0] for seed in range(4)]
    degrees = {a: np.degrees([f[:, CHANNEL_INDEX[a]] for f in faces]) for a in ("yaw", "pitch", "roll")}
    speed = np.sqrt(sum(np.diff(x, axis=1) ** 2 for x in degrees.values())) * FPS
    blinks, lengths = 0, []
    for f in faces:
        shut = np.concatenate([[0], f[:, CHANNEL_INDEX["blink_left"]] > 0.4, [0]]).astype(int)
        starts, ends = np.flatnonzero(np.diff(shut) == 1), np.flatnonzero(np.diff(shut) == -1)
        blinks += len(starts)
        lengths += list((ends - starts) * 1000 / FPS)
    told = {f"{a}_std": float(np.mean(x.std(1))) for a, x in degrees.items()}
    for a, x in degrees.items():
        hz, power = welch(x, FPS, nperseg=512, axis=1)
        halves = [hz[np.searchsorted(np.cumsum(p), p.sum() / 2)] for p in power[:, 1:]]
        told[f"{a}_median_hz"] = float(np.mean(halves))
        high = butter(2, 0.15, "high", fs=FPS, output="sos")
        told[f"{a}_std_fast"] = float(np.mean(sosfilt(high, x, axis=1)[:, 100:].std(1)))
    return told | {
        "speed_median": float(np.median(speed)),
        "speed_p95": float(np.quantile(speed, 0.95)),
        "blinks_per_minute": blinks / (len(faces) * len(sound) / MODEL_RATE_HZ / 60),
        "blink_ms": float(np.median(lengths)),
        "away_share": float(np.mean([looks_away(f) for f in faces])),
    }


REAL_BEHAVIOUR = {
    "yaw_std": 3.4,
    "pitch_std": 2.7,
    "roll_std": 2.9,
    "yaw_std_fast": 2.3,
    "pitch_std_fast": 2.4,
    "roll_std_fast": 1.5,
    "speed_median": 12,
    "speed_p95": 38,
    "blinks_per_minute": 26,
    "blink_ms": 120,
    "away_share": 0.23,
}
"""Talking people, measured (degrees, degrees a second, ms)."""


def table(title: str, rows: list[list[str]]) -> None:
    print(f"\n{title}")
    widths = [max(len(r[i]) for r in rows if i < len(r)) for i in range(max(map(len, rows)))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False)).rstrip())


def on_real(animator: Animator, clips: list[Clip], robust: bool) -> dict[str, float | None]:
    figures = {c.name: compare(animator, c) for c in clips}
    keys = list(next(iter(figures.values())))
    table(
        "Real lips",
        [["clip", *keys]] + [[n, *(f"{f[k]:.3f}" for k in keys)] for n, f in figures.items()],
    )
    grid = [n for n in figures if n.startswith("grid")]
    rest = [n for n in figures if not n.startswith("grid")]

    def mean(names: list[str], key: str) -> float:
        return float(np.mean([figures[n][key] for n in names]))

    if robust:
        rows = [["sound", "r grid", "r broadcast", "rough"]]
        for name, change in spoilers(np.random.default_rng(5), clips[0].sound).items():
            got = {c.name: compare(animator, c, change) for c in clips}
            means = [f"{np.mean([got[n]['r'] for n in names]):.3f}" for names in (grid, rest)]
            rows.append([name, *means, f"{np.mean([f['rough'] for f in got.values()]):.4f}"])
        table("Spoilt sound", rows)
    return {
        "r_clean": mean(grid, "r"),
        "r_broadcast": mean(rest, "r"),
        "width_r": mean(list(figures), "width_r"),
        "aperture_std": mean(list(figures), "std"),
        "aperture_std_real": mean(list(figures), "std_real"),
        "auc_clean": mean(grid, "auc"),
        "auc_broadcast": mean(rest, "auc"),
    }


REAL_KEYS = (
    "r_clean",
    "r_broadcast",
    "width_r",
    "aperture_std",
    "aperture_std_real",
    "auc_clean",
    "auc_broadcast",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real-lips", type=Path)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--lookahead", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="leave out spoilt sound and behaviour")
    a = parser.parse_args()
    torch.set_num_threads(1)
    animator = Animator.load(1, a.lookahead, a.weights)
    said = spoken(speech.espeak("en-us", 9001), 40) + spoken(speech.espeak("cmn", 9001), 20)
    heard = synthetic(animator, said)
    new_voices = [u for voice in speech.FESTIVAL_VOICES for u in spoken(speech.festival(voice, 8, 9001), 8)]
    unseen = synthetic(animator, new_voices) if new_voices else None
    groups = [
        ("espeak-ng, new sentences", heard),
        *([("festival, never trained on", unseen)] if unseen else []),
    ]
    table(
        "Synthetic speech with true timings",
        [["voices", *heard]] + [[name, *(f"{v:.3f}" for v in f.values())] for name, f in groups],
    )
    still = stillness(animator)
    table(
        "Aperture's standard deviation while nobody speaks",
        [list(still), [f"{v:.4f}" for v in still.values()]],
    )
    real: dict[str, float | None] = dict.fromkeys(REAL_KEYS)
    if a.real_lips:
        real = on_real(animator, real_clips(a.real_lips), not a.quick)
    moves: dict[str, float] = {}
    voice = np.concatenate([u.samples for u in said[:20]])
    if not a.quick:
        moves = behaviour(animator, voice)
        table(
            "Head and lids while talking",
            [["", "here", "people"]]
            + [[k, f"{moves[k]:.2f}", f"{v:.2f}"] for k, v in REAL_BEHAVIOUR.items()],
        )
    median_ms, p95_ms = step_ms(animator, voice)
    net, _ = load_net(a.weights)
    result: dict[str, object] = {
        **real,
        "closure_recall": heard["recall"],
        "closure_false": heard["false"],
        "r_unseen_engine": unseen and unseen["r_whole"],
        "r_unseen_engine_talking": unseen and unseen["r"],
        "still_noise": still["noise"],
        "still_music": still["music"],
        "settle_ms": heard["settle_p95"],
        "stream_error": stream_error(a.weights, voice),
        "step_ms": median_ms,
        "step_p95_ms": p95_ms,
        "gpu_batch_64_ms": batch_ms(),
        "params": sum(p.numel() for p in net.parameters()),
        "lookahead_ms": a.lookahead * 1000 / FPS,
        "behaviour": moves,
        "weights": notes_of(a.weights),
    }
    rounded = json.loads(json.dumps(result), parse_float=lambda x: round(float(x), 7 if "e-" in x else 4))
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
