"""Inspecting: words and a sheet for good inputs, for poor ones, and for those that cannot be used."""

import cv2
import numpy as np
import pytest

from sonic_stream.cli import main
from sonic_stream.face import IdentityCache
from sonic_stream.media.image import load_image
from sonic_stream.offline import Parts, bundled
from sonic_stream.offline.inspect import inspect
from sonic_stream.offline.inspect_sheet import WIDTH, draw_sheet
from sonic_stream.types import PortraitSettings

CACHE = IdentityCache()
REAL = Parts(identify=CACHE.identify)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two of the bundled people in one picture."""
    files = list(bundled.portraits().values())[:2]
    one, other = (cv2.resize(load_image(file), (640, 640)) for file in files)
    path = tmp_path_factory.mktemp("in") / "pair.png"
    cv2.imwrite(str(path), np.hstack([one, cv2.resize(other, (520, 640))])[..., ::-1])
    return path


def test_a_good_portrait_and_voice_are_praised(capsys, tmp_path):
    name = "mira"
    out = tmp_path / "sheet.png"
    assert main(["inspect", name, "hello", "-o", str(out)], REAL) == 0
    said = capsys.readouterr().out
    assert said.count("-> Nothing to mend.") == 2
    assert "1 face" in said and "16 kHz" in said and "% silence" in said and "expand_ratio" in said
    sheet = load_image(out)
    assert sheet.shape[1] == WIDTH and sheet.shape[0] > 800


def test_the_sheet_shows_square_faces_and_landmarks(pair):
    found = inspect(pair, None, PortraitSettings(), CACHE.identify)
    assert len(found.portrait.faces) == 2 and found.usable
    assert any("There are 2 faces" in sentence for sentence in found.portrait.advice())
    sheet = draw_sheet(found).astype(int)
    plain = draw_sheet(inspect(pair, None, PortraitSettings(), CACHE.identify, lambda _: [])).astype(int)
    changed = np.abs(sheet - plain).max(2) > 30
    assert changed[:620, :620].sum() > 500, "the faces are not drawn into the portrait"
    crop = cv2.resize(found.portrait.identity.crop, (600, 600), interpolation=cv2.INTER_CUBIC)
    marks = np.abs(sheet[13:613, WIDTH - 613 : WIDTH - 13] - crop).max(2) > 60
    points = np.round((found.portrait.identity.landmarks[:468] + 0.5) * 600 / 512).astype(int).clip(0, 599)
    assert marks[points[:, 1], points[:, 0]].mean() > 0.5, "the landmarks are not drawn"


def test_what_cannot_be_used_is_said_and_shown(tmp_path, capsys, tone):
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8))
    out = tmp_path / "sheet.jpg"
    silent = tone(1.0)
    silent.write_bytes(silent.read_bytes()[:44] + bytes(32_000))
    assert main(["inspect", str(noise), str(silent), "-o", str(out), "--quiet"], REAL) == 2
    said = capsys.readouterr().out
    assert "-> No face was found" in said and "is silent" in said
    assert load_image(out).shape[1] == WIDTH


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["absent.png"], "no portrait"),
        (["IN", "-o", "sheet.txt"], "should end in .png"),
        (["IN", "-o", "absent/sheet.png"], "does not exist"),
        (["IN", "--min-resolution", "9"], "one of 384"),
    ],
)
def test_slips_are_one_sentence(tmp_path, monkeypatch, capsys, portrait, words, sentence):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["inspect", *(str(portrait) if word == "IN" else word for word in words)], REAL) == 2
    said = capsys.readouterr()
    assert said.out == "" and sentence in said.err and said.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
