"""The view for OBS: picture and sound alone, of a session of its own or of one that runs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.timeout(120)
MOVES = """() => new Promise((done) => {
  const video = document.getElementById("video");
  let count = 0;
  const next = () => ++count > 5 ? done(true) : video.requestVideoFrameCallback(next);
  video.requestVideoFrameCallback(next);
})"""


def test_without_a_session_it_has_its_own(visit, drive):
    page = visit("/?obs&bg=00ff00", viewport={"width": 640, "height": 360})
    drive.state(page, "idle")
    for part in (".top", ".side", "#composer", "#dock", "#start", "#caption"):
        assert not page.is_visible(part)
    box = page.locator("#video").bounding_box()
    assert (box["width"], box["height"]) == (640, 360)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 255, 0)"
    assert page.evaluate(MOVES)


def test_it_watches_the_session_on_the_air_and_finds_the_next_one(page, visit, drive):
    view = visit("/?obs&session=current&bg=transparent", viewport={"width": 640, "height": 360})
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    drive.start(page)
    drive.state(view, "watching")
    assert view.evaluate(MOVES)
    page.click("#stop")
    drive.state(view, "off")
    page.click("#start")
    drive.state(view, "watching")
    assert view.evaluate(MOVES)


def test_a_colour_is_made_transparent_and_its_tint_taken_away(page):
    told = page.evaluate(
        """async () => {
          const {keyOut, colourOf} = await import("/static/chroma.js");
          const pixels = new Uint8ClampedArray([0, 255, 0, 255, 20, 235, 25, 255, 210, 160, 140, 255,
            105, 207, 70, 255, 128, 128, 128, 255, 20, 60, 150, 255]);
          keyOut(pixels, [0, 255, 0]);
          return [[...pixels], colourOf("0f0"), colourOf("green"), colourOf("nonsense")];
        }"""
    )
    pixels, short, name, none = told
    rows = [pixels[i : i + 4] for i in range(0, len(pixels), 4)]
    assert rows[0][3] == 0 and rows[1][3] == 0
    assert rows[2] == [210, 160, 140, 255] and rows[4] == [128, 128, 128, 255]
    assert rows[5] == [20, 60, 150, 255]
    half = rows[3]
    assert 0 < half[3] < 255 and half[1] - max(half[0], half[2]) < 30  # no green rim
    assert short == [0, 255, 0] and name == [0, 128, 0] and none is None


def test_the_keyed_view_draws_to_a_transparent_canvas(visit):
    page = visit("/?obs&key=00ff00", viewport={"width": 384, "height": 384})
    page.wait_for_function("document.getElementById('keyed')?.width === 384")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert not page.is_visible("#video")


def pixels(page) -> np.ndarray:
    """What OBS would get: uint8 [H, W, 4], RGB and alpha."""
    with Image.open(io.BytesIO(page.screenshot(omit_background=True))) as shot:
        return np.asarray(shot.convert("RGBA"), np.uint8)


def test_what_obs_gets_is_clear_beside_the_picture_and_solid_in_it(visit, drive):
    page = visit("/?obs&own&bg=transparent", viewport={"width": 640, "height": 360})
    drive.state(page, "idle")
    assert page.evaluate(MOVES)
    shot = pixels(page)
    assert (shot[:, :100, 3] == 0).all() and (shot[:, -100:, 3] == 0).all()
    assert (shot[20:-20, 200:-200, 3] == 255).all()


def test_what_obs_gets_has_the_colour_that_was_asked_for(visit, drive):
    page = visit("/?obs&own&bg=0000ff", viewport={"width": 640, "height": 360})
    drive.state(page, "idle")
    assert page.evaluate(MOVES)
    shot = pixels(page)
    assert (shot[:, :100] == (0, 0, 255, 255)).all()
    assert not (shot[150:200, 300:340, :3] == (0, 0, 255)).all()
