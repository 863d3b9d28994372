"""A WHEP player of one's own in Chromium: the page in `examples`, on the server's own origin."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)

VIEWER = Path(__file__).resolve().parents[2] / "examples" / "viewer.html"
HERE = """async (kind) => [...(await pc.getStats()).values()].find(
  (entry) => entry.type === "inbound-rtp" && entry.kind === kind)"""
SEEN = f"async () => (await ({HERE})('video'))?.framesDecoded > 20"
HEARD = f"async () => (await ({HERE})('audio'))?.totalAudioEnergy > 0.0005"


@pytest.fixture
def view(visit, browser, url):
    """Opens the example as if it lay on the server."""
    context = browser.new_context()

    def open_it():
        page = context.new_page()
        text = VIEWER.read_text().replace("const pc =", "const pc = window.pc =")
        # A page that the server itself sends: a made-up answer would not count as one from this machine.
        page.goto(f"{url}/health")
        page.set_content(text, wait_until="domcontentloaded")
        return page

    yield open_it
    context.close()


def test_it_shows_and_captions_the_face_on_the_air(page, drive, view):
    drive.start(page)
    viewer = view()
    viewer.wait_for_function(SEEN)
    drive.say(page, "A sentence that viewers hear, too, and long enough to be read.")
    viewer.wait_for_function("document.getElementById('words').textContent.startsWith('A sentence')")
    viewer.wait_for_function(HEARD)
    assert viewer.evaluate("document.getElementById('video').videoWidth") == 384
    told = page.evaluate("fetch('/api/sessions/current').then(answer => answer.json())")
    assert told["viewers"] == 1


def test_it_says_when_nobody_is_on_the_air(view):
    viewer = view()
    viewer.wait_for_function("document.getElementById('words').textContent.includes('no such session')")
