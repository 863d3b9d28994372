"""Measures offline rendering: CPU time for each picture by stage, speed against real time, memory.

    python -m bench.offline [--seconds 12] [--portrait FILE] [--voice FILE] [--sizes 384,512,768,1024]
                            [--long-minutes 2]

Each size renders the bundled portrait and voice (repeated to the length) to an mp4 in a process of its own,
with the machine's usual threads. "core ms" is CPU time of the whole process for each picture, of which motion
and picture are the engine's stages; the rest is sound, encoding and muxing. Prints a table and, last, one
JSON line with its settings.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench import cast
from sonic_stream import __version__
from sonic_stream.config import RESOLUTIONS
from sonic_stream.media.audio import open_audio
from sonic_stream.media.image import load_image
from sonic_stream.offline import Parts, bundled, render
from sonic_stream.timebase import TICK_RATE
from sonic_stream.types import PortraitSettings


def resident_mb() -> float:
    """Memory this process holds now, MB (0 where there is no /proc)."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def repeated_voice(voice: Path, seconds: float, out: Path) -> None:
    """`voice` again and again for `seconds`, as 48 kHz wav."""
    once = np.concatenate([*open_audio(voice).blocks(), np.zeros(TICK_RATE // 2, np.float32)])
    count = round(seconds * TICK_RATE)
    samples = np.tile(once, -(-count // len(once)))[:count]
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TICK_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def measure(portrait: Path, voice: Path, size_px: int) -> dict[str, float]:
    """One render at `size_px` in this process."""
    engine: Any = Parts().engine("auto")
    first: dict[str, float] = {}

    def progress(done: int, _: int) -> None:
        if done == 1:  # from here on: models are loaded, kernels compiled
            first.update(cpu=time.process_time(), wall=time.perf_counter(), **engine.stage_s)

    with tempfile.TemporaryDirectory() as folder:
        report = render(
            portrait, voice, Path(folder) / "out.mp4", min_resolution=size_px, progress=progress,
            parts=Parts(engine=lambda _: engine),
        )  # fmt: skip
        wall_s = time.perf_counter() - first["wall"]
        size_mb = report.path.stat().st_size / 2**20
    count = report.pictures - 1
    core_ms = (time.process_time() - first["cpu"]) * 1000 / count
    stage_ms = {name: (engine.stage_s[name] - first[name]) * 1000 / count for name in engine.stage_s}
    return {
        **{f"{name}_ms": ms for name, ms in stage_ms.items()},
        "rest_ms": core_ms - sum(stage_ms.values()),
        "core_ms": core_ms,
        "realtime_factor": count / 25 / wall_s,
        "first_picture_s": report.wall_s - wall_s,
        "rss_mb": resident_mb(),
        "mb_per_min": size_mb / report.duration_s * 60,
    }


def measure_identity(portrait: Path) -> dict[str, float]:
    """Seconds for the first portrait of a process, for a new one later, and for a known one."""
    from sonic_stream.face import IdentityCache

    cache, settings = IdentityCache(), PortraitSettings()
    image = load_image(portrait)
    times = []
    for nudge in range(4):
        image[0, 0] = nudge  # another file, the same work
        data = io.BytesIO()
        Image.fromarray(image).save(data, "PNG", compress_level=1)
        begin = time.perf_counter()
        cache.identify(data.getvalue(), settings)
        times.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    cache.identify(data.getvalue(), settings)
    return {
        "identity_first_s": times[0],
        "identity_s": float(np.median(times[1:])),
        "identity_known_s": time.perf_counter() - begin,
    }


def in_own_process(arguments: Sequence[str], module: str = "bench.offline") -> dict[str, float]:
    """What `python -m MODULE` with `arguments` prints last."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--portrait", type=Path)
    parser.add_argument("--voice", type=Path)
    parser.add_argument("--sizes", default=",".join(map(str, RESOLUTIONS)))
    parser.add_argument(
        "--long-minutes", type=float, default=2.0, help="of the render whose memory is watched"
    )
    parser.add_argument(
        "--no-finish", action="store_true", help="leave out calibration, smoothing and batches (minutes)"
    )
    parser.add_argument("--one", choices=["render", "identity"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    portrait = options.portrait or cast.paths()[0]
    voice = options.voice or bundled.voices()["hello"]
    if options.one == "render":
        print(json.dumps(measure(portrait, voice, int(options.sizes))))
        return
    if options.one == "identity":
        print(json.dumps(measure_identity(portrait)))
        return

    rows: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        long_voice = Path(folder) / "voice.wav"
        repeated_voice(voice, options.seconds, long_voice)
        given = ["--portrait", str(portrait), "--voice", str(long_voice)]
        for size in map(int, options.sizes.split(",")):
            rows[size] = in_own_process(["--one", "render", "--sizes", str(size), *given])
        identity = in_own_process(["--one", "identity", *given])
    long = in_own_process(
        ["--minutes", str(options.long_minutes), "--portrait", str(portrait)], "bench.memory"
    )
    columns = list(next(iter(rows.values())))
    print(f"{'px':>6}" + "".join(f"{name:>18}" for name in columns))
    for size, row in rows.items():
        print(f"{size:>6}" + "".join(f"{row[name]:>18.2f}" for name in columns))
    print("".join(f"{name} {value:.3f}  " for name, value in identity.items()))
    flat = {"rss_slope_mb_per_min": long["rss_slope_mb_per_min"], "long_minutes": options.long_minutes}
    finish: dict[str, Any] = {}
    if not options.no_finish:
        for module in ("bench.calibrate", "bench.smooth", "bench.batch"):
            finish |= in_own_process([], module)
        print("".join(f"{name} {value}  " for name, value in finish.items() if "settings" not in name))
    print(json.dumps({**summary(rows, identity, options, portrait), **flat, **finish}))


def summary(
    rows: dict[int, dict[str, float]], identity: dict[str, float], options: argparse.Namespace, portrait: Path
) -> dict[str, Any]:
    """The figures others quote, and what they were measured with."""
    at_512 = rows.get(512, {})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        **{f"core_ms_{size}": round(row["core_ms"], 2) for size, row in rows.items()},
        "realtime_factor_512": round(at_512.get("realtime_factor", float("nan")), 2),
        **{name: round(value, 3) for name, value in identity.items()},
        "rss_mb": round(at_512.get("rss_mb", float("nan")), 1),
        "stages": {size: {name: round(ms, 2) for name, ms in row.items()} for size, row in rows.items()},
        "settings": {
            "version": __version__, "seconds": options.seconds, "portrait": portrait.name, "cores": cores,
            "machine": platform.machine(), "python": platform.python_version(),
            "omp_num_threads": os.environ.get("OMP_NUM_THREADS"), "load_before": os.getloadavg()[0],
        },
    }  # fmt: skip


if __name__ == "__main__":
    main()
