"""The tracker finds faces small and large, tilted and off-centre, and none where there is none."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from sonic_stream.face.tracker import TrackedFace, shared_tracker
from sonic_stream.face.window import Window
from sonic_stream.types import U8


def largest(image: U8) -> TrackedFace:
    return shared_tracker().search(image)[0]


def test_landmarks_sit_on_the_face(photo: U8) -> None:
    face = largest(photo)
    assert face.points.shape == (478, 3) and face.points.dtype == np.float32
    lips, eyes = face.points[[13, 14], 1].mean(), face.points[[33, 263], 1].mean()
    assert 60 < face.size_px < 400 and lips > eyes
    assert abs(np.degrees(face.tilt)) < 8 and face.backward[2] > 0.9
    # irises are darker than the whites around them
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1)
    for iris, corner_in, corner_out in ((468, 133, 33), (473, 362, 263)):
        x, y = np.round(face.points[iris, :2]).astype(int)
        whites = [(face.points[iris] * 0.4 + face.points[c] * 0.6)[:2] for c in (corner_in, corner_out)]
        light = max(int(grey[round(float(p[1])), round(float(p[0]))]) for p in whites)
        assert int(grey[y, x]) < light


def test_refined_landmarks_follow_the_picture(photo: U8) -> None:
    """Shifted, enlarged and turned pictures give the same places, to a percent of the eye distance."""
    tracker = shared_tracker()
    face = tracker.refine(photo, largest(photo))
    assert face is not None and face.spread < 0.012
    window = Window(*face.centre, 2.6 * face.size_px, 640, 0.2)
    again = tracker.refine(window.cut(photo), largest(window.cut(photo)))
    assert again is not None
    apart = np.linalg.norm((window.outward(again.points) - face.points)[:468, :2], axis=1)
    assert apart.mean() < 0.012 * face.interocular


@pytest.mark.parametrize("angle_deg", [-45, -20, 20, 45])
def test_tilted_faces(photo: U8, angle_deg: float) -> None:
    upright = largest(photo)
    window = Window(*upright.centre, 2.6 * upright.size_px, 480, float(np.radians(-angle_deg)))
    face = largest(window.cut(photo))
    assert np.degrees(face.tilt - upright.tilt) == pytest.approx(angle_deg, abs=4)


@pytest.mark.parametrize("size_px", [40, 80])
def test_small_faces_in_a_corner_of_a_large_picture(photo: U8, size_px: int) -> None:
    upright = largest(photo)
    head = Window(*upright.centre, 2.0 * upright.size_px, 2 * size_px).cut(photo)
    field = np.random.default_rng(0).integers(110, 140, (900, 1300, 3), np.uint8)
    field[700 : 700 + 2 * size_px, 1050 : 1050 + 2 * size_px] = head
    face = largest(field)
    assert face.size_px == pytest.approx(size_px, rel=0.15)
    assert abs(face.centre[0] - (1050 + size_px)) < 0.3 * size_px


def test_a_face_that_fills_the_picture(photo: U8) -> None:
    upright = largest(photo)
    close = Window(*upright.centre, 1.05 * upright.size_px, 400).cut(photo)
    assert largest(close).size_px == pytest.approx(400 / 1.05, rel=0.12)


def test_two_faces_the_larger_first(photo: U8) -> None:
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.full((512, 800, 3), 128, np.uint8)
    both[:256, :256], both[:, 288:] = small, photo
    faces = shared_tracker().search(both)
    assert len(faces) == 2
    assert faces[0].size_px > 1.5 * faces[1].size_px and faces[0].centre[0] > 288


@pytest.mark.parametrize("kind", ["black", "noise", "gradient", "ball"])
def test_no_face_where_there_is_none(kind: str) -> None:
    y, x = np.mgrid[:300, :400].astype(np.float32)
    image = np.zeros((300, 400, 3), np.uint8)
    if kind == "noise":
        image = np.random.default_rng(5).integers(0, 255, image.shape, np.uint8)
    elif kind == "gradient":
        image[:] = (x / 400 * 255)[..., None].astype(np.uint8)
    elif kind == "ball":
        image[:] = np.clip(220 - np.hypot(x - 170, y - 120), 20, 255)[..., None].astype(np.uint8)
    assert shared_tracker().search(image) == []


def test_threads_share_it(photo: U8) -> None:
    alone = largest(photo).points
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(largest(photo).points)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert all(np.array_equal(points, alone) for points in found)


def test_it_starts_silently(photo: U8, as_png: Callable[[U8], bytes]) -> None:
    """Native libraries greet on stderr; a command line that prints one sentence must not show that."""
    code = (
        "import sys; from sonic_stream.face import identify; identify(sys.stdin.buffer.read());"
        " print('kept', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=as_png(photo), capture_output=True, timeout=120, env=os.environ
    )
    assert done.returncode == 0
    assert done.stderr.decode().strip() == "kept" and done.stdout == b""
