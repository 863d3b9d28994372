"""Measures whether memory stays flat through a long render, and whether it is still faster than real time.

    python -m bench.memory [--minutes 10] [--size 512] [--portrait mira] [--keep-resolution] [--fps 25]

Renders the bundled voice, repeated to the length, to an mp4, and reads the process's resident memory after
every second of pictures. The slope is that of a straight line through the last four fifths, in MB for each
minute of sound. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import cast
from bench.offline import repeated_voice, resident_mb
from sonic_stream.offline import bundled, render

_SETTLED = 0.2
"""Share of the pictures after which everything that is kept has been made."""


def measure(portrait: str, minutes: float, **settings: object) -> dict[str, float]:
    """One render in this process."""
    seen: list[tuple[float, float]] = []
    begun = {"cpu": 0.0}

    def progress(done: int, total: int) -> None:
        if done == 1:
            begun["cpu"] = time.process_time()
        if done % fps == 0:
            seen.append((done / fps / 60, resident_mb()))

    fps = int(str(settings.get("fps", 25)))
    with tempfile.TemporaryDirectory() as folder:
        voice = Path(folder) / "voice.wav"
        repeated_voice(bundled.voices()["hello"], minutes * 60, voice)
        report = render(portrait, voice, Path(folder) / "out.mp4", progress=progress, **settings)  # type: ignore[arg-type]
        core_ms = 1e3 * (time.process_time() - begun["cpu"]) / report.pictures
    at_min, held_mb = np.array(seen)[int(_SETTLED * len(seen)) :].T
    return {
        "rss_slope_mb_per_min": round(float(np.polyfit(at_min, held_mb, 1)[0]), 3),
        "rss_begin_mb": round(float(held_mb[:5].mean()), 1),
        "rss_end_mb": round(float(held_mb[-5:].mean()), 1),
        "rss_most_mb": round(float(held_mb.max()), 1),
        "core_ms": round(core_ms, 2),
        "realtime_factor": round(report.realtime_factor, 2),
        "pictures": report.pictures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--portrait", default=cast.FIRST)
    parser.add_argument("--keep-resolution", action="store_true")
    parser.add_argument("--fps", type=int, default=25)
    options = parser.parse_args()
    found = measure(
        options.portrait, options.minutes, min_resolution=options.size, fps=options.fps,
        keep_resolution=options.keep_resolution,
    )  # fmt: skip
    for name, value in found.items():
        print(f"{name:>22} {value}")
    print(json.dumps({**found, "settings": vars(options)}))


if __name__ == "__main__":
    main()
