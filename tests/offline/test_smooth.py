"""Smoothing: trembling goes, movement and closures stay, cuts are respected, sound is copied."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sonic_stream.cli import main
from sonic_stream.errors import BadInputError, NoFaceError
from sonic_stream.face.tracker import FaceTracker
from sonic_stream.media.audio import open_audio
from sonic_stream.media.reencode import Reencoder
from sonic_stream.media.video import AudioTrack, VideoWriter
from sonic_stream.media.video_file import TimedPicture, open_video
from sonic_stream.offline import render
from sonic_stream.offline.calibrate_lips import FaceFollower, lips_of
from sonic_stream.offline.motion_file import StoredMotion, write_motion
from sonic_stream.offline.smooth import check_rate, jitter, smooth
from sonic_stream.offline.smooth_between import Between, resampled
from sonic_stream.offline.smooth_steady import REACH, Shot, course, is_cut, steady
from sonic_stream.types import CHANNEL_INDEX, CHANNELS

SIZE = 160


def texture(seed: int = 0) -> np.ndarray:
    """A picture with something to see everywhere."""
    noise = np.random.default_rng(seed).uniform(0, 255, (SIZE + 40, SIZE + 40, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip((soft - 127) * 4 + 127, 0, 255).astype(np.uint8)


def seen_at(picture: np.ndarray, x: float, y: float = 0.0) -> np.ndarray:
    """A window on `picture`, moved by x and y px."""
    matrix = np.array([[1, 0, x - 20], [0, 1, y - 20]], np.float32)
    return cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)


def shots_of(images, begins=(0,), rate=25.0) -> list[Shot]:
    return [Shot(TimedPicture(i / rate, image), None, i in begins) for i, image in enumerate(images)]


def shift_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How far, in px x and y, the whole of `first` has moved in `second` (Lucas and Kanade)."""
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (first, second)]
    inner, shift = np.s_[20:-20, 20:-20], np.zeros(2)
    for _ in range(8):
        matrix = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
        back = cv2.warpAffine(greys[1], matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)
        down, across = np.gradient(back)
        slopes = np.stack([across[inner].ravel(), down[inner].ravel()], axis=1)
        shift += np.linalg.lstsq(slopes, (greys[0] - back)[inner].ravel(), rcond=None)[0]
    return shift


def path_of(images) -> np.ndarray:
    return np.cumsum([shift_between(a, b) for a, b in pairwise(images)], axis=0)


def test_the_smooth_course_keeps_quadratics_and_damps_trembling():
    weights = course(REACH, REACH)
    at = np.arange(-REACH, REACH + 1)
    assert np.allclose([weights.sum(), weights @ at, weights @ at**2], [1, 0, 0], atol=1e-4)
    trembling = np.linalg.norm(np.convolve(weights, [1, -2, 1])) / np.linalg.norm([1, -2, 1])
    assert trembling < 0.12
    for before, after in ((0, 0), (0, 1), (1, 0), (0, REACH), (REACH, 2)):
        assert course(before, after).sum() == pytest.approx(1, abs=1e-4)


def test_trembling_goes_and_movement_stays():
    picture, rng = texture(), np.random.default_rng(1)
    way = 0.4 * np.arange(30)
    shaken = [
        seen_at(picture, x + dx, dy) for x, (dx, dy) in zip(way, rng.normal(0, 0.6, (30, 2)), strict=True)
    ]
    steadied = [shot.picture.image for shot in steady(shots_of(shaken))]
    assert len(steadied) == 30
    before, after = (np.diff(path_of(images), 2, axis=0)[4:-4] for images in (shaken, steadied))
    assert np.linalg.norm(after, axis=1).mean() < 0.35 * np.linalg.norm(before, axis=1).mean()
    moved = path_of(steadied)[-5][0] - path_of(steadied)[4][0]
    assert moved == pytest.approx(0.4 * 20, abs=0.5)


def test_flicker_of_what_stands_still_is_averaged_and_what_moves_is_not():
    picture, rng = seen_at(texture(), 0), np.random.default_rng(2)
    images = []
    for i in range(16):
        image = np.clip(picture + rng.normal(0, 5, picture.shape), 0, 255).astype(np.uint8)
        image[60:100, 60:100] = 255 if i % 2 else 0  # something that changes for good each time
        images.append(image)
    out = [shot.picture.image for shot in steady(shots_of(images))]
    still = np.s_[:40, :, :]
    error_before = np.abs(np.stack(images)[:, :40].astype(int) - picture[still]).mean()
    error_after = np.abs(np.stack(out)[:, :40].astype(int) - picture[still]).mean()
    assert error_after < 0.65 * error_before
    for i, image in enumerate(out):
        inside = image[70:90, 70:90]
        assert (inside > 235).all() if i % 2 else (inside < 20).all()


def test_grain_goes_from_what_moves_as_a_whole_and_its_edges_stay():
    picture, rng = texture(), np.random.default_rng(5)
    clean = [seen_at(picture, 2.0 * i).astype(np.float32) for i in range(16)]
    grainy = [np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8) for image in clean]
    out = [shot.picture.image.astype(np.float32) for shot in steady(shots_of(grainy))]
    inner = np.s_[5:-5, 20:-20, 20:-20]
    errors = [np.abs((np.stack(images) - clean)[inner]).mean() for images in (grainy, out)]
    assert errors[1] < 0.55 * errors[0]
    edges = [np.abs(np.diff(np.stack(images)[inner], axis=2)).mean() for images in (clean, out)]
    assert edges[1] > 0.95 * edges[0]


def test_a_cut_is_found_and_nothing_passes_it():
    first, second = texture(3), texture(4)
    bright = np.clip(seen_at(second, 0).astype(int) // 3 + 160, 0, 255).astype(np.uint8)
    dark = (seen_at(first, 0) // 3).astype(np.uint8)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (dark, bright)]
    assert is_cut(grey[0], grey[1]) and not is_cut(grey[0], grey[0])
    assert not is_cut(grey[0], np.clip(grey[0].astype(int) + 40, 0, 255).astype(np.uint8))  # a lamp goes on
    images = [dark] * 6 + [bright] * 6
    out = [shot.picture.image for shot in steady(shots_of(images, begins=(0, 6)))]
    assert all((image == dark).all() for image in out[:6])
    assert all((image == bright).all() for image in out[6:])
    doubled = list(resampled(shots_of(images, begins=(0, 6)), Fraction(50)))
    assert len(doubled) == 24
    assert (doubled[11].image == dark).all() and (doubled[12].image == bright).all()


def test_doubling_keeps_given_pictures_and_puts_others_half_way():
    picture = texture(5)
    images = [seen_at(picture, 3.0 * i) for i in range(6)]
    doubled = list(resampled(shots_of(images), Fraction(50)))
    assert [p.time_s for p in doubled] == pytest.approx([i / 50 for i in range(12)])
    for i, image in enumerate(images):
        assert (doubled[2 * i].image == image).all()
    for i in range(5):
        assert shift_between(images[i], doubled[2 * i + 1].image)[0] == pytest.approx(1.5, abs=0.2)
        true = seen_at(picture, 3.0 * i + 1.5).astype(int)
        inner = np.s_[20:-20, 20:-20]
        error = np.abs(doubled[2 * i + 1].image.astype(int) - true)[inner].mean()
        mixed = np.abs(images[i].astype(int) / 2 + images[i + 1] / 2 - true)[inner].mean()
        assert error < 0.5 * mixed


@pytest.mark.parametrize(("rate", "count"), [(25, 10), (50, 20), (30, 12), (60, 24), (12.5, 5)])
def test_any_rate_covers_the_same_time(rate, count):
    shots = shots_of([seen_at(texture(), i) for i in range(10)])
    made = list(resampled(shots, Fraction(rate)))
    assert len(made) == count
    assert [p.time_s for p in made] == pytest.approx([i / rate for i in range(count)])


def test_what_flow_cannot_explain_is_shown_from_one_side():
    """A block that is there in one picture only: half of it would be a ghost."""
    plain = seen_at(texture(7), 0)
    block = plain.copy()
    block[60:100, 60:100] = (255, 255, 255)
    made = Between()(plain, block, 0.5).astype(int)[70:90, 70:90]
    ghost = (plain[70:90, 70:90].astype(int) + 255) // 2
    assert np.abs(made - ghost).mean() > 20


def test_rates_are_exact_fractions():
    assert check_rate(None) is None
    assert check_rate(50) == 50 and check_rate(12.5) == Fraction(25, 2)
    assert check_rate(29.97) == Fraction(30_000, 1001) and check_rate(23.976) == Fraction(24_000, 1001)
    with pytest.raises(BadInputError, match="1 to 240"):
        check_rate(500)


@pytest.fixture(scope="module")
def talking(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A render with closures at known pictures and a still end, shaken; and whether each picture is shut."""
    folder = tmp_path_factory.mktemp("talking")
    rows = np.zeros((85, len(CHANNELS)), np.float32)
    rows[:50, CHANNEL_INDEX["aperture"]] = 0.06
    rows[:50, CHANNEL_INDEX["jaw"]] = 0.4
    shut = np.zeros(85, bool)
    for start in (8, 19, 31, 43):
        shut[start : start + 2] = True
    rows[shut, CHANNEL_INDEX["aperture"]] = 0
    rows[shut, CHANNEL_INDEX["close"]] = 1
    rows[:, CHANNEL_INDEX["yaw"]] = 0.03 * np.sin(np.arange(85) / 15)
    write_motion(folder / "m.npz", StoredMotion(rows))
    clean, shaky = folder / "clean.mp4", folder / "shaky.mp4"
    render("mira", "hello", clean, motion=folder / "m.npz", duration=3.4, min_resolution=384)
    rng = np.random.default_rng(0)
    track = AudioTrack(open_audio(clean).heard(), 1)
    with VideoWriter(shaky, 384, 384, 25, track) as writer:
        for picture in open_video(clean).pictures():
            matrix = np.array([[1, 0, rng.normal(0, 0.5)], [0, 1, rng.normal(0, 0.5)]])
            image = cv2.warpAffine(picture.image, matrix, (384, 384), borderMode=cv2.BORDER_REPLICATE)
            grain = cv2.GaussianBlur(rng.normal(0, 10, image.shape), (0, 0), 1)
            writer.write(np.clip(image * rng.normal(1, 0.01) + grain, 0, 255).astype(np.uint8))
    return shaky, shut


def tracked(path: Path, tracker: FaceTracker | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Aperture by picture, and landmarks [T, 468, 2]."""
    follower, gaps, points = FaceFollower(tracker), [], []
    for picture in open_video(path).pictures():
        face = follower.step(picture)
        assert face is not None
        gaps.append(lips_of(face.points)[0])
        points.append(face.points[:468, :2])
    return np.array(gaps), np.stack(points)


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_a_talking_head_trembles_less_and_shuts_its_lips_as_before(talking, tmp_path):
    shaky, shut = talking
    out = tmp_path / "o.mp4"
    report = smooth(shaky, out, fps=50)
    assert (report.pictures_before, report.pictures, report.cuts) == (85, 170, 0)
    (gaps_before, points_before), (gaps_after, points_after) = tracked(shaky), tracked(out)
    gaps_after, points_after = gaps_after[::2], points_after[::2]
    still = slice(54, 80)
    ratio = jitter(points_after)[0][still].mean() / jitter(points_before)[0][still].mean()
    assert ratio <= 0.6
    limit = 0.012
    recall_before, recall_after = ((gaps[shut] < limit).mean() for gaps in (gaps_before, gaps_after))
    assert recall_before > 0.9 and recall_after >= recall_before
    open_gap = [gaps[:50][~shut[:50]].mean() for gaps in (gaps_before, gaps_after)]
    assert open_gap[1] == pytest.approx(open_gap[0], rel=0.05)
    assert sound_packets(out) == sound_packets(shaky)
    made, source = open_video(out).info, open_video(shaky).info
    assert made.rate == 50 and made.sound_begin_s == source.sound_begin_s and made.begin_s == source.begin_s


def test_the_command_says_what_it_did(talking, tmp_path, capsys):
    out = tmp_path / "o.mkv"
    assert main(["smooth", str(talking[0]), "-o", str(out), "--measure"]) == 0
    said = capsys.readouterr().out
    assert "85 pictures became 85" in said and "of what it was" in said


def edges(image: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std())


def test_teeth_do_not_blur(talking, tmp_path):
    """The mouth of open pictures keeps its edges, measured on the render that was not shaken."""
    clean = talking[0].with_name("clean.mp4")
    smooth(clean, tmp_path / "o.mp4")
    follower, ratios = FaceFollower(), []
    for before, after in zip(
        open_video(clean).pictures(), open_video(tmp_path / "o.mp4").pictures(), strict=True
    ):
        face = follower.step(before)
        assert face is not None
        x, y = face.points[13, :2].astype(int)
        reach = int(0.12 * face.height)
        sharp = [
            cv2.Laplacian(
                cv2.cvtColor(p.image[y - reach : y + reach, x - reach : x + reach], cv2.COLOR_RGB2GRAY),
                cv2.CV_32F,
            ).std()
            for p in (before, after)
        ]
        ratios.append(sharp[1] / sharp[0])
    assert np.mean(ratios) > 0.93


def flat_video(path: Path, sound: Path | None, seconds: float = 1.0) -> Path:
    track = AudioTrack(open_audio(sound).heard(), 1) if sound else None
    with VideoWriter(path, 160, 120, 25, track) as writer:
        for _ in range(round(seconds * 25)):
            writer.write(np.full((120, 160, 3), 120, np.uint8))
    return path


def test_a_video_without_a_face_is_refused_and_nothing_is_left(tmp_path, tone):
    video = flat_video(tmp_path / "flat.mp4", tone(1.0))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(NoFaceError, match="shows no face"):
        smooth(video, tmp_path / "o.mp4")
    assert sorted(tmp_path.iterdir()) == before


def test_sound_that_mp4_cannot_hold_becomes_aac_in_time(tmp_path, tone):
    source = tmp_path / "pcm.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            frame.pts = i
            container.mux(video.encode(frame))
        samples = np.concatenate(list(open_audio(tone(1.0)).blocks()))
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype("<i2")[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(sound.encode(frame))
        container.mux(video.encode(None))
    out = tmp_path / "o.mp4"
    with Reencoder(open_video(source), out, Fraction(25)) as writer:
        for picture in open_video(source).pictures():
            writer.write(picture.image, picture.time_s)
    heard = np.concatenate(list(open_audio(out).blocks()))
    length = min(len(heard), len(samples))
    assert np.corrcoef(heard[:length], samples[:length])[0, 1] > 0.98
    assert sum(1 for _ in open_video(out).pictures()) == 25


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["absent.mp4", "-o", "o.mp4"], "no video 'absent.mp4'"),
        (["VIDEO", "-o", "o.webm"], "should end in .mp4"),
        (["VIDEO", "-o", "o.mp4", "--fps", "many"], "a number from 1 to 240"),
        (["VIDEO", "-o", "o.mp4", "--fps", "1000"], "a number from 1 to 240"),
        (["VIDEO", "-o", "VIDEO"], "is the input"),
    ],
)
def test_bad_use_is_one_sentence(talking, tmp_path, capsys, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(["smooth", *[str(talking[0]) if w == "VIDEO" else w for w in words]]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
