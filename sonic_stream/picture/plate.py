"""Head and background apart: a clean plate behind the person, and the person as a premultiplied layer.

The layer is what must be added to the plate to give the portrait back, so that at rest the two together are
the portrait, exactly, however rough the matte is.
"""

from __future__ import annotations

import cv2
import numpy as np

from sonic_stream.types import F32, U8, Identity

_ROUGH_SIDE = 128
"""Side of the picture in which large shapes are carried on, px."""
_FAINT = 6
"""Matte (of 255) under which a pixel counts as background."""

_NEARBY = 14
"""Share of the picture's side, as its divisor, within which the background is asked for its colours."""
_STRAND = 40
"""The same of the window in which single hairs are lost."""
_ALIKE, _ALIKE_GRAIN, _ALIKE_MOST = 1.5, 3.0, 8.0
"""How far outside their range a pixel may be, 8-bit steps: on a smooth wall, and more by so many times its
usual grain, up to a most."""


def clean_plate(identity: Identity) -> U8:
    """The background uint8 [S, S, 3] with the person painted over by what surrounds them."""
    crop, matte = identity.crop, identity.matte
    open_ground = (matte <= _FAINT).astype(np.float32)
    size = crop.shape[0]
    reach = max(1, round(size / 110))
    open_ground = np.asarray(cv2.erode(open_ground, _square(reach)), np.float32)
    if open_ground.mean() < 0.02:
        return crop.copy()
    alike = _as_behind(crop, matte, open_ground)
    open_ground = np.maximum(open_ground, (alike > 0).astype(np.float32))
    rough = _continued_edges(crop, open_ground)
    filled = rough + _pulled(crop - rough, open_ground) + _continued_grain(crop, open_ground)
    # The portrait's own pixels return only at some distance: hair reaches beyond every matte.
    covered = cv2.GaussianBlur(1 - open_ground, (0, 0), max(1.0, size / 130))
    share = np.maximum(np.clip(covered * 2.2 - 0.2, 0, 1) * (1 - alike), open_ground == 0)
    share = share[..., None]
    return np.asarray(np.clip(crop + share * (filled - crop) + 0.5, 0, 255), np.uint8)


def _square(reach: int) -> U8:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _as_behind(crop: U8, matte: U8, open_ground: F32) -> F32:
    """1 on faint pixels beside the person that look like the background there, 0 on hair, soft between.

    They stay where they are: what lies between the matte and the open ground would else ride with the head,
    edges of the background included. What holds the person's shade or blur must not stay: the outline would
    be seen as soon as the head has left it. Single hairs that reach into `open_ground` are taken out of it.
    """
    size = crop.shape[0]
    kernel = _square(max(3, round(size / _NEARBY)) // 2)
    known = (open_ground > 0)[..., None]
    # A median is free of single hairs.
    plain = cv2.medianBlur(crop, max(3, round(size / _STRAND)) | 1)
    apart = cv2.absdiff(crop, plain).max(2)
    darkest = cv2.erode(np.where(known, plain, 255).astype(np.uint8), kernel).astype(np.float32)
    brightest = cv2.dilate(np.where(known, plain, 0).astype(np.uint8), kernel).astype(np.float32)
    beyond = np.maximum(darkest - crop, crop - brightest).max(2)
    beyond[(brightest < darkest).any(2)] = np.inf
    allowed = min(_ALIKE + _ALIKE_GRAIN * float(np.median(apart[open_ground > 0])), _ALIKE_MOST)

    beside = cv2.dilate((matte > _FAINT).astype(np.uint8), kernel) > 0
    # Where the background farther off has lines of its own, a line beside the person may be one of them.
    usual = float(apart[~beside].max(initial=0)) if (~beside).any() else np.inf
    stray = beside & (beyond > allowed) & (apart > max(allowed, usual))
    stray = cv2.dilate(stray.astype(np.uint8), _square(1)) > 0
    open_ground[stray] = 0

    alike = (beyond < allowed) & (matte <= _FAINT) & ~stray
    # What goes on from the background, not specks among hair.
    ground = (alike | (open_ground > 0)).astype(np.uint8)
    alike &= cv2.morphologyEx(ground, cv2.MORPH_OPEN, _square(1)) > 0
    soft = cv2.GaussianBlur(alike.astype(np.float32), (3, 3), 0.7)
    return np.asarray(soft * alike, np.float32)


def _pulled(image: F32, weight: F32) -> F32:
    """Push-pull: pixels of weight 0 take the colour of their surroundings, ever coarser with distance."""
    if min(weight.shape) <= 2:
        mean = (image * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.asarray(image * weight[..., None] + mean * (1 - weight[..., None]), np.float32)
    height, width = weight.shape
    half = (max(1, width // 2), max(1, height // 2))
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(image * weight[..., None], half, interpolation=cv2.INTER_AREA)
    mean = np.asarray(small / np.maximum(small_weight, 1e-6)[..., None], np.float32)
    below = _pulled(mean, np.asarray(np.minimum(small_weight * 4, 1), np.float32))
    up = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    up = cv2.GaussianBlur(up, (0, 0), 1.0)
    return np.asarray(image * weight[..., None] + up * (1 - weight[..., None]), np.float32)


def _continued_edges(crop: U8, open_ground: F32) -> F32:
    """The background's large shapes carried on behind the person, from a small picture."""
    size = crop.shape[0]
    small_side = min(_ROUGH_SIDE, size)
    small = cv2.resize(crop, (small_side, small_side), interpolation=cv2.INTER_AREA)
    known = cv2.resize(open_ground, (small_side, small_side), interpolation=cv2.INTER_AREA)
    hole = (known < 0.999).astype(np.uint8)
    painted = cv2.inpaint(small, hole, 6, cv2.INPAINT_TELEA)
    return np.asarray(cv2.resize(painted, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _continued_grain(crop: U8, open_ground: F32) -> F32:
    """Fine texture for what is painted over: the background's own, mirrored across the person's outline."""
    image = crop.astype(np.float32)
    fine = image - cv2.GaussianBlur(image, (0, 0), max(1.5, crop.shape[0] / 170))
    covered = (open_ground < 0.5).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(covered, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(covered == 0)
    nearest = np.zeros((int(labels.max()) + 1, 2), np.int64)
    nearest[labels[rows, columns]] = np.stack([rows, columns], 1)
    at = np.stack(np.nonzero(covered), 1)
    mirrored = 2 * nearest[labels[at[:, 0], at[:, 1]]] - at
    mirrored = mirrored.clip(0, np.array(covered.shape) - 1)
    grain = np.zeros_like(image)
    usable = covered[mirrored[:, 0], mirrored[:, 1]] == 0
    grain[at[usable, 0], at[usable, 1]] = fine[mirrored[usable, 0], mirrored[usable, 1]]
    # Only grain: edges and stray hair, which stand far out of it, must not come along.
    usual = 4.5 * float(np.median(np.abs(fine[covered == 0]))) + 1
    return np.where(np.abs(grain).max(2, keepdims=True) < usual, grain, 0).astype(np.float32)


def person_layer(identity: Identity, plate: U8) -> U8:
    """The person uint8 [S, S, 4]: colour already multiplied by the matte, and the matte."""
    crop = identity.crop.astype(np.float32)
    # Where the plate is brighter than the portrait the person must cover it at least so far.
    least = 1 - ((crop + 0.5) / np.maximum(plate, 1)).min(2)
    matte = np.maximum(identity.matte, np.ceil(255 * np.clip(least, 0, 1)))
    matte = np.where((plate == identity.crop).all(2), identity.matte, matte).astype(np.int32)[..., None]
    behind = (plate.astype(np.int32) * (255 - matte) + 127) // 255
    colour = np.clip(identity.crop.astype(np.int32) - behind, 0, 255)
    return np.ascontiguousarray(np.concatenate([colour, matte], 2).astype(np.uint8))
