"""Measures batches: pictures a second with one, two and four rows at a time through one engine.

    python -m bench.batch [--rows 8] [--seconds 2] [--size 384] [--jobs 1,2,4]

Each count runs in a fresh folder of the same process, after a first batch that loads everything and prepares
the portraits. `batch_scaling` is the speed with two rows at a time over that with one. Prints a table and,
last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from bench import cast
from sonic_stream.config import settle
from sonic_stream.offline import bundled
from sonic_stream.offline.batch import run_batch
from sonic_stream.offline.batch_jobs import read_jobs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--jobs", default="1,2,4")
    options = parser.parse_args()
    names, voices = list(cast.MEASURED), list(bundled.voices())
    speeds: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        jobs_file = Path(folder) / "jobs.jsonl"
        rows = [
            {"portrait": names[i % len(names)], "audio": voices[i % len(voices)], "duration": options.seconds,
             "min_resolution": options.size, "seed": i}
            for i in range(options.rows)
        ]  # fmt: skip
        jobs_file.write_text("\n".join(map(json.dumps, rows)))
        listed = read_jobs(jobs_file, settle)
        warm = Path(folder) / "warm"
        warm.mkdir()
        run_batch(listed[: len(names)], warm)
        print(f"{'rows at a time':>16}{'pictures/s':>14}{'core-ms/picture':>18}{'faces/step':>12}")
        for jobs in map(int, options.jobs.split(",")):
            out = Path(folder) / str(jobs)
            out.mkdir()
            cpu = time.process_time()
            report = run_batch(listed, out, jobs=jobs)
            cpu_ms = (time.process_time() - cpu) * 1000 / report.pictures
            speeds[jobs] = report.pictures / report.wall_s
            shared = report.hops / report.steps
            print(f"{jobs:>16}{speeds[jobs]:>14.1f}{cpu_ms:>18.1f}{shared:>12.2f}", flush=True)
    scaling = speeds[2] / speeds[1] if {1, 2} <= speeds.keys() else None
    result = {
        "batch_scaling": None if scaling is None else round(scaling, 2),
        "batch_pictures_per_s": {str(jobs): round(speed, 1) for jobs, speed in speeds.items()},
        "batch_settings": {
            "rows": options.rows, "seconds": options.seconds, "size_px": options.size,
            "cores": os.cpu_count(),
        },
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
