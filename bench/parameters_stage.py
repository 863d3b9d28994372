"""A stage for portraits that speak with one parameter changed, and eyes that look at their pictures again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.picture import lids_of, lips_of
from sonic_stream.config import settle
from sonic_stream.engine.local import LocalEngine
from sonic_stream.face import IdentityCache
from sonic_stream.face.fit import HeadFitter
from sonic_stream.face.head import load_head
from sonic_stream.face.tracker import TrackedFace, shared_tracker
from sonic_stream.offline import Parts
from sonic_stream.offline.animate import animate
from sonic_stream.offline.hops import file_hops
from sonic_stream.offline.job import parse_duration, prepare
from sonic_stream.types import F32, U8, Identity


@dataclass(frozen=True)
class Clip:
    """Pictures uint8 [T, S, S, 3] and their motion float32 [T, M]."""

    identity: Identity
    images: U8
    motion: F32
    core_ms: float


@dataclass(frozen=True)
class Seen:
    """What a tracker sees in a clip, float32 [T] each."""

    gap: F32
    width: F32
    lids: F32
    turn: F32
    """[T, 3] yaw, pitch, roll in degrees."""


class Stage:
    """One engine and one cache for all clips of a bench."""

    def __init__(self, seconds: float) -> None:
        engine, known = LocalEngine.load(), IdentityCache()
        self.parts = Parts(engine=lambda _: engine, identify=known.identify)
        self.seconds = seconds
        self._usual: dict[str, tuple[Clip, Seen]] = {}

    def usual(self, portrait: str) -> tuple[Clip, Seen]:
        """The clip of a bundled portrait with everything as it is by default; made once."""
        if portrait not in self._usual:
            clip = self.clip(portrait)
            self._usual[portrait] = clip, see(clip)
        return self._usual[portrait]

    def clip(self, portrait: str | Path, **settings: Any) -> Clip:
        duration = parse_duration(settings.pop("duration", self.seconds))
        job = prepare(portrait, "hello", settle(settings), duration, None, self.parts, lambda _: None)
        hops = file_hops(job.sound.blocks(), job.length)
        controls = job.settings.controls
        images, motion = [], []
        begin = time.process_time()
        for result in animate(
            job.engine, job.identity, hops, job.count, controls, fps=job.settings.output.fps
        ):
            images.append(job.whole.lay(result.video.image) if job.whole else result.video.image)
            motion.append(result.motion.coeffs)
        core_ms = 1e3 * (time.process_time() - begin) / job.count
        return Clip(job.identity, np.stack(images), np.stack(motion), core_ms)


@cache
def fitter() -> HeadFitter:
    return HeadFitter(load_head())


def see(clip: Clip) -> Seen:
    """Tracks every picture; one in which the face is lost counts like the one before."""
    landmarks = clip.identity.landmarks
    face = TrackedFace(np.c_[landmarks, np.zeros(len(landmarks))].astype(np.float32))
    rows = []
    for image in clip.images:
        face = shared_tracker().refine(image, face) or face
        fit = fitter().fit(face.points[:, :2])
        gap, width = lips_of(face.points)
        rows.append((gap, width, lids_of(face.points), *np.degrees([fit.yaw, fit.pitch, fit.roll])))
    table = np.array(rows, np.float32)
    return Seen(table[:, 0], table[:, 1], table[:, 2], table[:, 3:])


def slope(a: F32, b: F32) -> float:
    """How much `b` moves for each unit `a` moves."""
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(float(a @ a), 1e-12))


def unmoved(lips: F32, turn: F32, base: F32) -> float:
    """Slope of `lips` over `base`, with what the tracker makes of the head's turning taken out."""
    turned = turn - turn.mean(0)
    columns = np.c_[base - base.mean(), turned, turned**2, np.ones(len(base))]
    solved, *_ = np.linalg.lstsq(columns, lips, rcond=None)
    return float(solved[0])
