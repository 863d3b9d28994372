"""A real browser before a server with stand-ins for engine and face."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.chromium import CHROMIUM, FLAGS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

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


class Server:
    """A server in a process of its own, on a port of its own."""

    def __init__(self, *command: str) -> None:
        self.command = command
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = int(listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, patience_s: float) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", *self.command, "--port", str(self.port)])
        deadline = time.monotonic() + patience_s
        while True:
            try:
                if health(self.url)["status"] == "ok":
                    return
            except (urllib.error.URLError, OSError):
                pass
            assert self.process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.1)

    def end(self, kill: bool = False) -> None:
        assert self.process is not None
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(15)


def health(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
        told: dict[str, object] = json.load(answer)
        return told


class Drive:
    """What tests do with pages and servers."""

    Server = Server

    def state(self, page, *wanted: str) -> None:
        page.wait_for_function("wanted => wanted.includes(document.body.dataset.state)", arg=list(wanted))

    def start(self, page) -> None:
        page.click("#start")
        self.state(page, "idle", "speaking")
        page.evaluate(WATCH)

    def seen(self, page) -> dict[str, object]:
        return page.evaluate("seen")

    def say(self, page, text: str) -> None:
        page.fill("#text", text)
        page.press("#text", "Enter")
        self.state(page, "speaking")

    def controls(self, page) -> dict[str, object]:
        """As the server has them."""
        return page.evaluate(
            """async () => (await fetch(`/api/sessions/${sonicStream.live.session}/controls`, {method: "POST",
              headers: {"Content-Type": "application/json"}, body: "{}"})).json()"""
        )

    def until_free(self, url: str, patience_s: float = 10) -> None:
        deadline = time.monotonic() + patience_s
        while health(url)["sessions"]:
            assert time.monotonic() < deadline, "the session was not freed"
            time.sleep(0.05)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser, server and test share a machine's cores: one that ran out of time may try once more, and the
    report says that it did."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def drive() -> Drive:
    return Drive()


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    server = Server("server.standin")
    server.begin(60)
    yield server.url
    server.end()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    """Chromium whose microphone hears a 300 Hz tone, half a second on, half a second off.

    Playwright keeps an event loop running in this thread until it ends, so it must end with the module: tests
    of other folders need loops of their own.
    """
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
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
def visit(browser, url, drive):
    """Opens pages, each a visitor of their own: `visit(path, script=..., **context)`. All are closed, their
    sessions free and none had an error of its own at the end."""
    contexts, problems = [], []

    def visit(path: str = "/", script: str = "", at: str = url, **options):
        options.setdefault("viewport", {"width": 1200, "height": 800})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.hosts = set()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
        page.set_default_timeout(20_000)
        if script:
            page.add_init_script(script)
        page.goto(at + path)
        page.wait_for_selector(".portrait img", state="attached")
        page.wait_for_selector("#mood button", state="attached")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not problems
    drive.until_free(url)


@pytest.fixture
def page(visit):
    return visit()
