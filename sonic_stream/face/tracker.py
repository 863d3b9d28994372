"""Finds faces in still pictures: 478 landmarks each, by MediaPipe's attention mesh.

`search` looks for every face, also small, very large, off-centre and tilted ones, and is generous: whoever
calls judges what it found. `refine` tracks one face again in windows cut close around it, which is what
makes the landmarks accurate. One tracker may be shared by threads; a lock serves them one at a time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sonic_stream.face.quiet import stderr_silenced
from sonic_stream.face.window import Window
from sonic_stream.types import F32, U8

LANDMARKS = 478
EYE_OUTER_RIGHT, EYE_OUTER_LEFT = 33, 263
"""The outer eye corners; their distance is "interocular" throughout."""
FOREHEAD, CHIN = 10, 152

_DETECT_PX = 512
_MESH_PX = 320
_MAX_FACES = 8
_SURE = 0.6
"""Detector score asked of finds in tiled and turned views, where chance has more tries."""
_TILTS_DEG = (30, -30, 50, -50)
_QUARTERS_DEG = (90, -90, 180)
_JITTER = ((1.0, 0.0), (1.12, 0.06), (0.93, -0.06), (1.05, -0.03), (0.97, 0.03))
"""Windows a face is refined in: side against the standard, turn in rad."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One face: `points` float32 [478, 3] px of the picture (depth in px, negative to the camera)."""

    points: F32
    spread: float = 0.0
    """How much the landmarks move from window to window, as a share of the interocular distance."""

    @property
    def interocular(self) -> float:
        """Distance of the outer eye corners in space, px."""
        return float(np.linalg.norm(self.points[EYE_OUTER_LEFT] - self.points[EYE_OUTER_RIGHT]))

    @property
    def height(self) -> float:
        """Forehead to chin in the picture plane, px."""
        return float(np.linalg.norm(self.points[FOREHEAD, :2] - self.points[CHIN, :2]))

    @property
    def size_px(self) -> float:
        """The larger side of the upright box of the landmarks, px."""
        return float(np.ptp(self.points[:468, :2], axis=0).max())

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of forehead and chin, px."""
        x, y = (self.points[FOREHEAD, :2] + self.points[CHIN, :2]) / 2
        return float(x), float(y)

    @property
    def tilt(self) -> float:
        """Roll of the head in the picture, rad, clockwise on screen."""
        across = self.points[EYE_OUTER_LEFT, :2] - self.points[EYE_OUTER_RIGHT, :2]
        down = self.points[CHIN, :2] - self.points[FOREHEAD, :2]
        along = across + np.array([down[1], -down[0]])
        return float(np.arctan2(along[1], along[0]))

    @property
    def backward(self) -> F32:
        """Unit vector float32 [3] from the face into the head: x right, y down, z away from the camera."""
        across = self.points[EYE_OUTER_LEFT] - self.points[EYE_OUTER_RIGHT]
        down = self.points[CHIN] - self.points[FOREHEAD]
        into = np.cross(across, down)
        return np.asarray(into / max(float(np.linalg.norm(into)), 1e-6), np.float32)


class FaceTracker:
    """The tracker; the models load at the first use and stay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mesh: Any = None
        self._detectors: list[Any] = []
        self._has_tracked = False

    def load(self) -> None:
        """Loads the models now instead of at the first use."""
        with self._lock:
            self._load()

    def _load(self) -> None:
        if self._mesh is not None:
            return
        from mediapipe.python.solutions import face_detection, face_mesh

        with stderr_silenced():
            # The full-range model sees small faces, the short-range one stylised and very large ones.
            detectors = [
                face_detection.FaceDetection(model_selection=i, min_detection_confidence=least)
                for i, least in ((1, 0.4), (0, 0.55))
            ]
            mesh = face_mesh.FaceMesh(
                static_image_mode=True,
                max_num_faces=2,
                refine_landmarks=True,
                min_detection_confidence=0.3,
                min_tracking_confidence=0.3,
            )
            # The first picture is when the models really start.
            for model in (*detectors, mesh):
                model.process(np.zeros((64, 64, 3), np.uint8))
        self._mesh, self._detectors = mesh, detectors

    def search(self, image: U8) -> list[TrackedFace]:
        """Faces of uint8 [H, W, 3] RGB, the largest first; empty where there is none."""
        with self._lock:
            self._load()
            for views in _search_plan(image.shape[0], image.shape[1]):
                faces: list[TrackedFace] = []
                for view, least_score in views:
                    for region in self._detect(image, view, least_score):
                        face = self._confirmed(image, region)
                        if face is not None and not any(_same(face, other) for other in faces):
                            faces.append(face)
                if faces:
                    return sorted(faces, key=lambda face: -face.size_px)
        return []

    def refine(self, image: U8, face: TrackedFace) -> TrackedFace | None:
        """The same face tracked anew, averaged over slightly different windows; None when it is lost."""
        with self._lock:
            self._load()
            first = self._track(image, _around(face, 1.0, 0.0))
            if first is None or not _same(first, face):
                return None
            found = [self._track(image, _around(first, side, turn)) for side, turn in _JITTER]
        points = np.stack([f.points for f in found if f is not None and _same(f, first)] or [first.points])
        mean = points.mean(0)
        off = np.linalg.norm(points[:, :468, :2] - mean[:468, :2], axis=-1)
        refined = TrackedFace(mean.astype(np.float32))
        return TrackedFace(refined.points, float(off.mean()) / max(refined.interocular, 1e-3))

    def follow(self, image: U8, face: TrackedFace) -> TrackedFace | None:
        """The same face in the next picture of a film, from one window: a fifth of the cost of `refine`.

        None when it is lost.
        """
        with self._lock:
            self._load()
            found = self._track(image, _around(face, 1.0, 0.0))
        return found if found is not None and _same(found, face) else None

    def _detect(self, image: U8, view: Window, least_score: float) -> list[Window]:
        """Windows about the faces that the detector sees in `view`."""
        seen = view.cut(image, fine=False)
        windows = []
        for detection in [d for model in self._detectors for d in model.process(seen).detections or ()]:
            if detection.score[0] < least_score:
                continue
            keys = detection.location_data.relative_keypoints
            eyes = np.array([[key.x, key.y] for key in keys[:2]]) * view.size_px
            across = eyes[1] - eyes[0]
            box = detection.location_data.relative_bounding_box
            middle = np.array([[box.xmin + box.width / 2, box.ymin + box.height / 2]]) * view.size_px
            x, y = view.outward(middle.astype(np.float32))[0]
            side = 2.0 * max(box.width, box.height) * view.side
            turn = float(np.arctan2(across[1], across[0])) + view.angle
            windows.append(Window(float(x), float(y), side, _MESH_PX, turn))
        return windows[:_MAX_FACES]

    def _confirmed(self, image: U8, window: Window) -> TrackedFace | None:
        """A face that is found again in a window cut around it: chance finds are not."""
        first = self._track(image, window)
        if first is None:
            return None
        second = self._track(image, _around(first, 1.0, 0.0))
        return second if second is not None and _same(first, second) else None

    def _track(self, image: U8, window: Window) -> TrackedFace | None:
        """Landmarks of the face nearest to the middle of the window."""
        # MediaPipe misplaces landmarks in pictures that are not square; windows always are. Its unit square
        # maps onto pixel centres: measured, the mean of the landmarks does not wander with the window size.
        seen = window.cut(image, fine=False)
        with contextlib.nullcontext() if self._has_tracked else stderr_silenced():
            result = self._mesh.process(seen)
        # One more greeting comes with the first face.
        self._has_tracked |= bool(result.multi_face_landmarks)
        best: F32 | None = None
        nearest = np.inf
        for found in result.multi_face_landmarks or ():
            points = np.array([(p.x, p.y, p.z) for p in found.landmark], np.float32) * window.size_px
            if not np.isfinite(points).all():
                continue
            away = float(np.abs(points[:468, :2].mean(0) - window.size_px / 2).max())
            if away < nearest:
                best, nearest = points, away
        return None if best is None else TrackedFace(window.outward(best))


def _around(face: TrackedFace, side: float, turn: float) -> Window:
    x, y = face.centre
    extent = max(face.height, 1.1 * float(np.ptp(face.points[:468, 0])), 8.0)
    return Window(x, y, 1.9 * side * extent, _MESH_PX, face.tilt + turn)


def _same(a: TrackedFace, b: TrackedFace) -> bool:
    """Whether two finds are one face: their middles lie within a third of the larger one."""
    away = np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1])
    return bool(away < max(a.size_px, b.size_px) / 3)


def _search_plan(height: int, width: int) -> Iterator[list[tuple[Window, float]]]:
    """Stages of views to look at, each with the score asked there; a later stage only if all before fail."""
    x, y, side = (width - 1) / 2, (height - 1) / 2, float(max(height, width))
    whole = Window(x, y, side, _DETECT_PX)
    yield [(whole, 0.4)]
    # A face that fills the picture is found once there is some room around it.
    yield [(Window(x, y, 1.8 * side, _DETECT_PX), 0.4)]
    steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    yield [(Window(x + i * side / 4, y + j * side / 4, side / 2, _DETECT_PX), _SURE) for i, j in steps]
    for degrees in _TILTS_DEG + _QUARTERS_DEG:
        yield [(Window(x, y, 1.2 * side, _DETECT_PX, float(np.deg2rad(degrees))), _SURE)]


@lru_cache(maxsize=1)
def shared_tracker() -> FaceTracker:
    """The process's tracker: its models are the same for everybody."""
    return FaceTracker()
