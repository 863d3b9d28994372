"""Measures smoothing: how much trembling is left, are closures kept, are teeth as sharp as before?

    python -m bench.smooth [--portraits mira,tariq,juno] [--size 384]

Each portrait speaks and then idles. Its render is shaken as generated videos are (0.5 px in both directions,
0.08 degrees, 0.08 % of size, 1 % of brightness, grain), smoothed to 50 pictures a second, and tracked again.
Trembling is the mean second difference of all landmarks where the stored motion says that mouth and lids are
still. Pictures between are compared with a render of the same motion at 50 a second. Prints a table and,
last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from sonic_stream.face.tracker import shared_tracker
from sonic_stream.media.audio import open_audio
from sonic_stream.media.video import AudioTrack, VideoWriter
from sonic_stream.media.video_file import open_video
from sonic_stream.offline import bundled, render
from sonic_stream.offline.calibrate_lips import lips_of
from sonic_stream.offline.motion_file import read_motion
from sonic_stream.offline.smooth import jitter, smooth
from sonic_stream.offline.smooth_between import Between
from sonic_stream.types import CHANNEL_INDEX, F32, MOUTH_CHANNELS, U8

VOICE, SECONDS = "hello", 9.0
SHUT = 0.012
"""Gap of the inner lips, face heights, that counts as shut."""
MARGIN = 3
"""Pictures from movement to where still stretches begin."""


def shaken(source: Path, out: Path) -> None:
    """`source` with the trembling, flicker and grain of generated videos."""
    file, rng = open_video(source), np.random.default_rng(0)
    size = file.info.width
    with VideoWriter(out, size, size, 25, AudioTrack(open_audio(source).heard(), 1), crf=14) as writer:
        for picture in file.pictures():
            turn, grow = rng.normal(0, 0.08), 1 + rng.normal(0, 0.0008)
            matrix = cv2.getRotationMatrix2D((size / 2, size / 2), turn, grow)
            matrix[:, 2] += rng.normal(0, 0.5, 2)
            image = cv2.warpAffine(
                picture.image, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            grain = cv2.GaussianBlur(rng.normal(0, 10, image.shape), (0, 0), 1)
            writer.write(np.clip(image * rng.normal(1, 0.01) + grain, 0, 255).astype(np.uint8))


def tracked(images: Iterable[U8]) -> tuple[F32, F32]:
    """Landmarks [T, 468, 2], each from five windows, and the lips' gap [T]."""
    tracker = shared_tracker()
    points, gaps, face = [], [], None
    for image in images:
        if face is None:
            face = tracker.search(image)[0]
        face = tracker.refine(image, face) or face
        points.append(face.points[:468, :2])
        gaps.append(lips_of(face.points)[0])
    return np.stack(points), np.array(gaps, np.float32)


def still_pictures(coeffs: F32) -> F32:
    """Whether each picture belongs to a stretch in which mouth and lids rest."""
    names = (*MOUTH_CHANNELS, "blink_left", "blink_right")
    busy = np.abs(coeffs[:, [CHANNEL_INDEX[name] for name in names]]).max(axis=1) > 0.02
    return np.convolve(busy, np.ones(2 * MARGIN + 1), "same") == 0


def edges(image: U8) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


def between_quality(plain: Path, true: Path, points: F32) -> dict[str, float]:
    """The mouth in pictures between against the same moment drawn: error against a mixture's, sharpness."""
    given = [picture.image for picture in open_video(plain).pictures()]
    drawn = [picture.image for picture in open_video(true).pictures()]
    between, errors, sharp = Between(), [], []
    for i in range(min(len(given), len(drawn) // 2) - 1):
        x, y = points[i, 13].astype(int)
        reach = int(0.2 * np.linalg.norm(points[i, 10] - points[i, 152]))
        window = np.s_[y - reach : y + reach, x - reach : x + reach]
        made, wanted = between(given[i], given[i + 1], 0.5)[window], drawn[2 * i + 1][window]
        mixed = cv2.addWeighted(given[i], 0.5, given[i + 1], 0.5, 0)[window]
        errors.append([np.sqrt(((one.astype(float) - wanted) ** 2).mean()) for one in (made, mixed)])
        sharp.append(edges(made) / edges(wanted))
    made_error, mixed_error = np.mean(errors, axis=0)
    return {"between_error": float(made_error / mixed_error), "between_sharpness": float(np.mean(sharp))}


def measure(portrait: str, size_px: int, folder: Path) -> dict[str, float]:
    """All figures of one portrait."""
    plain, true, shaky, out = (folder / f"{name}.mp4" for name in ("plain", "true", "shaky", "out"))
    stored = folder / "m.npz"
    words = {"duration": SECONDS, "min_resolution": size_px, "crf": 12}
    render(portrait, VOICE, plain, write_motion=stored, **words)
    render(portrait, VOICE, true, fps=50, motion=stored, **words)
    shaken(plain, shaky)
    coeffs = read_motion(stored).coeffs
    still = still_pictures(coeffs)[1:-1]
    shut = coeffs[:, CHANNEL_INDEX["close"]] > 0.9
    begin = time.process_time()
    report = smooth(shaky, out, fps=50)
    cpu_ms = (time.process_time() - begin) * 1000 / report.pictures
    smooth(plain, folder / "clean.mp4")
    clean, _ = tracked(picture.image for picture in open_video(plain).pictures())
    before, gaps_before = tracked(picture.image for picture in open_video(shaky).pictures())
    doubled = [picture.image for picture in open_video(out).pictures()]
    after, gaps_after = tracked(doubled[::2])
    steadied, _ = tracked(picture.image for picture in open_video(folder / "clean.mp4").pictures())
    trembling = {
        name: float(jitter(points)[0][still].mean())
        for name, points in (("clean", clean), ("before", before), ("after", after), ("steadied", steadied))
    }
    off = [float(np.linalg.norm(points - clean, axis=2).mean()) for points in (before, after)]
    return {
        "jitter_ratio": trembling["after"] / trembling["before"],
        "jitter_before": trembling["before"] * 1e4,
        "jitter_after": trembling["after"] * 1e4,
        "jitter_render": trembling["clean"] * 1e4,
        "jitter_ratio_render": trembling["steadied"] / trembling["clean"],
        "off_ratio": off[1] / off[0],
        "closures": float(shut.sum()),
        "recall_before": float((gaps_before[shut] < SHUT).mean()),
        "recall_after": float((gaps_after[shut] < SHUT).mean()),
        **between_quality(plain, true, clean),
        "cpu_ms": cpu_ms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", default=",".join(bundled.portraits()))
    parser.add_argument("--size", type=int, default=384)
    options = parser.parse_args()
    names = options.portraits.split(",")[:3]
    rows: dict[str, dict[str, float]] = {}
    for portrait in names:
        with tempfile.TemporaryDirectory() as folder:
            rows[portrait] = measure(portrait, options.size, Path(folder))
        print(portrait, {name: round(value, 3) for name, value in rows[portrait].items()}, flush=True)
    worst = {
        "jitter_ratio": round(max(row["jitter_ratio"] for row in rows.values()), 3),
        "jitter_ratio_render": round(max(row["jitter_ratio_render"] for row in rows.values()), 3),
        "jitter_recall_before": round(min(row["recall_before"] for row in rows.values()), 3),
        "jitter_recall_after": round(min(row["recall_after"] for row in rows.values()), 3),
        "between_error": round(max(row["between_error"] for row in rows.values()), 3),
        "between_sharpness": round(min(row["between_sharpness"] for row in rows.values()), 3),
        "smooth_cpu_ms": round(max(row["cpu_ms"] for row in rows.values()), 1),
    }
    settings = {"portraits": names, "size_px": options.size, "voice": VOICE, "seconds": SECONDS}
    print(json.dumps({**worst, "smooth_settings": settings}))


if __name__ == "__main__":
    main()
