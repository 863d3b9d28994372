"""An inspection as one picture: the portrait with its faces and square, the crop with what was found in it,
the sound's curve, and everything said about them in words."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sonic_stream.face import regions
from sonic_stream.media.listen import PIECE_S, SoundReport
from sonic_stream.media.video import whole_or_nothing, write_error
from sonic_stream.offline.inspect import Inspection, PortraitReport
from sonic_stream.types import F32, U8, Identity

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp")
WIDTH, _TILE, _GAP = 1240, 600, 13
_SOUND_HEIGHT: Final = 150
_TEXT_PX, _LINE_PX, _COLUMNS = 17, 24, 76
_PAPER, _INK, _SOFT = (250, 249, 246), (38, 38, 42), (120, 120, 125)
_GOOD, _WARN, _LINE = (22, 128, 84), (190, 84, 20), (20, 110, 200)
_SHADE: Final = (226, 232, 240)
_OUTLINES: Final = (
    (regions.OVAL, (90, 200, 250)),
    (regions.LIPS_OUTER, (255, 90, 120)),
    (regions.LIPS_INNER, (255, 170, 60)),
    (regions.EYE_LEFT, (120, 255, 120)),
    (regions.EYE_RIGHT, (120, 255, 120)),
)


def write_sheet(inspection: Inspection, path: Path) -> None:
    """Writes the sheet as PNG, JPEG or WebP, whole or not at all. Errors: `SonicError` (disk full, ...)."""
    image = Image.fromarray(draw_sheet(inspection))
    with whole_or_nothing(path) as temporary:
        try:
            image.save(temporary, quality=90)
        except OSError as error:
            raise write_error(path, error) from error


def draw_sheet(inspection: Inspection) -> U8:
    """The sheet, uint8 [H, WIDTH, 3] RGB."""
    rows = [
        _beside(_portrait_tile(inspection.portrait), _crop_tile(inspection.portrait)),
    ]
    if inspection.sound is not None:
        rows.append(_sound_row(inspection.sound))
    rows.append(_text(inspection))
    gap = np.full((_GAP, WIDTH, 3), _PAPER, np.uint8)
    return np.concatenate([part for row in rows for part in (gap, row)] + [gap])


def _beside(left: U8, right: U8) -> U8:
    out = np.full((_TILE, WIDTH, 3), _PAPER, np.uint8)
    out[:, _GAP : _GAP + _TILE] = left
    out[:, WIDTH - _GAP - _TILE : WIDTH - _GAP] = right
    return out


def _portrait_tile(report: PortraitReport) -> U8:
    """The portrait, every face with its oval, the one used in colour, and the square that is cut out."""
    height, width = report.image.shape[:2]
    zoom = min(_TILE / max(height, width), 4.0)
    size = max(round(width * zoom), 1), max(round(height * zoom), 1)
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    small = cv2.resize(report.image, size, interpolation=how)
    tile = np.full((_TILE, _TILE, 3), 225, np.uint8)
    x0, y0 = (_TILE - size[0]) // 2, (_TILE - size[1]) // 2
    tile[y0 : y0 + size[1], x0 : x0 + size[0]] = small
    for number, points in enumerate(report.faces):
        oval = points[list(regions.OVAL), :2] * zoom + [x0, y0]
        used = number == 0 and report.identity is not None
        _outline(tile, oval, _GOOD if used else _WARN, 3 if used else 2)
    if report.identity is not None:
        x, y, side = report.identity.crop_box
        corners = np.array([[x - side / 2, y - side / 2], [x + side / 2, y + side / 2]]) * zoom + [x0, y0]
        (left, top), (right, bottom) = np.round(corners).astype(int).tolist()
        cv2.rectangle(tile, (left, top), (right, bottom), _LINE, 2, cv2.LINE_AA)
    return tile


def _crop_tile(report: PortraitReport) -> U8:
    """The square that will speak, with landmarks, the person's outline and where the head points."""
    if report.identity is None:
        return np.full((_TILE, _TILE, 3), 225, np.uint8)
    identity = report.identity
    zoom = _TILE / identity.crop.shape[0]
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(identity.crop, (_TILE, _TILE), interpolation=how)
    tile = np.ascontiguousarray(resized, np.uint8)
    matte = cv2.resize(identity.matte, (_TILE, _TILE))
    outlines, _ = cv2.findContours((matte > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tile, outlines, -1, (255, 255, 255), 1, cv2.LINE_AA)
    points = (identity.landmarks + 0.5) * zoom - 0.5
    for x, y in points[: regions.MESH_POINTS]:
        cv2.circle(tile, (round(float(x)), round(float(y))), 1, (235, 235, 235), -1, cv2.LINE_AA)
    for ring, colour in _OUTLINES:
        _outline(tile, points[list(ring)], colour, 2)
    _draw_pose(tile, identity, points)
    return tile


def _draw_pose(tile: U8, identity: Identity, points: F32) -> None:
    """An arrow from the tip of the nose to where the head looks."""
    forward = identity.rotation[:, 2]
    length = 0.9 * float(np.linalg.norm(points[regions.FOREHEAD] - points[regions.CHIN]))
    start = points[regions.NOSE_TIP]
    end = start + length * np.array([forward[0], -forward[1]])
    a, b = ((round(float(p[0])), round(float(p[1]))) for p in (start, end))
    cv2.arrowedLine(tile, a, b, _LINE, 3, cv2.LINE_AA, tipLength=0.25)


def _outline(tile: U8, points: F32, colour: tuple[int, int, int], width: int) -> None:
    cv2.polylines(tile, [np.round(points).astype(np.int32)], True, colour, width, cv2.LINE_AA)


def _sound_row(sound: SoundReport) -> U8:
    """Level over time; pauses shaded, cut-off peaks marked."""
    out = np.full((_SOUND_HEIGHT, WIDTH, 3), _PAPER, np.uint8)
    width = WIDTH - 2 * _GAP
    count = len(sound.level_db)
    middle, reach = _SOUND_HEIGHT // 2, _SOUND_HEIGHT // 2 - 14
    height = np.clip((sound.level_db + 66) / 60, 0, 1) * reach
    edges = np.linspace(0, count, width + 1)
    for column in range(width):
        begin = min(int(edges[column]), count - 1)
        pieces = slice(begin, max(int(np.ceil(edges[column + 1])), begin + 1))
        x = _GAP + column
        if sound.silent[pieces].all():
            out[middle - reach : middle + reach, x] = _SHADE
        tall = round(float(height[pieces].max()))
        out[middle - tall : middle + tall + 1, x] = _LINE if not sound.silent[pieces].all() else _SOFT
        if sound.clipped[pieces].any():
            out[middle - reach - 6 : middle - reach, x] = _WARN
    seconds = count * PIECE_S
    picture = Image.fromarray(out)
    draw = ImageDraw.Draw(picture)
    small = ImageFont.load_default(13)
    draw.text((_GAP, _SOUND_HEIGHT - 15), "0 s", _SOFT, small)
    draw.text((WIDTH - _GAP, _SOUND_HEIGHT - 15), f"{seconds:.1f} s", _SOFT, small, anchor="ra")
    return np.asarray(picture)


def _text(inspection: Inspection) -> U8:
    """Facts and advice in two columns: portrait on the left, sound on the right."""
    portrait = inspection.portrait
    columns = [("Portrait", portrait.facts(), portrait.advice())]
    if inspection.sound is not None or inspection.sound_refusal:
        facts = inspection.sound.facts() if inspection.sound else ()
        columns.append(("Sound", facts, inspection.sound_advice()))
    wide = _COLUMNS if len(columns) == 2 else 2 * _COLUMNS
    laid = [_lines(title, facts, advice, wide) for title, facts, advice in columns]
    out = Image.new("RGB", (WIDTH, _LINE_PX * max(map(len, laid)) + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(_TEXT_PX)
    for number, lines in enumerate(laid):
        x = _GAP + number * (WIDTH - _TILE - 2 * _GAP)
        for row, (line, colour) in enumerate(lines):
            draw.text((x, row * _LINE_PX), line, colour, font)
    return np.asarray(out)


def _lines(
    title: str, facts: tuple[str, ...], advice: tuple[str, ...], wide: int
) -> list[tuple[str, tuple[int, int, int]]]:
    lines = [(title, _INK)]
    for fact in facts:
        lines += [(part, _SOFT) for part in textwrap.wrap(fact, wide)]
    for sentence in advice:
        lines += [(part, _WARN) for part in textwrap.wrap(sentence, wide)]
    return lines if advice else [*lines, ("Nothing to mend.", _GOOD)]
