"""Measures what each parameter of a render does, by tracking the rendered pictures again.

    python -m bench.parameters [--seconds 3] [--portraits mira,juno,tariq] [--figure] [--write]

Three bundled portraits (bench.cast) speak the bundled voice once for each value. Lips, lids and head are
tracked in the pictures, so a figure is what is seen, not what was asked. `--figure` draws
docs/parameters.jpg, `--write` puts the table into docs/parameters.md. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench import cast
from bench.parameters_stage import Clip, Seen, Stage, see, slope, unmoved
from sonic_stream.config import RESOLUTIONS
from sonic_stream.face.tracker import TrackedFace, shared_tracker
from sonic_stream.media.image import load_image
from sonic_stream.offline import bundled
from sonic_stream.offline.job import expand_given
from sonic_stream.types import CHANNEL_INDEX

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
GAINS = (0.0, 0.5, 1.0, 1.1, 1.2)
MOTIONS = (0.0, 0.5, 1.0, 1.1, 1.5)
RATIOS = (0.05, 0.15, 0.2, 0.3, 0.5, 1.0)


def gains(stage: Stage, portraits: list[str]) -> dict[str, Any]:
    """`dynamic_scale`: tracked opening of the lips against that at 1.0, and the head beside it."""
    opening: dict[float, list[float]] = {}
    head: dict[float, list[float]] = {}
    for name in portraits:
        _, base = stage.usual(name)
        for gain in GAINS:
            seen = base if gain == 1.0 else see(stage.clip(name, dynamic_scale=gain))
            opening.setdefault(gain, []).append(slope(base.gap, seen.gap))
            head.setdefault(gain, []).append(float(seen.turn.std(0).sum() / base.turn.std(0).sum()))
    return {
        "opening": _means(opening),
        "opening_between": _ranges(opening),
        "head": _means(head),
        "monotone": _monotone(opening),
    }


def motions(stage: Stage, portraits: list[str]) -> dict[str, Any]:
    """`motion_scale`: tracked turning of the head against 1.0, lips beside it, depth of blinks."""
    turning: dict[float, list[float]] = {}
    lips: dict[float, list[float]] = {}
    asked: dict[float, list[float]] = {}
    blinks: dict[float, list[float]] = {}
    aperture = CHANNEL_INDEX["aperture"]
    for name in portraits:
        still_clip, still = (clip := stage.clip(name, motion_scale=0.0)), see(clip)
        for gain in MOTIONS:
            clip, seen = (still_clip, still) if gain == 0 else stage.usual(name)
            if gain not in (0, 1):
                seen = see(clip := stage.clip(name, motion_scale=gain))
            turning.setdefault(gain, []).append(float(seen.turn.std(0).sum()))
            lips.setdefault(gain, []).append(unmoved(seen.gap, seen.turn, still.gap))
            asked.setdefault(gain, []).append(
                float(np.abs(clip.motion[:, aperture] - still_clip.motion[:, aperture]).max())
            )
            blinks.setdefault(gain, []).append(float(1 - seen.lids.min() / np.median(still.lids)))
    turn = _means(turning)
    return {
        "turning": {gain: value / turn[1.0] for gain, value in turn.items()},
        "lips": _means(lips),
        "lips_between": _ranges(lips),
        "lips_asked_change": _means(asked),
        "blink": _means(blinks),
        "monotone": _monotone(turning),
    }


def crops(stage: Stage, portraits: list[str]) -> dict[float, dict[str, float]]:
    """`expand_ratio`: height of the face in the picture, on portraits with room about them."""
    found: dict[float, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for ratio in RATIOS:
            shares, given = [], []
            for name in portraits:
                path = roomy(name, Path(folder))
                clip = stage.clip(path, expand_ratio=ratio, duration=0.04)
                points = clip.identity.landmarks
                height = float(np.linalg.norm(points[10] - points[152]))
                shares.append(height / clip.images.shape[1])
                given.append(expand_given(clip.identity) or 0.0)
            found[ratio] = {"face_share": float(np.mean(shares)), "given": float(np.mean(given))}
    return found


def roomy(name: str, folder: Path) -> Path:
    """The bundled portrait with half as much plain ground on each side."""
    path = folder / f"{name}.png"
    if not path.exists():
        image = load_image(bundled.portraits()[name])
        room = image.shape[0] // 2
        wide = cv2.copyMakeBorder(image, room, room, room, room, cv2.BORDER_REPLICATE)
        cv2.imwrite(str(path), wide[..., ::-1])
    return path


def sizes(stage: Stage, name: str) -> dict[int, dict[str, float]]:
    """`min_resolution`: detail about the eyes, seen at one size, and time."""
    found = {}
    for size in RESOLUTIONS:
        clip = stage.clip(name, min_resolution=size, duration=0.6)
        seen = cv2.resize(clip.images[-1], (1024, 1024), interpolation=cv2.INTER_CUBIC)
        grey = cv2.cvtColor(seen[300:500, 250:774], cv2.COLOR_RGB2GRAY).astype(np.float32)
        energy = float(np.sqrt((cv2.Laplacian(grey, cv2.CV_32F) ** 2).mean()))
        found[size] = {"detail": energy, "core_ms": clip.core_ms}
    finest = found[RESOLUTIONS[-1]]["detail"]
    return {size: {**row, "detail": row["detail"] / finest} for size, row in found.items()}


def seeds(stage: Stage, name: str) -> dict[str, float]:
    """`seed`: same and other seeds, lips and head."""
    (one, _), again, other = stage.usual(name), stage.clip(name, seed=0), stage.clip(name, seed=1)
    mouth = slice(0, CHANNEL_INDEX["blink_left"])
    yaw = CHANNEL_INDEX["yaw"]
    return {
        "same_seed_difference": float(np.abs(one.images.astype(int) - again.images).max()),
        "lips_difference": float(np.abs(one.motion[:, mouth] - other.motion[:, mouth]).max()),
        "yaw_correlation": float(np.corrcoef(one.motion[:, yaw], other.motion[:, yaw])[0, 1]),
    }


def steps(stage: Stage, name: str) -> dict[int, dict[str, float]]:
    """`inference_steps`: how far the mouth's pixels are from those of one step, and time."""
    available = stage.parts.engine("cpu").steps_available
    found = {}
    first: np.ndarray | None = None
    for count in (1, 2, 4, 8):
        if count > max(available, 1):
            break
        clip = stage.clip(name, inference_steps=count, duration=1.0)
        points = clip.identity.landmarks
        x, y = points[[61, 291, 13, 14]].mean(0).astype(int)
        reach = int(0.2 * np.linalg.norm(points[10] - points[152]))
        mouth = clip.images[:, y - reach : y + reach, x - reach : x + reach].astype(np.int16)
        first = mouth if first is None else first
        change = np.abs(mouth - first)
        found[count] = {
            "core_ms": clip.core_ms,
            "mouth_change": float(change.mean()),
            "mouth_change_most": float(np.quantile(change, 0.999)),
        }
    return found


def moods(stage: Stage, portraits: list[str]) -> dict[str, dict[str, float]]:
    """`mood`: corners of the mouth, brows and lids against neutral, with the head held still."""
    from sonic_stream.types import MOODS

    found: dict[str, dict[str, list[float]]] = {}
    for name in portraits:
        base: dict[str, float] = {}
        plain: Seen | None = None
        for mood in MOODS:
            clip = stage.clip(name, mood=mood, motion_scale=0.0, duration=2.0)
            shapes, seen = _expression(clip), see(clip)
            base, plain = (shapes, seen) if mood == "neutral" else (base, plain)
            assert plain is not None
            row = {key: shapes[key] - base[key] for key in shapes}
            row["lips"] = slope(plain.gap, seen.gap)
            for key, value in row.items():
                found.setdefault(mood, {}).setdefault(key, []).append(value)
    return {mood: {key: float(np.mean(v)) for key, v in row.items()} for mood, row in found.items()}


def _expression(clip: Clip) -> dict[str, float]:
    """Lift of mouth corners, height of brows (inner), openness of lids, in % of the face height."""
    landmarks = clip.identity.landmarks
    face = TrackedFace(np.c_[landmarks, np.zeros(len(landmarks))].astype(np.float32))
    rows = []
    for image in clip.images[:4]:  # before the voice begins
        p = (shared_tracker().refine(image, face) or face).points[:, :2]
        height = float(np.linalg.norm(p[10] - p[152]))
        corners = (p[13] + p[14])[1] / 2 - (p[61] + p[291])[1] / 2
        brows = (p[133] + p[362])[1] / 2 - (p[55] + p[285])[1] / 2
        lids = (p[145] + p[374])[1] / 2 - (p[159] + p[386])[1] / 2
        rows.append([100 * corners / height, 100 * brows / height, 100 * lids / height])
    return dict(zip(("corners", "brows", "lids"), np.mean(rows, axis=0).tolist(), strict=True))


def kept(stage: Stage, name: str) -> dict[str, float]:
    """`keep_resolution`: change outside the square, and the step across its edge."""
    with tempfile.TemporaryDirectory() as folder:
        path = roomy(name, Path(folder))
        whole = load_image(path)
        clip = stage.clip(path, keep_resolution=True, min_resolution=1024, duration=1.0)
    x, y, side = clip.identity.crop_box
    rows, columns = np.mgrid[: whole.shape[0], : whole.shape[1]]
    beyond = np.maximum(np.abs(columns - x), np.abs(rows - y)) - side / 2
    change = np.abs(
        clip.images.astype(np.int16) - whole[None, : clip.images.shape[1], : clip.images.shape[2]]
    )
    change = change.max((0, 3))
    beyond = beyond[: change.shape[0], : change.shape[1]]
    return {
        "change_outside": float(change[beyond > 1].max()),
        "change_at_edge": float(change[np.abs(beyond) <= 1].max()),
        "sides": f"{clip.images.shape[2]} x {clip.images.shape[1]}",
    }


def _means(found: dict[float, list[float]]) -> dict[float, float]:
    return {key: float(np.mean(values)) for key, values in found.items()}


def _ranges(found: dict[float, list[float]]) -> dict[float, tuple[float, float]]:
    """The portraits with the least and the most."""
    return {key: (min(values), max(values)) for key, values in found.items()}


def _monotone(found: dict[float, list[float]]) -> bool:
    """Whether every portrait shows more of it with each larger value."""
    return all(
        before < after
        for one, next_ in pairwise(sorted(found))
        for before, after in zip(found[one], found[next_], strict=True)
    )


def promises(found: dict[str, Any]) -> dict[str, Any]:
    """What the parameters' names promise, as the worst portrait keeps it."""
    mouth, motion = found["dynamic_scale"], found["motion_scale"]
    shares = [row["face_share"] for row in found["expand_ratio"].values()]
    details = [row["detail"] for row in found["min_resolution"].values()]
    return {
        "mouth_gain_1.2": [round(value, 3) for value in mouth["opening_between"][1.2]],
        "motion_lips_change": round(
            max(abs(value - 1) for pair in motion["lips_between"].values() for value in pair), 3
        ),
        "monotone": {
            "dynamic_scale": mouth["monotone"],
            "motion_scale": motion["monotone"],
            "expand_ratio": all(one > next_ for one, next_ in pairwise(shares)),
            "min_resolution": all(one < next_ for one, next_ in pairwise(details)),
        },
    }


def table(found: dict[str, Any]) -> str:
    """The measured effects as Markdown."""
    lines = ["| parameter | value | seen in the pictures |", "|---|---|---|"]

    def add(name: str, value: object, what: str) -> None:
        lines.append(f"| `{name}` | {value} | {what} |")

    for gain, opening in found["dynamic_scale"]["opening"].items():
        turn = found["dynamic_scale"]["head"][gain]
        low, high = found["dynamic_scale"]["opening_between"][gain]
        what = f"lips open {opening:.2f} times as far ({low:.2f} to {high:.2f}); head turns {turn:.2f}"
        add("dynamic_scale", f"{gain:g}", what)
    for gain, turning in found["motion_scale"]["turning"].items():
        lips, blink = (found["motion_scale"][key][gain] for key in ("lips", "blink"))
        low, high = found["motion_scale"]["lips_between"][gain]
        what = f"head turns {turning:.2f} times as far; lips {lips:.2f} ({low:.2f} to {high:.2f}) of a still "
        what += "head's; "
        add("motion_scale", f"{gain:g}", what + f"deepest blink {100 * max(blink, 0):.0f} % of the eye")
    for ratio, row in found["expand_ratio"].items():
        add("expand_ratio", f"{ratio:g}", f"the face takes {100 * row['face_share']:.0f} % of the height")
    for size, row in found["min_resolution"].items():
        add("min_resolution", size, f"{100 * row['detail']:.0f} % of the detail of {RESOLUTIONS[-1]}")
    for count, row in found["inference_steps"].items():
        what = f"about the mouth values differ from one step's by {row['mouth_change']:.2f} of 255, "
        what += f"1 in 1000 by more than {row['mouth_change_most']:.0f}"
        if count > 1:
            add("inference_steps", count, what)
    seed = found["seed"]
    add("seed", "same", f"pictures differ by {seed['same_seed_difference']:.0f}")
    what = f"lips differ by {seed['lips_difference']:.3f}; the heads' turning correlates by"
    add("seed", "another", f"{what} {seed['yaw_correlation']:.2f}")
    for mood, row in found["mood"].items():
        if mood != "neutral":
            what = f"mouth corners {row['corners']:+.1f}, inner brows {row['brows']:+.1f}, gap of the lids"
            what += f" {row['lids']:+.1f} % of the face height; lips open {row['lips']:.2f} times as far"
            add("mood", mood, what)
    row = found["keep_resolution"]
    what = f"outside the square no value changes by more than {row['change_outside']:.0f} of 255"
    add(
        "keep_resolution", row["sides"], f"{what}, along its edge by no more than {row['change_at_edge']:.0f}"
    )
    return "\n".join(lines)


def write_table(text: str, path: Path = DOCS / "parameters.md") -> None:
    page = path.read_text()
    before, rest = page.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--portraits", default=",".join(cast.MEASURED))
    parser.add_argument("--figure", action="store_true", help="draw docs/parameters.jpg")
    parser.add_argument("--write", action="store_true", help="put the table into docs/parameters.md")
    parser.add_argument("--only", help="one of the measurements")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    names = options.portraits.split(",")
    stage = Stage(options.seconds)
    if options.figure:
        from bench.parameters_figure import draw

        draw(stage, names, DOCS / "parameters.jpg")
        return
    measurements: dict[str, Callable[[], Any]] = {
        "dynamic_scale": lambda: gains(stage, names),
        "motion_scale": lambda: motions(stage, names),
        "expand_ratio": lambda: crops(stage, names),
        "min_resolution": lambda: sizes(stage, names[0]),
        "inference_steps": lambda: steps(stage, names[0]),
        "seed": lambda: seeds(stage, names[0]),
        "mood": lambda: moods(stage, names),
        "keep_resolution": lambda: kept(stage, names[0]),
    }
    found = {}
    for key, run in measurements.items():
        if options.only in (None, key):
            found[key] = run()
            print(f"# {key} {found[key]}", flush=True)
    if options.only is None:
        found["promises"] = promises(found)
        text = table(found)
        print(text)
        if options.write:
            people = f"portraits: {', '.join(names)}; in brackets those that show least and most"
            write_table(f"{text}\n\n*{options.seconds:g} s of `hello`; {people}.*")
    print(
        json.dumps({**found, "settings": {"seconds": options.seconds, "portraits": names, "voice": "hello"}})
    )


if __name__ == "__main__":
    main()
