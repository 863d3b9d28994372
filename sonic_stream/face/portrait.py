"""A portrait made ready: from the bytes of a picture file to an `Identity`.

    find the face -> cut the square -> track it there -> lip seam -> fit the head
    -> edge of large eyes -> snap -> mask, colours, advice

Everything is computed from the bytes and the settings alone, so the same portrait gives the same identity.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache, lru_cache
from importlib import resources

import numpy as np

from sonic_stream.errors import NoFaceError
from sonic_stream.face import advise, regions
from sonic_stream.face.colours import measure_colours
from sonic_stream.face.crop import crop_window, cut_crop, share_outside
from sonic_stream.face.fit import HeadFit, HeadFitter, skin_normals
from sonic_stream.face.head import HEAD_VERSION, Head, load_head
from sonic_stream.face.lids import settle_lids
from sonic_stream.face.matte import WIDER, person_matte, shared_segmenter
from sonic_stream.face.seam import settle_seam
from sonic_stream.face.snap import Snapper, distances
from sonic_stream.face.tracker import TrackedFace, shared_tracker
from sonic_stream.media.image import load_image
from sonic_stream.types import F32, U8, Colours, Identity, PortraitSettings

RECIPE = 6
"""Raised whenever this package computes something else from the same portrait, so that stored identities
of an older recipe are not taken for new ones."""


_WANTED = "give a portrait of one person, from the front, in good light, with eyes and mouth uncovered"


def identify(image_bytes: bytes, settings: PortraitSettings | None = None) -> Identity:
    """The identity of the largest face in a PNG, JPEG, WebP, AVIF or HEIC picture.

    Errors: `BadInputError` when the bytes are no usable picture, `NoFaceError` when it shows no usable
    face, `MissingPieceError` when the head model is missing. The sentences say what to do.
    """
    settings = settings or PortraitSettings()
    image = load_image(image_bytes)
    height, width = image.shape[:2]
    faces = shared_tracker().search(image)
    if not faces:
        raise NoFaceError(f"No face was found in the picture; {_WANTED}.")
    face = faces[0]
    advise.refuse_face(face)
    window = crop_window(face, width, height, settings)
    crop = cut_crop(image, window)
    tracked = shared_tracker().refine(crop, TrackedFace(window.inward(face.points)))
    if (tracked is None or tracked.spread > advise.DOUBT_SPREAD) and _stands_on_its_head(image):
        raise NoFaceError("The face stands on its head; turn the picture upright and try again.")
    if tracked is None or tracked.spread > advise.NO_FACE_SPREAD:
        raise NoFaceError(f"What looks like a face at first is none on a closer look; {_WANTED}.")
    landmarks = settle_seam(crop, uncrossed(tracked.points[:, :2]))
    head, fitter, snapper = load_head(), *_fitting()
    fit = fitter.fit(landmarks)
    portrait = advise.Portrait(
        width=width,
        height=height,
        faces=len(faces),
        face=TrackedFace(face.points, tracked.spread),
        window=window,
        crop=crop,
        landmarks=landmarks,
        fit=fit,
        share_outside=share_outside(window, width, height),
    )
    advise.refuse(portrait)
    landmarks = settle_lids(crop, landmarks)
    wider = replace(window, side=WIDER * window.side, size_px=256).cut(image)
    vertices = snapper.snap(head, fit, landmarks)
    identity = Identity(
        id=identity_key(image_bytes, settings),
        settings=settings,
        crop=crop,
        crop_box=(window.x, window.y, window.side),
        landmarks=landmarks,
        shape=fit.shape,
        expression=fit.expression,
        vertices=vertices,
        rotation=fit.rotation.astype(np.float32),
        scale=fit.scale,
        translation=fit.translation.astype(np.float32),
        matte=person_matte(crop, landmarks, shared_segmenter(), wider),
        colours=_colours(head, fit, vertices, crop, landmarks),
        fit_error=fit.error,
        lids_fit=advise.lids_fit(portrait),
        advice=advise.advise(portrait),
    )
    freeze(identity)
    return identity


def warm_up() -> None:
    """Loads all models, so that the first portrait costs no more than the next (about a second of loading).

    Errors: `MissingPieceError` when the head model is missing.
    """
    _fitting()
    _face_vertices()
    _head_digest()
    shared_tracker().load()
    shared_segmenter().load()


def identity_key(image_bytes: bytes, settings: PortraitSettings) -> str:
    """What an identity depends on, hashed: picture, settings, head model and recipe."""
    how = repr(float(settings.expand_ratio)), int(settings.min_resolution)
    parts = (RECIPE, HEAD_VERSION, _head_digest(), *how)
    hashed = hashlib.sha256("|".join(str(part) for part in parts).encode())
    hashed.update(hashlib.sha256(image_bytes).digest())
    return hashed.hexdigest()


def freeze(identity: Identity) -> None:
    """Makes all arrays of a shared identity read-only."""
    for name in ("crop", "landmarks", "shape", "expression", "vertices", "rotation", "translation", "matte"):
        getattr(identity, name).setflags(write=False)
    for array in (identity.colours.skin, identity.colours.lip, identity.colours.light):
        array.setflags(write=False)


def uncrossed(landmarks: F32) -> F32:
    """The landmarks with lips and lids that overlap, by the tracker's noise, brought to touch."""
    points = landmarks.astype(np.float32, copy=True)
    down = points[regions.CHIN, :2] - points[regions.FOREHEAD, :2]
    down /= max(float(np.linalg.norm(down)), 1e-6)
    pairs = np.array(regions.LIPS_PAIRS + regions.LIDS_LEFT + regions.LIDS_RIGHT)
    upper, lower = points[pairs[:, 0], :2], points[pairs[:, 1], :2]
    overlap = np.minimum((lower - upper) @ down, 0)[:, None] * down / 2
    points[pairs[:, 0], :2] += overlap
    points[pairs[:, 1], :2] -= overlap
    return points


def _stands_on_its_head(image: U8) -> bool:
    """Whether an upside-down copy shows a face, and a steady one: turned over, faces fool the detector."""
    turned = np.ascontiguousarray(image[::-1, ::-1])
    tracker = shared_tracker()
    for face in tracker.search(turned)[:1]:
        refined = tracker.refine(turned, face)
        return refined is not None and refined.spread < advise.DOUBT_SPREAD
    return False


def _colours(head: Head, fit: HeadFit, vertices: F32, crop: U8, landmarks: F32) -> Colours:
    worn = vertices + np.tensordot(fit.expression, head.expression, 1).astype(np.float32)
    normals = skin_normals(head, worn) @ fit.rotation.T
    seen = _face_vertices() & (normals[:, 2] > 0.25)
    return measure_colours(crop, landmarks, fit.project(worn[seen]), normals[seen])


@lru_cache(maxsize=1)
def _face_vertices() -> np.ndarray:
    """Skin of cheeks, forehead, nose and chin: where shading is neither hair nor lip nor eye, bool [V]."""
    head = load_head()
    away = [
        (regions.LIPS_OUTER + regions.LIPS_INNER, 0.6),
        (regions.EYE_LEFT + regions.EYE_RIGHT, 0.7),
        (regions.BROW_LEFT + regions.BROW_RIGHT, 0.6),
    ]
    mean = head.mean.astype(np.float64)
    distance = distances(mean, mean[head.landmarks])
    good = distance.min(1) < 1.5
    for indices, least in away:
        good &= distance[:, list(indices)].min(1) > least
    return np.asarray(good & (head.vertex_part == 0))


@cache
def _fitting() -> tuple[HeadFitter, Snapper]:
    head = load_head()
    return HeadFitter(head), Snapper(head)


@cache
def _head_digest() -> str:
    data = (resources.files("sonic_stream") / "weights" / "head.safetensors").read_bytes()
    return hashlib.sha256(data).hexdigest()
