"""Measures smoothing: how much trembling is left, are closures kept, are teeth as sharp as before?

    python -m bench.smooth [--portraits mira,tariq,juno] [--size 384]

Each portrait speaks and then idles. Its render is shaken as generated videos are (0.5 px in both directions,
0.08 degrees, 0.08 % of size, 1 % of brightness, grain), smoothed to 50 pictures a second, and tracked again;
its idling also with brightness and grain alone. Trembling is the mean second difference of all landmarks
where the stored motion says that mouth and lids are still. Pictures between are compared with a render of the
same motion at 50 a second. Prints a table and, last, one JSON line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import cast
from sonic_stream.face.tracker import shared_tracker
from sonic_stream.media.audio import open_audio
from sonic_stream.media.video import AudioTrack, VideoWriter
from sonic_stream.media.video_file import TimedPicture, open_video
from sonic_stream.offline import render
from sonic_stream.offline.calibrate_lips import FaceFollower, lips_of
from sonic_stream.offline.motion_file import read_motion
from sonic_stream.offline.smooth import smooth
from sonic_stream.offline.smooth_between import Between
from sonic_stream.types import CHANNEL_INDEX, F32, MOUTH_CHANNELS, U8

VOICE, SECONDS = "hello", 9.0
Bools = NDArray[np.bool_]
"""One for each picture."""
DRAWN_S = 3.0
"""How much is drawn at 50 a second as well."""
IDLE_S = 5.8
"""From here on nobody speaks."""
SHUT = 0.012
"""Gap of the inner lips, face heights, that counts as shut."""
MARGIN = 3
"""Pictures from movement to where still stretches begin."""


def shaken(source: Path, out: Path, shake: float = 1.0, begin_s: float = 0.0) -> None:
    """`source` from `begin_s` on with the trembling (times `shake`), flicker and grain of generated ones."""
    file, rng = open_video(source), np.random.default_rng(0)
    size = file.info.width
    sound = AudioTrack(open_audio(source).heard(), 1) if begin_s == 0 else None
    with VideoWriter(out, size, size, 25, sound, crf=14) as writer:
        for picture in file.pictures():
            if picture.time_s - file.info.begin_s < begin_s:
                continue
            turn, grow = rng.normal(0, 0.08 * shake), 1 + rng.normal(0, 0.0008 * shake)
            matrix = cv2.getRotationMatrix2D((size / 2, size / 2), turn, grow)
            matrix[:, 2] += rng.normal(0, 0.5 * shake, 2)
            image = cv2.warpAffine(
                picture.image, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            grain = cv2.GaussianBlur(rng.normal(0, 10, image.shape), (0, 0), 1)
            writer.write(np.clip(image * rng.normal(1, 0.01) + grain, 0, 255).astype(np.uint8))


def images_of(path: Path) -> list[U8]:
    return [picture.image for picture in open_video(path).pictures()]


def tracked(images: Sequence[U8], wanted: Bools) -> tuple[F32, F32]:
    """Landmarks [T, 468, 2], each from five windows, and the lips' gap [T]; NaN where not `wanted`."""
    tracker = shared_tracker()
    face = tracker.search(images[0])[0]
    points = np.full((len(images), 468, 2), np.nan, np.float32)
    gaps = np.full(len(images), np.nan, np.float32)
    for i in np.flatnonzero(wanted[: len(images)]):
        face = tracker.refine(images[i], face) or face
        points[i], gaps[i] = face.points[:468, :2], lips_of(face.points)[0]
    return points, gaps


def trembling(points: F32, still: Bools) -> float:
    """Mean over the still pictures, in face heights."""
    height = np.nanmean(np.linalg.norm(points[:, 10] - points[:, 152], axis=1))
    second = np.linalg.norm(points[2:] - 2 * points[1:-1] + points[:-2], axis=2).mean(axis=1)
    return float(second[still[1:-1]].mean() / height)


def still_pictures(coeffs: F32) -> Bools:
    """Whether each picture belongs to a stretch in which mouth and lids rest."""
    names = (*MOUTH_CHANNELS, "blink_left", "blink_right")
    busy = np.abs(coeffs[:, [CHANNEL_INDEX[name] for name in names]]).max(axis=1) > 0.02
    return np.asarray(np.convolve(busy, np.ones(2 * MARGIN + 1), "same") == 0)


def around(pictures: Bools) -> Bools:
    """These pictures and two to each side."""
    return np.asarray(np.convolve(pictures, np.ones(5), "same") > 0)


def edges(image: U8) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


def between_quality(given: Sequence[U8], drawn: Sequence[U8]) -> dict[str, float]:
    """The mouth in pictures between against the same moment drawn: error against a mixture's, sharpness."""
    between, follower, errors, sharp = Between(), FaceFollower(), [], []
    for i in range(min(len(given), len(drawn) // 2) - 1):
        face = follower.step(TimedPicture(i / 25, given[i]))
        assert face is not None
        x, y = face.points[13, :2].astype(int)
        reach = int(0.2 * face.height)
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
    words = {"min_resolution": size_px, "crf": 12}
    render(portrait, VOICE, plain, duration=SECONDS, write_motion=stored, **words)
    render(portrait, VOICE, true, duration=DRAWN_S, fps=50, motion=stored, **words)
    shaken(plain, shaky)
    coeffs = read_motion(stored).coeffs
    still, shut = still_pictures(coeffs), coeffs[:, CHANNEL_INDEX["close"]] > 0.9
    wanted = around(still | shut)
    begin = time.process_time()
    report = smooth(shaky, out, fps=50)
    cpu_ms = (time.process_time() - begin) * 1000 / report.pictures
    smooth(plain, folder / "clean.mp4")
    rendered = images_of(plain)
    clean, _ = tracked(rendered, wanted)
    before, gaps_before = tracked(images_of(shaky), wanted)
    after, gaps_after = tracked(images_of(out)[::2], wanted)
    steadied, _ = tracked(images_of(folder / "clean.mp4"), around(still))
    was, now, own, own_now = (trembling(points, still) for points in (before, after, clean, steadied))
    off = [float(np.nanmean(np.linalg.norm(points - clean, axis=2))) for points in (before, after)]
    return {
        "jitter_ratio": now / was,
        "jitter_before": was * 1e4,
        "jitter_after": now * 1e4,
        "jitter_render": own * 1e4,
        "jitter_ratio_render": own_now / own,
        "jitter_ratio_flicker": flickering(plain, still, folder),
        "off_ratio": off[1] / off[0],
        "closures": float(shut.sum()),
        "recall_before": float((gaps_before[shut] < SHUT).mean()),
        "recall_after": float((gaps_after[shut] < SHUT).mean()),
        **between_quality(rendered, images_of(true)),
        "cpu_ms": cpu_ms,
    }


def flickering(plain: Path, still: Bools, folder: Path) -> float:
    """Trembling left of flicker and grain alone, while the portrait idles."""
    shaken(plain, folder / "flicker.mp4", shake=0.0, begin_s=IDLE_S)
    smooth(folder / "flicker.mp4", folder / "quiet.mp4")
    idle = still[-len(images_of(folder / "flicker.mp4")) :]
    was, now = (
        trembling(tracked(images_of(folder / f"{name}.mp4"), around(idle))[0], idle)
        for name in ("flicker", "quiet")
    )
    return now / was


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--portraits", default=",".join(cast.MEASURED))
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
        "jitter_ratio_flicker": round(max(row["jitter_ratio_flicker"] for row in rows.values()), 3),
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
