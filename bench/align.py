"""The align buffer against the usual designs, simulated: `python -m bench.align [--seconds 300]`.

A live source, 300 s of speech with pauses, the same engine for all three designs; no real time passes.
Latency is from the moment a sound begins at the source to the slot that plays it: 40 ms of hop and 80 ms of
look-ahead are in all three. A stall is the sound stopping in mid-speech; a still picture is a slot without a
new one. `--docs` writes the table into docs/latency.md. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from bench import report
from bench.simulate import SCENARIOS, ours, usual_designs

DESIGNS = {"unbuffered": "two clocks, no buffer", "fixed": "fixed 100 ms", "ours": "align buffer"}


def measure(duration_s: float) -> dict[str, dict[str, Any]]:
    """Outcome by scenario and design."""
    found: dict[str, dict[str, Any]] = {}
    for name, scenario in SCENARIOS.items():
        unbuffered, fixed = usual_designs(scenario, duration_s)
        found[name] = {"unbuffered": unbuffered, "fixed": fixed, "ours": ours(scenario, duration_s)}
        print(
            f"{scenario.words:24}" + "".join(f"{found[name][d].as_text():>36}" for d in DESIGNS), flush=True
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--docs", action="store_true", help="write the table into docs/latency.md")
    options = parser.parse_args()
    head = "latency p50 / p95 / at the end, stalls/still pictures a minute"
    print(f"{'':24}{head}\n{'':24}" + "".join(f"{title:>36}" for title in DESIGNS.values()))
    found = measure(options.seconds)
    if options.docs:
        rows = [
            {"what": SCENARIOS[name].words} | {d: row[d].as_text() for d in DESIGNS}
            for name, row in found.items()
        ]
        report.write("align", report.table(rows, {"what": "", **DESIGNS}))
    told = {name: {design: asdict(row[design]) for design in DESIGNS} for name, row in found.items()}
    print(json.dumps({**told, "settings": {"seconds": options.seconds}}))


if __name__ == "__main__":
    main()
