"""Draws what the motion model does: spectrogram and phones above wanted and shown curves.

    python -m bench.motion_figure --out docs/motion.png [--real-lips DIR]

The words are said by espeak-ng, so that the wanted curves are known; with `--real-lips` (see
`bench.motion`) three clips are added, measured lips in grey.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from bench.motion_lips import APERTURE, CLOSE, PICTURE_S, PUCKER, WIDTH, animate, real_clips
from sonic_stream.motion import Animator
from sonic_stream.motion.features import LogMel
from sonic_stream.motion.mouth import gap_of, width_of
from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ
from sonic_stream.train.corpus import merge_silence
from sonic_stream.train.phones import CLASSES, SILENCE, Segment
from sonic_stream.train.speech import espeak_library
from sonic_stream.train.targets import targets
from sonic_stream.types import CHANNEL_INDEX, F32

WORDS = "Mama, papa, father, we, you, shoe."
CLIPS = ("grid_bgau1a", "german_news", "interview")


def _spectrogram(axis: Any, sound: F32) -> None:
    log_mel = LogMel()
    whole = sound[: len(sound) // HOP_SAMPLES * HOP_SAMPLES]
    mel, _ = log_mel(torch.from_numpy(whole)[None], log_mel.rest(1))
    seconds = len(whole) / MODEL_RATE_HZ
    axis.imshow(mel[0].T, origin="lower", aspect="auto", extent=(0, seconds, 0, 80), cmap="magma", vmin=-14)
    axis.set_yticks([])
    axis.set_ylabel("log-mel")


def words(animator: Animator, axes: list[Any]) -> None:
    """The words with what was wanted (grey) and what is shown."""
    said = espeak_library().say(WORDS, "en-us", rate=130)
    assert said is not None
    lead = MODEL_RATE_HZ * 2 // 5
    sound = np.pad(said.samples, (lead, lead))
    shift_s, total_s = lead / MODEL_RATE_HZ, len(sound) / MODEL_RATE_HZ
    moved = [Segment(s.phone, s.start_s + shift_s, s.end_s + shift_s, s.stressed) for s in said.segments]
    segments = [Segment(SILENCE, 0, shift_s), *moved, Segment(SILENCE, moved[-1].end_s, total_s)]
    segments = merge_silence(segments)
    coeffs, _ = animate(animator, sound)
    want = targets(segments, len(sound) // HOP_SAMPLES)
    t = np.arange(len(coeffs)) * PICTURE_S
    _spectrogram(axes[0], sound)
    for s in segments:
        if s.phone != SILENCE:
            axes[0].text((s.start_s + s.end_s) / 2, 82, CLASSES[s.phone], ha="center", fontsize=7)
    pucker, jaw = want.curves[:, PUCKER], want.curves[:, CHANNEL_INDEX["jaw"]]
    width = width_of(want.curves[:, WIDTH], pucker, jaw) * (want.events[:, 2] > 0)
    rows = [
        ("gap", gap_of(want.curves[:, APERTURE], pucker), coeffs[:, APERTURE]),
        ("lips pressed", want.curves[:, CLOSE], coeffs[:, CLOSE]),
        ("rounding", pucker, coeffs[:, PUCKER]),
        ("width", width, coeffs[:, WIDTH]),
    ]
    for axis, (name, wanted, shown) in zip(axes[1:], rows, strict=True):
        axis.plot(t[: len(wanted)], wanted, color="0.6", label="wanted")
        axis.plot(t, shown, color="tab:red", label="shown")
        axis.set_ylabel(name)
    axes[1].legend(loc="upper right", fontsize=7)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, default=Path("docs/motion.png"))
    parser.add_argument("--real-lips", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    animator = Animator.load(1)
    clips = [c for c in real_clips(a.real_lips) if c.name in CLIPS] if a.real_lips else []
    figure, axes = plt.subplots(5 + len(clips), 1, figsize=(10, 7.5 + 1.4 * len(clips)))
    words(animator, list(axes[:5]))
    for axis, clip in zip(axes[5:], clips, strict=True):
        coeffs, _ = animate(animator, clip.sound)
        t = np.arange(len(coeffs)) * PICTURE_S
        last = min(7.0, float(clip.t[-1]))
        axis.plot(clip.t, clip.aperture, color="0.6", label="measured")
        axis.plot(t, coeffs[:, APERTURE], color="tab:red", label="shown")
        axis.set_xlim(0, last)
        axis.set_ylabel(f"gap\n{clip.name}", fontsize=8)
        axis.legend(loc="upper right", fontsize=7)
    for axis in axes[:5]:
        axis.set_xlim(0, axes[1].get_lines()[-1].get_xdata()[-1])
    figure.tight_layout()
    figure.savefig(a.out, dpi=80)
    print(a.out)


if __name__ == "__main__":
    main()
