"""From bytes to an identity: the bundled portraits, and what is said of damaged ones."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.face import advise, identify, regions
from sonic_stream.face.head import load_head
from sonic_stream.face.portrait import identity_key, uncrossed
from sonic_stream.face.tracker import TrackedFace, shared_tracker
from sonic_stream.face.window import Window
from sonic_stream.types import U8, Identity, PortraitSettings

Encode = Callable[[U8], bytes]


@pytest.fixture(scope="module")
def identities(portraits: list[Path]) -> dict[str, Identity]:
    return {path.name: identify(path.read_bytes(), PortraitSettings()) for path in portraits}


@pytest.fixture(scope="module")
def face(photo: U8) -> TrackedFace:
    return shared_tracker().search(photo)[0]


def sentences(image: U8, as_png: Encode) -> str:
    return " ".join(identify(as_png(image)).advice)


def test_bundled_portraits_fit_well(identities: dict[str, Identity]) -> None:
    for name, identity in identities.items():
        assert identity.fit_error < 0.02, name
        assert identity.lids_fit, name
        assert not [s for s in identity.advice if "cut" in s or "faces" in s or "turned" in s], name


def test_projected_vertices_meet_the_landmarks(identities: dict[str, Identity]) -> None:
    """The contract of `Identity`: t + s * (R v)[:2] * (1, -1), with the expression put back on."""
    head = load_head()
    for identity in identities.values():
        worn = identity.vertices + np.tensordot(identity.expression, head.expression, 1)
        turned = worn[head.landmarks] @ identity.rotation.T
        points = identity.translation + identity.scale * turned[:, :2] * [1, -1]
        apart = np.linalg.norm(points - identity.landmarks[:468], axis=1)
        assert apart.mean() < 0.004 * np.linalg.norm(identity.landmarks[33] - identity.landmarks[263])


def test_shapes_types_and_ranges(identities: dict[str, Identity]) -> None:
    head = load_head()
    for identity in identities.values():
        size = identity.settings.min_resolution
        assert identity.crop.shape == (size, size, 3) and identity.crop.dtype == np.uint8
        assert identity.matte.shape == (size, size) and identity.matte.dtype == np.uint8
        assert identity.landmarks.shape == (478, 2)
        assert identity.vertices.shape == head.mean.shape
        assert identity.shape.shape == (len(head.identity),)
        assert identity.expression.shape == (len(head.expression),)
        assert identity.expression.min() >= 0 and identity.expression.max() <= 1
        for name in ("landmarks", "vertices", "shape", "expression", "rotation", "translation"):
            assert getattr(identity, name).dtype == np.float32, name
        with pytest.raises(ValueError, match="read-only"):
            identity.vertices[0] = 0
        assert 0.05 < identity.colours.brightness < 1


def test_the_neutral_mouth_is_shut(identities: dict[str, Identity]) -> None:
    head = load_head()
    for name, identity in identities.items():
        height = np.linalg.norm(
            identity.vertices[head.landmarks[10]] - identity.vertices[head.landmarks[152]]
        )
        gap = identity.vertices[head.lip_rim_upper] - identity.vertices[head.lip_rim_lower]
        assert np.abs(gap[2:-2, 1]).max() / height < 0.03, name


def test_the_crop_box_is_where_the_crop_was(photo: U8, as_png: Encode) -> None:
    identity = identify(as_png(photo))
    size = identity.settings.min_resolution
    cut = Window(*identity.crop_box, size).cut(photo)
    # the same pixels wherever the square lies inside the portrait
    middle = slice(size // 3, 2 * size // 3)
    assert np.array_equal(cut[middle, middle], identity.crop[middle, middle])


def test_the_same_bytes_give_the_same_identity(photo: U8, as_png: Encode) -> None:
    first, second = identify(as_png(photo)), identify(as_png(photo))
    for name in ("crop", "landmarks", "vertices", "shape", "expression", "matte", "rotation"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert first.id == second.id and first.advice == second.advice


def test_the_key_names_picture_and_settings() -> None:
    one = identity_key(b"a", PortraitSettings())
    assert one == identity_key(b"a", PortraitSettings()) and len(one) == 64
    assert one != identity_key(b"b", PortraitSettings())
    assert one != identity_key(b"a", PortraitSettings(0.25))


@pytest.mark.parametrize("size_px", [384, 768])
def test_other_sizes(photo: U8, as_png: Encode, size_px: int) -> None:
    identity = identify(as_png(photo), PortraitSettings(0.2, size_px))
    assert identity.crop.shape == (size_px, size_px, 3)
    usual = identify(as_png(photo))
    scaled = usual.landmarks * (size_px / 512)
    apart = np.linalg.norm(identity.landmarks - scaled, axis=1).mean()
    assert apart < 0.015 * np.linalg.norm(scaled[33] - scaled[263])


def test_two_faces_are_told(photo: U8, as_png: Encode) -> None:
    small = cv2.resize(photo, (300, 300), interpolation=cv2.INTER_AREA)
    both = np.full((512, 820, 3), 128, np.uint8)
    both[:300, 520:], both[:, :512] = small, photo
    identity = identify(as_png(both))
    assert "2 faces" in identity.advice[0] and "on the left" in identity.advice[0]
    assert identity.crop_box[0] < 512


@pytest.mark.parametrize("size_px", [45, 75])
def test_small_faces_are_advised(photo: U8, face: TrackedFace, as_png: Encode, size_px: int) -> None:
    small = Window(*face.centre, 2.2 * face.size_px, round(2.2 * size_px)).cut(photo)
    assert "pixels large" in sentences(small, as_png)


def test_tiny_faces_are_refused(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    tiny = Window(*face.centre, 2.2 * face.size_px, 66).cut(photo)
    with pytest.raises(NoFaceError, match="pixels large"):
        identify(as_png(tiny))


def test_blur_is_told_and_sharpness_is_not(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    assert "blurred" not in sentences(photo, as_png)
    soft = cv2.GaussianBlur(photo, (0, 0), 0.02 * face.height)
    assert "blurred" in sentences(soft, as_png)


@pytest.mark.parametrize("colour", [(110, 170, 200), (235, 235, 235), (35, 35, 40)])
def test_a_covered_mouth_is_told(
    photo: U8, face: TrackedFace, as_png: Encode, colour: tuple[int, int, int]
) -> None:
    edge = [132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 425, 5, 205]
    masked = photo.copy()
    cv2.fillPoly(masked, [np.round(face.points[edge, :2]).astype(np.int32)], colour)
    assert "covered" not in sentences(photo, as_png)
    assert "covered" in sentences(masked, as_png)


def test_deep_shadow_is_told(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    assert "shadow" not in sentences(photo, as_png)
    x = np.arange(photo.shape[1]) - face.centre[0]
    dark = 1 - 0.8 / (1 + np.exp(-x / (0.05 * face.height)))
    assert "shadow" in sentences((photo * dark[None, :, None]).astype(np.uint8), as_png)


def test_cut_off_chins_and_foreheads_are_told(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    chin, forehead = face.points[152, 1], face.points[10, 1]
    assert "the chin" in sentences(photo[: int(chin - 0.06 * face.height)], as_png)
    assert "the forehead" in sentences(photo[int(forehead + 0.1 * face.height) :], as_png)


def test_a_picture_without_the_mouth_is_refused(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    with pytest.raises(NoFaceError):
        identify(as_png(photo[: int(face.points[0, 1] - 0.02 * face.height)]))


def test_tilted_heads_are_advised(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    tilted = Window(*face.centre, 2.6 * face.size_px, 512, float(np.radians(38))).cut(photo)
    assert "tilted by about" in sentences(tilted, as_png)


@pytest.mark.parametrize("quarters", [1, 3])
def test_pictures_on_their_side_are_refused(photo: U8, as_png: Encode, quarters: int) -> None:
    with pytest.raises(NoFaceError, match="lies on its side"):
        identify(as_png(np.ascontiguousarray(np.rot90(photo, quarters))))


def test_pictures_upside_down_are_refused(photo: U8, as_png: Encode) -> None:
    with pytest.raises(NoFaceError, match="stands on its head"):
        identify(as_png(np.ascontiguousarray(photo[::-1, ::-1])))


def test_stretched_faces_raise_doubt(photo: U8, face: TrackedFace, as_png: Encode) -> None:
    wide = cv2.resize(photo, (900, 512), interpolation=cv2.INTER_CUBIC)
    assert "proportions" in sentences(wide, as_png)


def test_noise_has_no_face(as_png: Encode) -> None:
    noise = np.random.default_rng(9).integers(0, 255, (300, 300, 3), np.uint8)
    with pytest.raises(NoFaceError, match="No face was found"):
        identify(as_png(noise))


def test_text_is_no_picture() -> None:
    with pytest.raises(BadInputError):
        identify(b"this is not a picture")


def test_closed_eyes_are_measured() -> None:
    points = np.zeros((478, 2), np.float32)
    for corners, lids, x in (
        (regions.CORNERS_RIGHT, regions.LIDS_RIGHT, 100),
        (regions.CORNERS_LEFT, regions.LIDS_LEFT, 200),
    ):
        points[list(corners)] = [[x, 0], [x + 50, 0]]
        for i, (upper, lower) in enumerate(lids):
            points[[upper, lower]] = [[x + 6 * i, -8 if x == 100 else -1], [x + 6 * i, 8 if x == 100 else 1]]
    left, right = advise.eye_openings(points)
    assert right == pytest.approx(16 / 50) and left == pytest.approx(2 / 50)


def test_uncrossed_lips_touch(known_head: Callable) -> None:
    points = known_head(2).landmarks
    upper, lower = regions.LIP_UPPER_MIDDLE, regions.LIP_LOWER_MIDDLE
    points[upper] = points[lower] + [0, 5]
    points[upper, 0] = points[lower, 0]
    mended = uncrossed(points)
    down = points[regions.CHIN] - points[regions.FOREHEAD]
    assert (mended[lower] - mended[upper]) @ down == pytest.approx(0, abs=1e-2)
    apart = [
        i
        for i in range(468)
        if i not in np.ravel(regions.LIPS_PAIRS + regions.LIDS_LEFT + regions.LIDS_RIGHT)
    ]
    assert np.array_equal(mended[apart], points[apart])
