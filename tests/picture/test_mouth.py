"""The inside of the mouth: what it may touch, what it must look like, that it never breaks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sonic_stream.face.head import Head, load_head
from sonic_stream.picture import mouth_traits
from sonic_stream.picture.mouth import MouthInterior
from sonic_stream.picture.mouth_look import look_of
from sonic_stream.picture.mouth_shading import embrasure
from sonic_stream.picture.mouth_traits import MouthTraits, measure_traits
from sonic_stream.types import F32, U8, Colours

SIZE, SCALE = 256, 16.0
PAINT = 77


def colours(brightness: float = 0.7) -> Colours:
    skin = np.array([0.83, 0.68, 0.58], np.float32) * np.float32(brightness / 0.7)
    lip = np.array([0.72, 0.45, 0.43], np.float32) * np.float32(brightness / 0.7)
    light = np.array([-0.2, -0.4, 0.89], np.float32)
    return Colours(skin, lip, light, brightness)


class Scene:
    """A mean head with an expression before a flat canvas, looked at from the front."""

    def __init__(self, turn: F32 | None = None, scale: float = SCALE, **weights: float) -> None:
        self.head: Head = load_head()
        expression = np.zeros(len(self.head.expression_names), np.float32)
        for name, weight in weights.items():
            for i, full in enumerate(self.head.expression_names):
                if full in (name, f"{name}_L", f"{name}_R"):
                    expression[i] = weight
        self.rotation = np.eye(3, dtype=np.float32) if turn is None else turn
        points = self.head.shaped(np.zeros(1, np.float32), expression) @ self.rotation.T
        self.projected = np.stack(
            [SIZE / 2 + scale * points[:, 0], SIZE / 4 - scale * points[:, 1], scale * points[:, 2]], 1
        ).astype(np.float32)
        rims = [self.projected[self.head.lip_rim_upper, :2], self.projected[self.head.lip_rim_lower, :2]]
        polygon = np.concatenate([rims[0], rims[1][::-1]])
        low = np.floor(polygon.min(0)).astype(int) - 3
        wide, high = np.ceil(polygon.max(0)).astype(int) + 4 - low
        fine = np.zeros((high * 8, wide * 8), np.uint8)
        cv2.fillPoly(fine, [((polygon - low + 0.5) * 8 - 0.5).astype(np.int32)], 1)
        self.opening = cv2.resize(
            fine.astype(np.float32), (int(wide), int(high)), interpolation=cv2.INTER_AREA
        )
        self.origin = (int(low[0]), int(low[1]))

    def paint(self, mouth: MouthInterior, opening: F32 | None = None) -> U8:
        canvas = np.full((SIZE, SIZE, 3), PAINT, np.uint8)
        mouth.paint(
            canvas, self.projected, self.rotation, self.opening if opening is None else opening, self.origin
        )
        return canvas

    def luminance_at(self, image: U8, part: str) -> float:
        """Mean brightness of what is seen of a part: pixels under its vertices, inside the opening."""
        points = self.projected[np.unique(self.head.triangles_of(part))]
        cells = np.round(points[:, :2]).astype(int) - self.origin
        high, wide = self.opening.shape
        inside = (cells >= 0).all(1) & (cells[:, 0] < wide) & (cells[:, 1] < high)
        cells = cells[inside]
        cells = cells[self.opening[cells[:, 1], cells[:, 0]] > 0.99] + self.origin
        assert len(cells) > 5
        return float(image[cells[:, 1], cells[:, 0]].mean())


@pytest.fixture(scope="module")
def mouth() -> MouthInterior:
    return MouthInterior(load_head(), colours())


def test_a_shut_mouth_leaves_the_canvas_untouched(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.5)
    assert (scene.paint(mouth, np.zeros_like(scene.opening)) == PAINT).all()
    assert (scene.paint(mouth, np.zeros((0, 0), np.float32)) == PAINT).all()


def test_only_pixels_of_the_opening_change(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.6)
    changed = (scene.paint(mouth) != PAINT).any(2)
    x, y = scene.origin
    high, wide = scene.opening.shape
    inside = np.zeros_like(changed)
    inside[y : y + high, x : x + wide] = scene.opening > 0
    assert changed[inside].mean() > 0.9
    assert not changed[~inside].any()


def test_coverage_blends_linearly(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.6)
    thin = np.where(scene.opening > 0, np.float32(1e-4), np.float32(0))
    difference = scene.paint(mouth, thin).astype(int) - PAINT
    assert np.abs(difference).max() <= 1


def test_front_teeth_are_brighter_than_tongue_and_tongue_than_throat(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.7, mouthUpperUp=0.8)
    image = scene.paint(mouth).astype(float).mean(2)
    x = round(float(scene.projected[scene.head.lip_rim_upper[5], 0])) - scene.origin[0]
    column = image[scene.origin[1] :, :][: scene.opening.shape[0], scene.origin[0] + x + 3]
    teeth = scene.luminance_at(image[..., None].repeat(3, 2), "teeth_upper")
    assert column[scene.opening[:, x + 3] > 0.99].max() > 1.4 * np.median(
        column[scene.opening[:, x + 3] > 0.99]
    )
    assert teeth > 10


def test_nothing_inside_is_flat_black(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=1.0, mouthStretch=0.4)
    image = scene.paint(mouth)
    x, y = scene.origin
    high, wide = scene.opening.shape
    inside = image[y : y + high, x : x + wide][scene.opening > 0.99]
    assert inside.max(1).min() >= 4
    assert (inside[:, 0].astype(int) >= inside[:, 2].astype(int) - 1).mean() > 0.95  # warm, never bluish


def test_brightness_follows_the_portrait() -> None:
    scene = Scene(jawOpen=0.6, mouthUpperUp=0.4)
    means = []
    for brightness in (0.15, 0.3, 0.5, 0.7, 0.9):
        image = scene.paint(MouthInterior(scene.head, colours(brightness)))
        means.append(image[image != PAINT].mean())
    assert (np.diff(means) > 2).all()


def test_own_teeth_colour_is_taken_over() -> None:
    scene = Scene(jawOpen=0.15, mouthSmile=0.9, mouthUpperUp=0.8)
    warm = MouthInterior(scene.head, colours(), MouthTraits(teeth=np.array([0.9, 0.8, 0.5], np.float32)))
    cool = MouthInterior(scene.head, colours(), MouthTraits(teeth=np.array([0.8, 0.8, 0.8], np.float32)))

    def blue_share(mouth: MouthInterior) -> float:
        image = scene.paint(mouth).astype(float)
        bright = image[image.max(2) > 140]
        return float((bright[:, 2] / bright[:, 0]).mean())

    assert blue_share(warm) < blue_share(cool) - 0.1


def test_a_black_and_white_portrait_gets_a_black_and_white_mouth() -> None:
    grey = replace(colours(), skin=np.full(3, 0.7, np.float32), lip=np.full(3, 0.5, np.float32))
    image = Scene(jawOpen=0.7).paint(MouthInterior(load_head(), grey))
    assert np.ptp(image.astype(int), axis=2).max() <= 2


def test_same_input_same_bytes() -> None:
    scene = Scene(jawOpen=0.5, tongueTip=0.5)
    first = scene.paint(MouthInterior(scene.head, colours()))
    assert (first == scene.paint(MouthInterior(scene.head, colours()))).all()


def test_small_movement_small_change(mouth: MouthInterior) -> None:
    before, after = Scene(jawOpen=0.5), Scene(jawOpen=0.505)
    if before.opening.shape != after.opening.shape or before.origin != after.origin:
        after.origin = before.origin
    difference = np.abs(before.paint(mouth).astype(int) - after.paint(mouth, before.opening).astype(int))
    assert difference.mean() < 0.3
    assert difference.max() < 80


@pytest.mark.parametrize("turn", [(0.6, 0, 0), (0, 0.6, 0), (0, 0, 0.6), (0, 3.0, 0), (1.6, 0, 0)])
def test_any_turn_of_the_head_is_drawn(mouth: MouthInterior, turn: tuple[float, float, float]) -> None:
    rotation = cv2.Rodrigues(np.array(turn))[0].astype(np.float32)
    Scene(rotation, jawOpen=0.8).paint(mouth)


@pytest.mark.parametrize("scale", [0.02, 0.5, 3.0, 200.0])
def test_tiny_and_huge_heads_are_drawn(mouth: MouthInterior, scale: float) -> None:
    scene = Scene(scale=scale, jawOpen=0.8)
    canvas = np.full((SIZE, SIZE, 3), PAINT, np.uint8)
    opening = np.ones((40, 40), np.float32)
    mouth.paint(canvas, scene.projected, scene.rotation, opening, (100, 100))
    assert (canvas[:90] == PAINT).all()


@pytest.mark.parametrize("origin", [(-30, -30), (240, 240), (-500, 10), (10, 900), (250, -20)])
def test_regions_over_the_edge_are_cut(mouth: MouthInterior, origin: tuple[int, int]) -> None:
    scene = Scene(jawOpen=0.8)
    canvas = np.full((SIZE, SIZE, 3), PAINT, np.uint8)
    mouth.paint(canvas, scene.projected, scene.rotation, np.ones((50, 60), np.float32), origin)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_points_that_are_nowhere_are_left_out(mouth: MouthInterior, value: float) -> None:
    scene = Scene(jawOpen=0.8)
    scene.projected[::7] = value
    assert (scene.paint(mouth) == PAINT).all()


def test_tongue_out_changes_the_picture(mouth: MouthInterior) -> None:
    plain, out = Scene(jawOpen=0.4), Scene(jawOpen=0.4, tongueTip=1.0)
    assert np.abs(plain.paint(mouth).astype(int) - out.paint(mouth).astype(int)).max() > 15


def portrait(teeth: bool = False, blur_px: float = 0.0) -> tuple[U8, F32]:
    """A drawn face, uint8 [256, 256, 3], with the landmarks that matter, float32 [478, 2]."""
    landmarks = np.full((478, 2), 128, np.float32)
    angle = np.linspace(0, 2 * np.pi, 19)[:-1]
    oval = np.stack([128 + 75 * np.sin(angle), 128 - 95 * np.cos(angle)], 1)
    landmarks[list(mouth_traits._FACE)] = oval
    canvas = np.full((SIZE, SIZE, 3), (60, 90, 120), np.uint8)
    cv2.fillPoly(canvas, [oval.astype(np.int32)], (200, 160, 140))
    for eye, iris, x in zip(mouth_traits._EYES, mouth_traits._IRISES, (160, 96), strict=True):
        turn = np.linspace(0, 2 * np.pi, 17)[:-1]
        landmarks[list(eye)] = np.stack([x + 16 * np.cos(turn), 100 + 8 * np.sin(turn)], 1)
        cv2.ellipse(canvas, (x, 100), (16, 8), 0, 0, 360, (215, 215, 210), -1)
        cv2.circle(canvas, (x, 100), 6, (40, 30, 20), -1)
        landmarks[list(iris)] = (x, 100), (x + 6, 100)
    turn = np.linspace(0, 2 * np.pi, 21)[:-1]
    landmarks[list(mouth_traits._LIPS_INNER)] = np.stack([128 + 26 * np.cos(turn), 180 + 6 * np.sin(turn)], 1)
    landmarks[13], landmarks[14] = (128, 174), (128, 186)
    inside = (235, 222, 200) if teeth else (60, 25, 25)
    cv2.ellipse(canvas, (128, 180), (30, 10), 0, 0, 360, (190, 100, 100), -1)
    cv2.ellipse(canvas, (128, 180), (26, 6), 0, 0, 360, inside, -1)
    for index, place in zip(
        mouth_traits._CHEEKS, ((85, 140), (170, 140), (95, 150), (160, 150)), strict=True
    ):
        landmarks[index] = place
    landmarks[10], landmarks[152] = oval[0], oval[9]
    if blur_px:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), blur_px), np.uint8)
    return canvas, landmarks


def test_own_teeth_are_found_only_where_they_show() -> None:
    teeth = measure_traits(*portrait(teeth=True)).teeth
    assert teeth is not None
    assert np.allclose(teeth, np.array([235, 222, 200]) / 255, atol=0.02)
    assert measure_traits(*portrait(teeth=False)).teeth is None


def test_a_tongue_behind_the_teeth_does_not_tint_them() -> None:
    canvas, landmarks = portrait(teeth=True)
    canvas[178:188][(canvas[178:188] == (235, 222, 200)).all(2)] = (215, 105, 105)
    teeth = measure_traits(canvas, landmarks).teeth
    assert teeth is not None
    assert np.allclose(teeth, np.array([235, 222, 200]) / 255, atol=0.02)


def test_white_and_black_are_read_off_the_face() -> None:
    traits = measure_traits(*portrait())
    assert traits.white is not None
    assert np.allclose(traits.white, np.array([215, 215, 210]) / 255, atol=0.02)
    assert traits.black < 0.16


def test_softness_grows_with_blur() -> None:
    measured = [measure_traits(*portrait(blur_px=blur)).softness_px for blur in (0.0, 1.0, 2.0)]
    assert measured[0] < 0.3
    assert measured[0] < measured[1] < measured[2]


def test_grain_is_that_of_the_cheeks() -> None:
    canvas, landmarks = portrait()
    noise = np.random.default_rng(1).normal(0, 4, canvas.shape[:2])[..., None]
    grainy = np.clip(canvas + noise, 0, 255).astype(np.uint8)
    assert measure_traits(canvas, landmarks).grain < 0.5
    assert measure_traits(grainy, landmarks).grain == pytest.approx(4, rel=0.35)


def test_white_of_the_eyes_sets_the_tone_of_the_teeth() -> None:
    scene = Scene(jawOpen=0.15, mouthSmile=0.9, mouthUpperUp=0.8)
    whites = [np.array(c, np.float32) for c in ((0.45, 0.45, 0.45), (0.85, 0.85, 0.85), (0.85, 0.8, 0.55))]
    dim, plain, yellow = (
        scene.paint(MouthInterior(scene.head, colours(), MouthTraits(white=white))).astype(float)
        for white in whites
    )
    assert dim.max() < plain.max() - 10
    bright = plain.max(2) > 140
    assert (yellow[bright, 2] / yellow[bright, 0]).mean() < (
        plain[bright, 2] / plain[bright, 0]
    ).mean() - 0.05


def test_a_tiny_or_empty_face_measures_to_the_usual() -> None:
    canvas, landmarks = portrait()
    assert measure_traits(canvas, np.zeros_like(landmarks)) == MouthTraits()
    assert measure_traits(canvas, landmarks - 1000) == MouthTraits()


def row_of_teeth(image: U8, scene: Scene) -> F32:
    """Brightness along the upper front teeth, a third of a crown above their edge."""
    teeth = np.unique(scene.head.triangles_of("teeth_upper"))
    mean = scene.head.mean[teeth]
    front = scene.projected[teeth[(np.abs(mean[:, 0]) < 1.2) & (mean[:, 2] > 10)]]
    y = round(float(front[:, 1].max()) - 0.35 * SCALE)
    left, right = round(float(front[:, 0].min())), round(float(front[:, 0].max()))
    return np.asarray(image[y, left : right + 1].astype(np.float32) @ mouth_traits.LUMA, np.float32)


def test_teeth_are_told_apart_but_never_like_a_comb(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.25, mouthUpperUp=1.0)
    row = row_of_teeth(scene.paint(mouth), scene)
    middle = len(row) // 2
    seam, lit = float(row[middle - 2 : middle + 3].min()), float(np.median(row))
    assert 0.65 * lit < seam < 0.9 * lit
    assert np.abs(np.diff(row)).max() < 0.25 * lit


def test_rounded_lips_keep_light_out(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.3)
    canvas = np.full((SIZE, SIZE, 3), PAINT, np.uint8)
    mouth.paint(canvas, scene.projected, scene.rotation, scene.opening, scene.origin, 1.0)
    assert canvas[canvas != PAINT].mean() < 0.8 * scene.paint(mouth)[canvas != PAINT].mean()


def test_soft_pictures_part_the_teeth_less() -> None:
    scene = Scene(jawOpen=0.25, mouthUpperUp=1.0)

    def depth(softness_px: float) -> float:
        row = row_of_teeth(
            scene.paint(MouthInterior(scene.head, colours(), MouthTraits(softness_px=softness_px))), scene
        )
        return 1 - float(row[len(row) // 2 - 2 : len(row) // 2 + 3].min() / np.median(row))

    assert depth(0.9) > depth(1.2) > depth(1.4) > 0.03


def test_corners_of_teeth_are_round_and_rounder_away_from_the_middle() -> None:
    assert embrasure(0.0, 0.02) < embrasure(0.9, 0.02)
    assert embrasure(0.3, 0.6) == 0
    for side in (1.0, -1.0):
        across = [embrasure(side * x, 0.02) for x in np.linspace(0.2, 1, 9)]
        assert (np.diff(across) >= 0).all()
        assert across[-1] == 1
    assert embrasure(-0.7, 0.1) > embrasure(0.7, 0.1)


@pytest.mark.parametrize("brightness", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("white", [0.5, 0.65, 0.8])
def test_teeth_are_hardly_brighter_than_eyes_and_skin(brightness: float, white: float) -> None:
    look = look_of(colours(brightness), MouthTraits(white=np.full(3, white, np.float32)))
    assert float(np.sqrt(look.teeth) @ mouth_traits.LUMA) < 1.08 * max(white, brightness)


def test_lips_that_were_set_too_far_forward_do_not_darken_the_teeth() -> None:
    scene = Scene(jawOpen=0.25, mouthUpperUp=1.0)
    usual = row_of_teeth(scene.paint(MouthInterior(scene.head, colours())), scene)
    for rim in (scene.head.lip_rim_upper, scene.head.lip_rim_lower):
        scene.projected[rim, 2] += SCALE
    shaded = row_of_teeth(scene.paint(MouthInterior(scene.head, colours())), scene)
    told = row_of_teeth(scene.paint(MouthInterior(scene.head, colours(), too_far_units=1.0)), scene)
    assert shaded.mean() < usual.mean() - 5
    assert np.abs(told - usual).max() < 2


def shown_teeth(scene: Scene) -> tuple[U8, MouthInterior]:
    """A portrait that shows teeth of another colour than would be guessed, and what keeps them."""
    traits = MouthTraits(teeth=np.array([0.8, 0.78, 0.75], np.float32))
    crop = np.full((SIZE, SIZE, 3), (150, 80, 80), np.uint8)
    look = MouthTraits(teeth=np.array([0.62, 0.72, 0.6], np.float32))
    MouthInterior(scene.head, colours(), look).paint(
        crop, scene.projected, scene.rotation, scene.opening, scene.origin
    )
    mouth = MouthInterior(scene.head, colours(), traits)
    mouth.keep_teeth(crop, scene.projected, scene.rotation, scene.opening, scene.origin)
    return crop, mouth


def test_teeth_of_the_portrait_are_kept_in_its_own_pose_and_in_others() -> None:
    own, other = Scene(jawOpen=0.15, mouthSmile=0.6, mouthUpperUp=0.8), Scene(jawOpen=0.4, mouthUpperUp=0.6)
    crop, mouth = shown_teeth(own)
    plain = MouthInterior(own.head, colours(), MouthTraits(teeth=np.array([0.8, 0.78, 0.75], np.float32)))
    wanted, kept = row_of_teeth(crop, own), row_of_teeth(own.paint(mouth), own)
    assert np.abs(kept - wanted).mean() < 0.5 * np.abs(row_of_teeth(own.paint(plain), own) - wanted).mean()
    assert np.corrcoef(kept, wanted)[0, 1] > 0.9

    def greenness(image: U8) -> float:
        pixels = image.astype(float)
        pixels = pixels[pixels.min(2) > 110]
        return float((pixels[:, 1] / pixels[:, 0]).mean())

    assert greenness(other.paint(mouth)) > greenness(other.paint(plain)) + 0.08


def test_only_upper_teeth_are_the_portrait_s() -> None:
    scene = Scene(jawOpen=0.7, mouthUpperUp=0.5)
    plain = MouthInterior(scene.head, colours(), MouthTraits(teeth=np.array([0.8, 0.78, 0.75], np.float32)))
    _, mouth = shown_teeth(Scene(jawOpen=0.15, mouthSmile=0.6, mouthUpperUp=0.8))
    changed = np.abs(scene.paint(mouth).astype(int) - scene.paint(plain)).max(2) > 2
    rows = np.flatnonzero(changed.any(1))
    edge = scene.projected[np.unique(scene.head.triangles_of("teeth_upper")), 1].max()
    assert len(rows) > 3
    assert rows.max() < edge + 2


def test_where_no_teeth_are_told_of_nothing_is_kept(mouth: MouthInterior) -> None:
    scene = Scene(jawOpen=0.15, mouthSmile=0.6, mouthUpperUp=0.8)
    before = scene.paint(mouth)
    mouth.keep_teeth(before, scene.projected, scene.rotation, scene.opening, scene.origin)
    assert (scene.paint(mouth) == before).all()
