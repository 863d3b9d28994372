"""Draws docs/parameters.jpg: one moment of a render, with one parameter changed at a time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.parameters import roomy
from sonic_stream.types import CHANNEL_INDEX, MOODS, U8

if TYPE_CHECKING:
    from bench.parameters_stage import Clip, Stage

TILE, LABEL, LEFT, GAP, COLUMNS = 190, 20, 132, 4, 6
PAPER, INK, SOFT = (250, 249, 246), (38, 38, 42), (110, 110, 115)
QUALITY = 82


def draw(stage: Stage, names: list[str], out: Path) -> None:
    """Renders what is needed (a few minutes) and writes the picture."""
    one, two, three = (names * 3)[:3]
    rows = [
        ("dynamic_scale", mouth_row(stage, one)),
        ("motion_scale", head_row(stage, two)),
        ("seed", seed_row(stage, three)),
        ("mood", mood_row(stage, one)),
        ("expand_ratio", crop_row(stage, two)),
        ("min_resolution", size_row(stage, three)),
        ("keep_resolution", whole_row(stage, one)),
    ]
    height = (TILE + LABEL + GAP) * len(rows) + GAP
    width = LEFT + COLUMNS * (TILE + GAP)
    page = Image.new("RGB", (width, height), PAPER)
    pen, font, small = ImageDraw.Draw(page), ImageFont.load_default(16), ImageFont.load_default(14)
    for number, (name, tiles) in enumerate(rows):
        top = GAP + number * (TILE + LABEL + GAP)
        pen.text((6, top + TILE // 2 - 8), name, INK, font)
        x = LEFT
        for label, tile in tiles:
            page.paste(Image.fromarray(tile), (x, top))
            pen.text((x + 2, top + TILE + 1), label, SOFT, small)
            x += tile.shape[1] + GAP
    page.save(out, quality=QUALITY, optimize=True)


def _tile(image: U8, box: tuple[float, float, float] | None = None) -> U8:
    """`image`, or the square (x, y, side) of it, as a tile."""
    if box is not None:
        x, y, side = box
        left, top = (max(int(v - side / 2), 0) for v in (x, y))
        image = image[top : top + int(side), left : left + int(side)]
    how = cv2.INTER_AREA if image.shape[0] > TILE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (TILE, TILE), interpolation=how), np.uint8)


def _mouth(clip: Clip) -> tuple[float, float, float]:
    points = clip.identity.landmarks
    x, y = points[[61, 291, 13, 14]].mean(0)
    return float(x), float(y), 1.1 * float(np.linalg.norm(points[10] - points[152]))


def mouth_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    base = stage.clip(name, motion_scale=0.0)
    widest = int(base.motion[:, CHANNEL_INDEX["aperture"]].argmax())
    tiles = []
    for gain in (0.0, 0.5, 0.8, 1.0, 1.2, 1.5):
        clip = base if gain == 1 else stage.clip(name, motion_scale=0.0, dynamic_scale=gain)
        tiles.append((f"{gain:g}", _tile(clip.images[widest], _mouth(clip))))
    return tiles


def head_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    """Every tile the moment in which the head is turned most, over a line where it rests."""
    at = [CHANNEL_INDEX[key] for key in ("yaw", "pitch", "roll")]
    base = stage.clip(name)
    moment = int(np.abs(base.motion[:, at]).sum(1).argmax())
    tiles = []
    for gain in (0.0, 0.5, 0.8, 1.0, 1.1, 1.5):
        clip = base if gain == 1 else stage.clip(name, motion_scale=gain)
        tile = _tile(clip.images[moment])
        x = round(float(clip.identity.landmarks[1, 0]) * TILE / clip.images.shape[2])
        tile[:, x] = tile[:, x] // 2 + 127
        tiles.append((f"{gain:g}", tile))
    return tiles


def seed_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    return [(str(seed), _tile(stage.clip(name, seed=seed).images[-1])) for seed in range(COLUMNS)]


def mood_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    tiles = []
    for mood in MOODS[:COLUMNS]:
        clip = stage.clip(name, mood=mood, duration=1.0)
        points = clip.identity.landmarks
        x, y = points[[10, 152]].mean(0)
        side = 1.5 * float(np.linalg.norm(points[10] - points[152]))
        tiles.append((mood, _tile(clip.images[5], (float(x), float(y), side))))
    return tiles


def crop_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    with tempfile.TemporaryDirectory() as folder:
        path = roomy(name, Path(folder))
        ratios = (0.05, 0.15, 0.2, 0.3, 0.5, 1.0)
        return [(f"{r:g}", _tile(stage.clip(path, expand_ratio=r, duration=0.04).images[0])) for r in ratios]


def size_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    """An eye, enlarged alike."""
    tiles = []
    for size in (384, 512, 768, 1024):
        clip = stage.clip(name, min_resolution=size, duration=0.04)
        points = clip.identity.landmarks
        x, y = points[[33, 133]].mean(0)
        side = 0.42 * float(np.linalg.norm(points[10] - points[152]))
        left, top, wide = int(x - side / 2), int(y - side / 2), int(side)
        eye = clip.images[0][top : top + wide, left : left + wide]
        tiles.append((str(size), np.asarray(cv2.resize(eye, (TILE, TILE), interpolation=cv2.INTER_NEAREST))))
    return tiles


def whole_row(stage: Stage, name: str) -> list[tuple[str, U8]]:
    """The square alone, and the whole portrait with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = roomy(name, Path(folder))
        square = stage.clip(path, duration=1.0).images[-1]
        whole = stage.clip(path, duration=1.0, keep_resolution=True).images[-1]
    height, width = whole.shape[:2]
    wide = cv2.resize(whole, (round(TILE * width / height), TILE), interpolation=cv2.INTER_AREA)
    return [("false: the square", _tile(square)), (f"true: {width} x {height}", np.asarray(wide, np.uint8))]
