"""Measures lip calibration: are offsets that were put in found, and mended, to within some milliseconds?

    python -m bench.calibrate [--portraits mira,tariq,juno] [--offsets -50,-30,0,30,50] [--real-lips DIR]

Each portrait is rendered with its mouth moved by each offset, measured, mended both ways (the sound moved in
the video; the coefficients moved and rendered again) and measured again. `--real-lips` names a folder of
NAME.wav beside NAME.npz (`t` s, `detected`, `aperture`, `width`) and a `lag_s.json` of each one's own lag:
people's lips, to see what a foreign video's offset is worth. Prints a table and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench import cast
from sonic_stream.media.audio import open_audio
from sonic_stream.offline import Parts, render
from sonic_stream.offline.calibrate import Calibration, Mended, calibrate, heard_motion, moved
from sonic_stream.offline.calibrate_fit import find_lag
from sonic_stream.offline.motion_file import read_motion, write_motion

SIZE_PX = 384
VOICE = "hello"


def measure(portrait: str, offsets_ms: list[int], folder: Path) -> list[dict[str, float]]:
    """Found and mended offsets, ms, for each that was put in."""
    stored, plain = folder / "plain.npz", folder / "plain.mp4"
    render(portrait, VOICE, plain, min_resolution=SIZE_PX, write_motion=stored)
    rows = []
    for offset_ms in offsets_ms:
        late = moved(read_motion(stored), offset_ms / 1000)
        write_motion(folder / "late.npz", late)
        video = folder / "late.mp4"
        render(portrait, VOICE, video, min_resolution=SIZE_PX, motion=folder / "late.npz")
        by_sound = calibrate(video, folder / "sound.mp4")
        assert isinstance(by_sound, Mended)
        write_motion(folder / "right.npz", moved(late, -by_sound.before.offset_s))
        again = folder / "again.mp4"
        render(portrait, VOICE, again, min_resolution=SIZE_PX, motion=folder / "right.npz")
        by_motion = calibrate(again)
        assert isinstance(by_motion, Calibration)
        row = {
            "put_in": float(offset_ms),
            "found": by_sound.before.offset_s * 1000,
            "spread": by_sound.before.lag.spread_s * 1000,
            "confidence": by_sound.before.lag.confidence,
            "sound_mended": by_sound.after.offset_s * 1000,
            "motion_mended": by_motion.offset_s * 1000,
        }
        print(f"{portrait:>8}" + "".join(f"{value:>15.2f}" for value in row.values()), flush=True)
        rows.append(row)
    return rows


def on_people(folder: Path) -> dict[str, float]:
    """How far measured lags of real people's lips are from their known ones, ms."""
    lags = json.loads((folder / "lag_s.json").read_text())
    parts, errors, sure = Parts(), [], 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            there = arrays["detected"]
            times = arrays["t"][there].astype(np.float64)
            seen = {name: arrays[name][there].astype(np.float64) for name in ("aperture", "width")}
        asked = heard_motion(open_audio(path.with_suffix(".wav")).blocks(), parts)
        lag = find_lag(times, seen, asked)
        if lag is None:
            continue
        found = Calibration(lag, len(times))
        errors.append((found.offset_s - lags[path.stem]) * 1000)
        sure += found.sure
        print(f"{path.stem:>16}{found.offset_s * 1000:>9.1f} ms, known {lags[path.stem] * 1000:>6.1f} ms, "
              f"confidence {lag.confidence:.2f}")  # fmt: skip
    spread = np.abs(np.array(errors) - np.median(errors))
    return {
        "people_median_ms": round(float(np.median(errors)), 1),
        "people_spread_ms": round(float(np.median(spread)), 1),
        "people_worst_ms": round(float(np.abs(errors).max()), 1),
        "people_clips": len(errors),
        "people_sure": sure,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", default=",".join(cast.MEASURED))
    parser.add_argument("--offsets", default="-50,-30,0,30,50", help="milliseconds, with commas")
    parser.add_argument("--real-lips", type=Path)
    options = parser.parse_args()
    offsets_ms = [int(text) for text in options.offsets.split(",")]
    names = options.portraits.split(",")[:3]
    print(f"{'portrait':>8}" + "".join(
        f"{name:>15}" for name in ("put in", "found", "spread", "confidence", "sound mended", "motion mended")
    ))  # fmt: skip
    rows = []
    for portrait in names:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(portrait, offsets_ms, Path(folder))
    result: dict[str, Any] = {
        "calibration_error_ms": round(max(abs(row["found"] - row["put_in"]) for row in rows), 1),
        "calibration_mended_ms": round(max(abs(row["sound_mended"]) for row in rows), 1),
        "calibration_motion_mended_ms": round(max(abs(row["motion_mended"]) for row in rows), 1),
        "calibration_confidence": round(min(row["confidence"] for row in rows), 2),
    }
    if options.real_lips:
        result |= on_people(options.real_lips)
    settings = {"portraits": names, "offsets_ms": offsets_ms, "size_px": SIZE_PX, "voice": VOICE}
    print(json.dumps({**result, "calibration_settings": settings}))


if __name__ == "__main__":
    main()
