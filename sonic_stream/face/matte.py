"""The soft mask of a person (head, hair, neck, shoulders) against the background.

MediaPipe's selfie segmentation, averaged over both its models and a mirrored view, says roughly where the
person is; colours settle what it leaves open (GrabCut on a small copy); a guided filter then follows hair
and edges in the full picture. Where the segmentation misses the face itself, as it may in a painting or
a drawing, the outline of a head with neck and shoulders takes its place.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from sonic_stream.face import regions
from sonic_stream.face.quiet import stderr_silenced
from sonic_stream.types import F32, U8

WIDER = 1.4
"""How much more than the crop the wider view shows."""
_COLOUR_PX = 160
"""Side of the copy in which colours decide."""
_SURE, _NEVER = 0.93, 0.04
"""Segmentation values beyond which colours are not asked."""
_PLAIN = 12
"""Difference between neighbouring pixels up to which a surface is plain, 8-bit steps."""
_PLAIN_AREA, _PLAIN_OUTSIDE = 0.02, 0.7
"""Least share of the picture that a plain surface of the background fills, and least share of it that lies
outside the person beyond doubt."""
_UNLIKE, _UNLIKE_WILD = 5.0, 4.0
"""A pixel is unlike the background from this far off on, 8-bit steps, and this many times what the
background there departs from itself; at twice as much beyond doubt."""
_DENT = 21
"""Width of the dents that are filled as far as the segmentation says, px of the small copy."""
_SEEN_FACE = 0.7
"""Share of the face that a believable segmentation covers."""
_MOST_PERSON = 0.97
"""Share of the picture above which a segmentation is not believed: it saw no background."""


class Segmenter:
    """MediaPipe's selfie segmentation, loaded at first use; one caller at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: list[Any] = []

    def load(self) -> None:
        """Loads the models now instead of at the first use."""
        with self._lock:
            self._load()

    def _load(self) -> None:
        if self._models:
            return
        from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

        with stderr_silenced():
            models = [SelfieSegmentation(model_selection=i) for i in (0, 1)]
            for model in models:
                model.process(np.zeros((64, 64, 3), np.uint8))
        self._models = models

    def person(self, image: U8) -> F32:
        """How likely each pixel of uint8 [S, S, 3] RGB is a person's, float32 [S, S] 0..1."""
        with self._lock:
            self._load()
            small = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
            mirrored = np.ascontiguousarray(small[:, ::-1])
            # The general model is the better one for a square close-up and counts twice.
            total = np.zeros((256, 256), np.float32)
            for weight, model in zip((2.0, 1.0), self._models, strict=True):
                total += weight * model.process(small).segmentation_mask
                total += weight * model.process(mirrored).segmentation_mask[:, ::-1]
        size = image.shape[0]
        return np.asarray(cv2.resize(total / 6, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def person_matte(image: U8, landmarks: F32, segmenter: Segmenter, wider: U8 | None = None) -> U8:
    """Soft mask uint8 [S, S] (255 person) of a crop whose face has `landmarks` [478, 2] px.

    `wider`, if given, shows `WIDER` times as much about the same middle, in any resolution: with more of
    the body in view the segmentation errs less.
    """
    face = face_mask(landmarks, image.shape[0])
    likely = segmenter.person(image)
    if wider is not None:
        middle = _middle_of(segmenter.person(wider), image.shape[0])
        likely = np.asarray((likely + middle) / 2, np.float32)
    if float(likely[face > 0].mean()) < _SEEN_FACE or float((likely > 0.5).mean()) > _MOST_PERSON:
        likely = outline(landmarks, image.shape[0])
    likely = np.maximum(likely, face.astype(np.float32) / 255)
    settled = _settle_by_colour(image, likely, face)
    return _follow_edges(image, settled)


def _middle_of(likely: F32, size_px: int) -> F32:
    """The part of a wider view that the crop shows, float32 [size, size]."""
    zoom = likely.shape[0] / (size_px * WIDER)
    offset = (likely.shape[0] - 1) / 2 - zoom * (size_px - 1) / 2
    matrix = np.array([[zoom, 0, offset], [0, zoom, offset]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(likely, matrix, (size_px, size_px), flags=how), np.float32)


def face_mask(landmarks: F32, size_px: int) -> U8:
    """The inside of the face oval, uint8 [size, size], 255 inside."""
    mask = np.zeros((size_px, size_px), np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(regions.OVAL), :2]).astype(np.int32)], 255)
    return mask


def outline(landmarks: F32, size_px: int) -> F32:
    """Head with hair, neck and shoulders by proportion alone, float32 [size, size] 0..1."""
    top, chin = landmarks[regions.FOREHEAD, :2], landmarks[regions.CHIN, :2]
    down = (chin - top).astype(np.float64)
    height = float(np.linalg.norm(down))
    down /= max(height, 1e-6)
    tilt_deg = float(np.degrees(np.arctan2(-down[0], down[1])))
    centre = (top + chin) / 2 - 0.12 * height * down
    mask = np.zeros((size_px, size_px), np.uint8)
    axes = (round(0.56 * height), round(0.74 * height))
    cv2.ellipse(mask, _pixel(centre), axes, tilt_deg, 0, 360, 255, -1)
    # The body hangs straight down whatever the head does.
    x, y = float(chin[0]), float(chin[1])
    body = [
        (-0.30, -0.30),
        (0.30, -0.30),
        (0.34, 0.22),
        (0.75, 0.42),
        (1.05, 0.75),
        (1.15, 4.0),
        (-1.15, 4.0),
        (-1.05, 0.75),
        (-0.75, 0.42),
        (-0.34, 0.22),
    ]
    points = np.array([[x + a * height, y + b * height] for a, b in body])
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.06 * height, 0.5))
    return np.asarray(soft.astype(np.float32) / 255)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _settle_by_colour(image: U8, likely: F32, face: U8) -> F32:
    """`likely` with its doubtful parts decided by colour and freed of islands, float32 [S, S] 0..1."""
    size = (_COLOUR_PX, _COLOUR_PX)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    chance = cv2.resize(likely, size, interpolation=cv2.INTER_AREA)
    inner = cv2.resize(face, size, interpolation=cv2.INTER_NEAREST) > 0
    labels = np.where(chance > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[chance > _SURE] = cv2.GC_FGD
    labels[chance < _NEVER] = cv2.GC_BGD
    labels[inner] = cv2.GC_FGD
    doubtful = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
    if doubtful.any() and (labels == cv2.GC_BGD).any():
        cv2.setRNGSeed(7)  # GrabCut starts from random clusters; the same portrait gives the same matte
        outside, person_colours = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, labels, (0, 0, 1, 1), outside, person_colours, 2, cv2.GC_INIT_WITH_MASK)
        chance = np.where(doubtful, _voted(small, chance, labels), chance)
    person = (chance > 0.5).astype(np.uint8)
    _, islands = cv2.connectedComponents(person)
    main = np.bincount(islands[inner]).argmax()
    # A soft collar keeps wisps beside the person, while islands further off go.
    near = cv2.dilate((islands == main).astype(np.uint8), np.ones((5, 5), np.uint8))
    holes = _holes(islands == main)
    chance = np.where(holes, 1.0, chance * near).astype(np.float32)
    full = cv2.resize(chance, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(full, 0, 1), np.float32)


def _voted(small: np.ndarray, seen: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What segmentation (`seen`), colour models (`labels`, of GrabCut) and background say, 0..1."""
    never = seen < _NEVER
    # Colour has half a vote: alone it takes a dark wall for dark hair.
    chance = 0.5 * (seen + (labels & 1))
    plain = _plain_background(small, chance, _unlike_background(small, never))
    # Grey hair before a grey wall: the models share their colours, but it is not the wall's own here.
    chance = np.where(_unlike_background(small, never | plain), 1.0, chance)
    # Where a strand happens to have the wall's own colour, a dent is left between those that have not.
    dents = cv2.morphologyEx((chance > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, _round(_DENT)) > 0
    chance = np.where(dents, np.maximum(chance, seen), chance)
    return np.where(plain, 0.0, chance)


def _unlike_background(small: np.ndarray, open_ground: np.ndarray) -> np.ndarray:
    """Where a pixel is not what the `open_ground` about it lets expect there, bool.

    The background is carried on smoothly, with how far it departs from itself: before a busy one hardly
    anything is unlike.
    """
    soft = cv2.GaussianBlur(small, (3, 3), 0.8).astype(np.float32)
    weight = open_ground.astype(np.float32)

    def carried_on(values: np.ndarray) -> np.ndarray:
        sums, weights = np.zeros_like(values), np.full(weight.shape, 1e-9, np.float32)
        for sigma, share in ((4.0, 1.0), (12.0, 0.03), (40.0, 0.001)):
            sums += share * cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma).reshape(values.shape)
            weights += share * cv2.GaussianBlur(weight, (0, 0), sigma)
        return np.asarray(sums / weights[..., None], np.float32)

    away = np.abs(soft - carried_on(soft)).max(2)
    wild = carried_on(away[..., None])[..., 0]
    # Where the picture is a mixture of both, the larger part counts.
    half = 0.5 * cv2.dilate(away, np.ones((3, 3), np.uint8))
    return np.asarray((away > _UNLIKE + _UNLIKE_WILD * wild) & (away > half))


def _plain_background(small: np.ndarray, chance: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """Where the picture goes on as plainly as in the background beside it (a wall, a disc), bool.

    Colour models cannot tell this: they take what a wall shares with a face for the face. What is `unlike`
    the background is none, however softly the wall passes into it.
    """
    soft = cv2.GaussianBlur(small, (3, 3), 0.8)
    around = np.ones((3, 3), np.uint8)
    plain = (cv2.dilate(soft, around).astype(int) - cv2.erode(soft, around)).max(2) < _PLAIN
    found = np.zeros(plain.shape, bool)
    for patch in [*_patches(plain & ~unlike), *_patches(plain & unlike)]:
        own = ~unlike | unlike[patch].any()
        if patch.sum() < _PLAIN_AREA * patch.size or float((chance[patch] < 0.3).mean()) < _PLAIN_OUTSIDE:
            continue
        # Two steps over the soft edge, as far as the colour is the patch's own.
        nearby = patch
        for _ in range(2):
            nearby = patch | (own & (cv2.dilate(nearby.astype(np.uint8), around) > 0))
        away = np.abs(soft.astype(np.float32) - soft[patch].mean(0)).max(2)
        found |= patch | (nearby & (away < _PLAIN + 2 * soft[patch].std(0).max()))
    # Where two such surfaces meet, their edge belongs to neither.
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    strange = unlike & (cv2.dilate((found & unlike).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    return np.asarray((closed > 0) & ~strange)


def _round(across: int) -> np.ndarray:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across)))


def _patches(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a mask, bool each."""
    count, patches = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return [patches == i for i in range(1, count)]


def _holes(person: np.ndarray) -> np.ndarray:
    """Small patches of background wholly inside the person (a bright collar, a brooch), bool."""
    count, islands, stats, _ = cv2.connectedComponentsWithStats((~person).astype(np.uint8), connectivity=4)
    holes = np.zeros(person.shape, bool)
    high, wide = person.shape
    for i in range(1, count):
        x, y, w, h, area = stats[i]
        inside = x > 0 and y > 0 and x + w < wide and y + h < high
        if inside and area < 0.02 * person.size:
            holes |= islands == i
    return holes


def _follow_edges(image: U8, chance: F32) -> U8:
    """The mask drawn along the picture's own edges, uint8 [S, S]."""
    size = image.shape[0]
    # Steeper first: the segmentation's wide grey rim would leave a halo of background.
    steep = np.clip((chance - 0.25) / 0.5, 0, 1)
    fine = cv2.ximgproc.guidedFilter(image, steep, max(size // 85, 2), 6.0**2)
    crisp = np.clip((fine - 0.06) / 0.88, 0, 1)
    return np.asarray(np.round(crisp * 255), np.uint8)


@lru_cache(maxsize=1)
def shared_segmenter() -> Segmenter:
    """The process's segmenter: its models are the same for everybody."""
    return Segmenter()
