"""Measures the picture: does a tracker see what was asked for, is it sharp, is it still, what does it cost.

    python -m bench.picture [PORTRAIT...] [--motion FILE] [--pictures 150] [--steps 0] [--pairs DIR]
                            [--without-costs]

Each portrait is driven by the motion (a stored motion file, or by default speech-like curves from a fixed
seed), painted at 512 and tracked again. The last line is JSON. What cannot be measured is null.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench import cast
from bench.flicker import flicker, region
from sonic_stream.face import identify
from sonic_stream.face.regions import LIDS_LEFT, LIDS_RIGHT, LIPS_INNER, LIPS_OUTER
from sonic_stream.face.tracker import FaceTracker, TrackedFace
from sonic_stream.picture import Painter, Settling
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, U8, Identity, PortraitSettings

SIZES = (384, 512, 1024)


def speech_like(count: int, seed: int = 7) -> F32:
    """Coefficients float32 [count, channels]: syllables, rounding, spreading, closures, blinks, sway."""
    rng = np.random.default_rng(seed)
    at = CHANNEL_INDEX
    out = np.zeros((count, len(CHANNELS)), np.float32)
    time_s = np.arange(count) / 25
    syllable = np.clip(np.sin(2 * np.pi * 2.6 * time_s) * 0.7 + 0.45, 0, None)
    knots = np.arange(0, time_s[-1] + 1, 0.5)
    loud = np.interp(time_s, knots, rng.uniform(0.3, 1, len(knots)))
    out[:, at["aperture"]] = 0.085 * syllable * loud
    out[:, at["jaw"]] = 0.6 * syllable * loud
    out[:, at["lower_down"]] = out[:, at["upper_up"]] = 0.3 * syllable * loud
    shape = np.sin(2 * np.pi * 1.1 * time_s + 1)
    out[:, at["width"]] = 0.026 * shape
    out[:, at["stretch"]] = 0.7 * np.clip(shape, 0, None)
    out[:, at["pucker"]] = 0.8 * np.clip(-shape, 0, None)
    out[:, at["funnel"]] = 0.3 * np.clip(-shape, 0, None)
    for start in range(20, count - 6, 33):
        shut = np.array([0.3, 1, 1, 0.3])
        out[start : start + 4, at["close"]] = shut
        out[start : start + 4, at["aperture"]] *= 1 - shut
    for start in range(12, count - 9, 45):
        blink = np.array([0.4, 0.9, 1, 0.85, 0.6, 0.35, 0.15, 0.05])
        for name in ("blink_left", "blink_right"):
            out[start : start + 8, at[name]] = blink
    for name, reach, rate in (("yaw", 0.07, 0.31), ("pitch", 0.04, 0.43), ("roll", 0.03, 0.23)):
        out[:, at[name]] = reach * np.sin(2 * np.pi * rate * time_s + rng.uniform(0, 6))
    return out


def _face_height(points: F32) -> float:
    return float(np.linalg.norm(points[10, :2] - points[152, :2]))


def lips_of(points: F32) -> tuple[float, float]:
    """Aperture and width of the mouth over the face height, from landmarks."""
    down = (points[152, :2] - points[10, :2]) / _face_height(points)
    gap = float((points[14, :2] - points[13, :2]) @ down)
    # Against the eyes' distance, which the jaw does not change; the caller knows it in face heights at rest.
    eyes = np.linalg.norm(points[263, :2] - points[33, :2])
    width = float(np.linalg.norm(points[291, :2] - points[61, :2]) / eyes)
    return gap / _face_height(points), width


def lids_of(points: F32) -> float:
    """Opening of the eyes over their width."""
    gaps = [np.linalg.norm(points[a, :2] - points[b, :2]) for a, b in (*LIDS_LEFT, *LIDS_RIGHT)]
    widths = [np.linalg.norm(points[a, :2] - points[b, :2]) for a, b in ((33, 133), (263, 362))]
    return float(np.mean(gaps) / np.mean(widths))


def _gradient(image: U8, mask: U8) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = cv2.Sobel(grey, -1, 1, 0) ** 2 + cv2.Sobel(grey, -1, 0, 1) ** 2
    return float(energy[mask > 0].mean())


def _mouth_mask(points: F32, size: int) -> U8:
    """Lips and the skin about them, without the opening and its edge."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [points[list(LIPS_OUTER), :2].astype(np.int32)], 1)
    reach = size // 24
    mask = cv2.dilate(mask, np.ones((reach, reach), np.uint8))
    inner = np.zeros_like(mask)
    cv2.fillPoly(inner, [points[list(LIPS_INNER), :2].astype(np.int32)], 1)
    cv2.polylines(inner, [points[list(LIPS_INNER), :2].astype(np.int32)], True, 1, max(1, size // 80))
    mask[inner > 0] = 0
    return mask


def _correlation(a: F32, b: F32) -> tuple[float, float]:
    """Correlation, and slope of b over a."""
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / np.sqrt((a @ a) * (b @ b) + 1e-12)), float((a @ b) / (a @ a + 1e-12))


def measure(identity: Identity, motion: F32, tracker: FaceTracker, steps: int = 0) -> dict[str, float]:
    """Paints the motion and tracks it."""
    painter = Painter(identity)
    size = identity.crop.shape[0]
    first = TrackedFace(np.c_[identity.landmarks, np.zeros(len(identity.landmarks))].astype(np.float32))
    names = CHANNEL_INDEX
    asked, seen, sharp, still = [], [], [], []
    mouth, last, restless = region(identity.landmarks, size), [], []
    rest = painter.paint(np.zeros(len(CHANNELS), np.float32))
    rest_face = tracker.refine(rest, first) or first
    rest_lids, (rest_gap, rest_width) = lids_of(rest_face.points), lips_of(rest_face.points)
    eyes_over_face = float(
        np.linalg.norm(rest_face.points[263, :2] - rest_face.points[33, :2]) / _face_height(rest_face.points)
    )
    own_sharpness = _gradient(identity.crop, _mouth_mask(rest_face.points, size))
    far = cv2.dilate(identity.matte, np.ones((size // 3, size // 3), np.uint8)) == 0
    face, settling = rest_face, Settling()
    for coeffs in motion:
        image = painter.paint(coeffs, steps, settling)
        if far.any():
            still.append(float(np.abs(image[far].astype(int) - identity.crop[far]).max()))
        last = [*last[-2:], image[mouth]]
        if len(last) == 3:
            restless.append(flicker(*last))
        found = tracker.refine(image, face)
        if found is None:
            continue
        face = found
        gap, width = lips_of(face.points)
        blink = (coeffs[names["blink_left"]] + coeffs[names["blink_right"]]) / 2
        aperture = coeffs[names["aperture"]] * (1 - coeffs[names["close"]])
        asked.append((aperture, coeffs[names["width"]], blink, coeffs[names["close"]]))
        seen.append((gap, (width - rest_width) * eyes_over_face, 1 - lids_of(face.points) / rest_lids))
        sharp.append(_gradient(image, _mouth_mask(face.points, size)))
    a, s = np.array(asked, np.float32), np.array(seen, np.float32)
    lip_r, lip_slope = _correlation(a[:, 0], s[:, 0])
    width_r, width_slope = _correlation(a[:, 1], s[:, 1])
    shut, pressed = a[:, 0] < 1e-4, a[:, 3] > 0.95
    return {
        "lip_r": lip_r,
        "lip_slope": lip_slope,
        "width_r": width_r,
        "width_slope": width_slope,
        "lid_r": _correlation(a[:, 2], s[:, 2])[0] if identity.lids_fit else float("nan"),
        "lid_shut": float(s[a[:, 2] > 0.95, 2].mean()) if (a[:, 2] > 0.95).any() else float("nan"),
        "closed_gap": float(s[shut, 0].mean()) if shut.any() else float("nan"),
        "rest_gap": rest_gap,
        "pressed_gap": float(s[pressed, 0].mean()) if pressed.any() else float("nan"),
        "sharpness_ratio": float(np.mean(sharp) / own_sharpness),
        "flicker": float(np.mean(restless)) if restless else float("nan"),
        "outside_change": max(still, default=0.0),
        "lost": float(len(motion) - len(asked)),
    }


def cost_ms(identity: Identity, motion: F32, steps: int = 0) -> float:
    """Core-milliseconds per picture, median."""
    painter, settling = Painter(identity), Settling()
    for coeffs in motion[:10]:
        painter.paint(coeffs, steps, settling)
    taken = []
    for coeffs in motion:
        begin = time.process_time()
        painter.paint(coeffs, steps, settling)
        taken.append(time.process_time() - begin)
    return 1e3 * float(np.median(taken))


def decoder_gains(pairs: Path | None) -> dict[str, object]:
    """PSNR and MS-SSIM of the decoder over geometry, by steps, on pairs held back; null without."""
    if pairs is None:
        return {"psnr_gain_mouth_db": None}
    from sonic_stream.picture.decoder_weights import load_nets
    from sonic_stream.train.decoder_data import load
    from sonic_stream.train.decoder_measure import measure as measure_pairs

    gains: dict[str, object] = {}
    for kind, net in load_nets().items():
        made = measure_pairs(net, load(pairs, kind, "val"), (1, 2, 4, 8))
        for name in ("psnr_gain", "psnr_opening_gain", "ms_ssim_gain"):
            gains[f"{kind}_{name}_by_steps"] = {count: each[name] for count, each in made.items()}
        gains[f"psnr_gain_{kind}_db"] = made["1"]["psnr_gain"]
    return gains


def _stored(path: Path) -> F32:
    from sonic_stream.offline.motion_file import read_motion

    return read_motion(path).coeffs


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "portraits", nargs="*", type=Path, default=cast.paths(), help=", ".join(cast.MEASURED)
    )
    parser.add_argument("--motion", type=Path, help="a stored motion instead of speech-like curves")
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--steps", type=int, default=0, help="steps of the decoder; 0 is geometry alone")
    parser.add_argument("--pairs", type=Path, help="shards of sonic_stream.train.heads: pairs held back")
    parser.add_argument("--without-costs", action="store_true", help="leave out what a picture costs")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    motion = _stored(chosen.motion) if chosen.motion else speech_like(chosen.pictures)
    motion = motion[: chosen.pictures]
    tracker = FaceTracker()
    rows: dict[str, dict[str, float]] = {}
    for path in chosen.portraits:
        identity = identify(path.read_bytes(), PortraitSettings(min_resolution=512))
        rows[path.stem] = measure(identity, motion, tracker, chosen.steps)
    keys = list(next(iter(rows.values())))
    print(f"{'portrait':28}" + "".join(f"{key:>17}" for key in keys))
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"{row[key]:17.3f}" for key in keys))
    mean = {key: round(float(np.nanmean([row[key] for row in rows.values()])), 4) for key in keys}
    print(f"{'mean':28}" + "".join(f"{mean[key]:17.3f}" for key in keys))
    data = chosen.portraits[0].read_bytes()
    costs = {
        f"core_ms_{size}": None
        if chosen.without_costs
        else round(cost_ms(identify(data, PortraitSettings(min_resolution=size)), motion, chosen.steps), 2)
        for size in SIZES
    }
    print(costs)
    settings = {
        "portraits": len(rows),
        "pictures": len(motion),
        "motion": str(chosen.motion) if chosen.motion else "speech-like, seed 7",
        "steps": chosen.steps,
    }
    print(json.dumps({**mean, **decoder_gains(chosen.pairs), **costs, **settings}))


if __name__ == "__main__":
    main()
