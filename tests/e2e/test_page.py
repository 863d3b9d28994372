"""The page in a real browser, against a server with stand-ins for engine and face.

Judged by order, counts and media time, never by how fast this machine happens to be.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no Chromium at {CHROMIUM}"),
    pytest.mark.timeout(120),
]

# Reads the number out of every picture and the loudness out of the sound, as they are shown and heard.
WATCH = """() => {
  const seen = window.seen = {codes: [], loud: 0, quiet: 0};
  const video = document.getElementById("video");
  const paper = new OffscreenCanvas(384, 16).getContext("2d", {willReadFrequently: true});
  const look = () => {
    paper.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 24, 0, 0, 384, 16);
    const dots = paper.getImageData(0, 8, 384, 1).data;
    let code = 0;
    for (let bit = 0; bit < 24; bit++) if (dots[(bit * 16 + 8) * 4 + 1] > 127) code |= 1 << bit;
    seen.codes.push(code);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const peak = Math.max(...samples.map(Math.abs));
    if (peak > 0.02) seen.loud++; else seen.quiet++;
  }, 40);
}"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def health(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
        told: dict[str, object] = json.load(answer)
        return told


def served(command: list[str], port: int, patience_s: float) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", *command, "--port", str(port)])
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + patience_s
    while True:
        try:
            if health(url)["status"] == "ok":
                break
        except (urllib.error.URLError, OSError):
            pass
        assert process.poll() is None, "the server ended by itself"
        assert time.monotonic() < deadline, "the server did not come up"
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(15)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    yield from served(["server.standin"], free_port(), 60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """Chromium whose microphone hears a 300 Hz tone, half a second on, half a second off."""
    sound = tmp_path_factory.mktemp("microphone") / "tone.wav"
    at = np.arange(48_000 * 4) / 48_000
    tone = (np.sin(2 * np.pi * 300 * at) * 12_000 * ((at * 2).astype(int) % 2)).astype("<i2")
    with wave.open(str(sound), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(tone.tobytes())
    with playwright.sync_playwright() as engine:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={sound}"]
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, url):
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.problems = []
    page.hosts = set()
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
    page.set_default_timeout(20_000)
    page.goto(url)
    page.wait_for_selector(".portrait img")
    yield page
    page.close()
    assert not page.problems
    wait_until_free(url)


def wait_until_free(url: str, patience_s: float = 10) -> None:
    deadline = time.monotonic() + patience_s
    while health(url)["sessions"]:
        assert time.monotonic() < deadline, "the session was not freed"
        time.sleep(0.05)


def state(page, *wanted: str) -> None:
    page.wait_for_function("wanted => wanted.includes(document.body.dataset.state)", arg=list(wanted))


def start(page) -> None:
    page.click("#start")
    state(page, "idle")
    page.evaluate(WATCH)


def seen(page) -> dict[str, object]:
    return page.evaluate("seen")


def test_the_page_offers_portraits_voices_and_a_start(page, url):
    assert page.title() == "Sonic Stream"
    assert page.locator(".portrait[role=radio]").count() == 2
    assert page.locator('.portrait[aria-checked="true"]').count() == 1
    assert page.locator("#voice option").count() >= 5
    assert page.is_visible("#start") and not page.is_visible("#dock")
    page.wait_for_function("document.getElementById('still').naturalWidth > 0")
    assert page.hosts == {url.split("/")[2]}  # nothing from anywhere else


def test_start_shows_moving_pictures_and_stop_ends_them(page, url):
    start(page)
    page.wait_for_function("seen.codes.length >= 40")
    codes = seen(page)["codes"]
    assert all(a <= b for a, b in pairwise(codes))
    assert len(set(codes)) > 0.5 * (codes[-1] - codes[0])  # most of them arrive even on a busy machine
    page.wait_for_function("Number(document.querySelector('#badge-fps b').textContent) > 5")
    page.wait_for_selector("#start", state="hidden")
    page.click("#stop")
    state(page, "off")
    wait_until_free(url)
    assert page.is_visible("#start")


def test_text_is_spoken_and_captioned(page):
    start(page)
    page.fill("#text", "Hello, this is a test of the voice.")
    page.press("#text", "Enter")
    state(page, "speaking")
    page.wait_for_function("seen.loud > 5")
    assert "this is a test" in page.inner_text("#caption")
    state(page, "idle")
    assert page.input_value("#text") == ""


def test_escape_stops_a_long_text(page):
    start(page)
    page.fill("#text", "One two three four five six seven eight nine ten. " * 8)
    page.click("#speak")
    state(page, "speaking")
    page.wait_for_function("seen.loud > 3")
    page.focus("#mic")
    page.keyboard.press("Escape")
    state(page, "idle")
    page.evaluate("setTimeout(() => { seen.loud = seen.quiet = 0 }, 400)")
    page.wait_for_timeout(500)
    page.wait_for_function("seen.quiet > 15")
    assert seen(page)["loud"] == 0


def test_the_microphone_drives_the_face(page):
    start(page)
    page.click("#mic")
    page.wait_for_selector('#mic[aria-pressed="true"]')
    assert "headphones" in page.inner_text("#hint")
    state(page, "speaking")
    page.wait_for_function("seen.loud > 8")
    page.click("#mic")
    page.wait_for_selector('#mic[aria-pressed="false"]')
    state(page, "idle")


def test_sliders_reach_the_running_face(page, url):
    start(page)
    with page.expect_response(lambda r: r.url.endswith("/controls")) as caught:
        page.evaluate(
            """id => { const slider = document.getElementById(id);
              slider.value = 0.5; slider.dispatchEvent(new Event("input")) }""",
            "motion_scale",
        )
    assert caught.value.json()["motion_scale"] == 0.5
    assert page.inner_text("#motion_scale-out") == "0.5"


def test_a_second_visitor_is_told_in_words(page, browser, url):
    start(page)
    other = browser.new_page()
    other.goto(url)
    other.wait_for_selector(".portrait img")
    other.click("#start")
    other.wait_for_selector(".toast.bad")
    assert "taken" in other.inner_text(".toast")
    assert other.is_visible("#start")
    other.close()
    page.wait_for_function("count => seen.codes.length > count + 10", arg=len(seen(page)["codes"]))


def test_another_portrait_can_be_chosen_and_uploaded_while_it_runs(page, tmp_path):
    from PIL import Image

    start(page)
    page.click('.portrait[data-id="ben"]')
    state(page, "idle")
    file = tmp_path / "me.png"
    Image.new("RGB", (200, 200), (90, 160, 120)).save(file)
    page.set_input_files("#file", str(file))
    page.wait_for_selector('.portrait[title="me"][aria-checked="true"]')
    assert page.is_visible("#advice")
    state(page, "idle")
    wrong = tmp_path / "notes.png"
    wrong.write_text("not a picture")
    page.set_input_files("#file", str(wrong))
    page.wait_for_selector(".toast.bad")
    assert "not a picture" in page.inner_text(".toast.bad")


def test_leaving_the_page_frees_the_place(browser, url):
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(".portrait img")
    page.click("#start")
    state(page, "idle")
    page.goto("about:blank")
    wait_until_free(url)
    page.close()


def test_the_obs_view_is_picture_and_sound_alone(browser, url):
    page = browser.new_page(viewport={"width": 640, "height": 360})
    page.goto(f"{url}/?obs&ground=00ff00")
    state(page, "idle")
    for part in (".top", ".side", "#composer", "#dock", "#start"):
        assert not page.is_visible(part)
    box = page.locator("#video").bounding_box()
    assert (box["width"], box["height"]) == (640, 360)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 255, 0)"
    page.close()
    wait_until_free(url)


def test_the_page_fits_a_phone(browser, url):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(url)
    page.wait_for_selector(".portrait img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    start(page)
    assert page.is_visible("#stop") and page.is_visible("#mic")
    page.close()
    wait_until_free(url)


def bundled_portrait() -> Path | None:
    folder = Path(__file__).resolve().parents[2] / "sonic_stream" / "assets" / "portraits"
    kinds = {".png", ".jpg", ".jpeg", ".webp"}
    return next((p for p in sorted(folder.glob("*")) if p.suffix in kinds), None) if folder.is_dir() else None


@pytest.mark.skipif(bundled_portrait() is None, reason="no portrait is bundled")
def test_the_real_face_speaks(browser):
    for url in served(["sonic_stream", "serve"], free_port(), 90):
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(40_000)
        page.goto(url)
        page.wait_for_selector(".portrait img")
        page.click("#start")
        state(page, "idle")
        page.fill("#text", "Hello, I can speak.")
        page.press("#text", "Enter")
        state(page, "speaking")
        # A face, not a plain colour: the picture has many different values.
        spread = page.evaluate(
            """() => { const v = document.getElementById("video");
              const c = new OffscreenCanvas(64, 64).getContext("2d"); c.drawImage(v, 0, 0, 64, 64);
              const d = [...c.getImageData(0, 0, 64, 64).data].filter((_, i) => i % 4 === 1);
              const m = d.reduce((a, b) => a + b) / d.length;
              return Math.sqrt(d.reduce((a, b) => a + (b - m) ** 2, 0) / d.length) }"""
        )
        assert spread > 15
        state(page, "idle")
        page.close()
        wait_until_free(url)
