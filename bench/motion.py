"""Measures the motion model: how well lips follow the voice, shut, rest, and how fast a step is.

    python -m bench.motion [--real-lips DIR] [--weights FILE] [--lookahead 0|2|4] [--quick]

`--real-lips` names a folder of NAME.wav (16 kHz) beside NAME.npz (`t` s, `detected`, `aperture`, `width`
over the face height) and `lag_s.json`; without it those figures are null, as are those of Open JTalk and of
festival's voices where they are not installed (`sonic_stream/train/open_jtalk.py`, `festival.py`).
`r_unseen_engine` is the network's own gap against the phones' curve; `_shown` is what the face shows, after
`motion/mouth.py` has spread it to people's range. Prints tables and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from bench.motion_behaviour import REAL_BEHAVIOUR, behaviour
from bench.motion_lips import Clip, compare, net_r, real_clips, spoken, synthetic
from bench.motion_sounds import spoilers, stillness
from bench.motion_speed import batch_ms, step_ms, stream_error
from sonic_stream.motion import Animator
from sonic_stream.motion.weights import SHIPPED, load_net, notes_of
from sonic_stream.timebase import FPS
from sonic_stream.train import festival, open_jtalk, speech

UNSEEN_ENGINE = "Open JTalk, an engine never heard"
UNSEEN_VOICES = "festival, voices never heard"
REAL_KEYS = (
    "r_clean",
    "r_broadcast",
    "width_r",
    "aperture_std",
    "aperture_std_real",
    "auc_clean",
    "auc_broadcast",
)


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
    net, _ = load_net(a.weights)
    groups: dict[str, dict[str, float]] = {"espeak-ng, new sentences": heard | {"r_net": net_r(net, said)}}
    for name, new in (
        (UNSEEN_ENGINE, spoken(open_jtalk.say(24, 9001), 24)),
        (UNSEEN_VOICES, [u for v in festival.UNHEARD for u in spoken(festival.say(v, 8, 9001), 8)]),
    ):
        if new:
            groups[name] = synthetic(animator, new) | {"r_net": net_r(net, new)}
    engine, voices = groups.get(UNSEEN_ENGINE, {}), groups.get(UNSEEN_VOICES, {})
    table(
        "Synthetic speech with true timings",
        [["voices", *heard, "r_net"]]
        + [[name, *(f"{v:.3f}" for v in f.values())] for name, f in groups.items()],
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
    result: dict[str, object] = {
        **real,
        "closure_recall": heard["recall"],
        "closure_false": heard["false"],
        "r_unseen_engine": engine.get("r_net"),
        "r_unseen_engine_shown": engine.get("r_whole"),
        "r_unseen_engine_talking": engine.get("r"),
        "r_unseen_voices": voices.get("r_net"),
        "r_unseen_voices_shown": voices.get("r_whole"),
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
