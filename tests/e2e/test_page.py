"""The page in a real browser: a face is started, speaks, changes and stops.

Judged by order, counts and media time, never by how fast this machine happens to be.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)
LONG = "One two three four five six seven eight nine ten. " * 8


def test_the_page_offers_portraits_voices_moods_and_a_start(page, url):
    assert page.title() == "Sonic Stream"
    assert page.locator(".portrait[role=radio]").count() == 2
    assert page.locator('.portrait[aria-checked="true"]').count() == 1
    assert page.locator("#voice option").count() >= 5
    assert page.locator("#mood button").count() == 6
    assert page.is_visible("#start") and not page.is_visible("#dock")
    page.wait_for_function("document.getElementById('still').naturalWidth > 0")
    assert page.hosts == {url.split("/")[2]}  # nothing from anywhere else


def test_start_shows_moving_pictures_with_gauges_and_stop_ends_them(page, url, drive):
    drive.start(page)
    page.wait_for_function("seen.codes.length >= 40")
    codes = drive.seen(page)["codes"]
    assert all(a <= b for a, b in pairwise(codes))
    assert len(set(codes)) > 0.5 * (codes[-1] - codes[0])  # most of them arrive even on a busy machine
    page.wait_for_function("Number(document.querySelector('#badge-fps b').textContent) > 5")
    page.wait_for_function("document.getElementById('badge-sync').dataset.verdict")
    assert not page.is_visible("#latency-card")
    page.focus("#badge-latency")
    page.wait_for_selector("#latency-card", state="visible")
    assert "reaching the server" in page.inner_text("#latency-words")
    page.hover("#badge-sync")
    page.wait_for_selector("#sync-card", state="visible")
    page.click("#stop")
    drive.state(page, "off")
    drive.until_free(url)
    page.wait_for_selector("#start", state="visible")


def test_text_is_spoken_and_captioned(page, drive):
    drive.start(page)
    drive.say(page, "Hello, this is a test of the voice.")
    page.wait_for_function("seen.loud > 5")
    page.wait_for_function("document.getElementById('caption').textContent.includes('this is a test')")
    drive.state(page, "idle")
    assert page.input_value("#text") == ""
    page.keyboard.press("Escape")  # nothing to interrupt: nothing happens
    assert page.locator(".toast").count() == 0


def test_escape_silences_and_the_rest_can_be_said_later(page, drive):
    drive.start(page)
    drive.say(page, LONG)
    page.wait_for_function("seen.loud > 3")
    page.focus("#mute")
    page.keyboard.press("Escape")
    drive.state(page, "idle")
    page.wait_for_selector("#resume", state="visible")
    page.evaluate("setTimeout(() => { seen.loud = seen.quiet = 0 }, 400)")
    page.wait_for_timeout(500)
    page.wait_for_function("seen.quiet > 15")
    assert drive.seen(page)["loud"] == 0
    page.click("#resume")
    drive.state(page, "speaking")
    page.wait_for_selector("#resume", state="hidden")
    page.keyboard.press("Escape")


def test_mood_and_movement_reach_the_face_while_it_speaks(page, drive):
    drive.start(page)
    drive.say(page, LONG)
    page.focus("#mute")
    with page.expect_response(lambda r: r.url.endswith("/controls")) as caught:
        page.keyboard.press("2")
    assert caught.value.json()["mood"] == "happy"
    with page.expect_response(lambda r: r.url.endswith("/controls")) as caught:
        page.focus("#mood_amount")
        page.keyboard.press("ArrowLeft")
    assert caught.value.json()["mood_amount"] == 0.95
    assert page.inner_text('[data-control="mood_amount"] output') == "0.95"
    with page.expect_response(lambda r: r.url.endswith("/controls")):
        page.focus("#motion_scale")
        page.keyboard.press("Home")
    assert drive.controls(page)["motion_scale"] == 0
    page.click("#reset")
    page.wait_for_function("document.getElementById('motion_scale').value == 1")
    assert page.get_attribute('[data-mood="happy"]', "aria-checked") == "true"


def test_a_portrait_is_chosen_uploaded_dropped_and_pasted_while_it_runs(page, drive, tmp_path):
    from PIL import Image

    drive.start(page)
    page.click('.portrait[data-id="ben"]')
    drive.state(page, "idle")
    file = tmp_path / "me.png"
    Image.new("RGB", (200, 200), (90, 160, 120)).save(file)
    page.set_input_files("#file", str(file))
    page.wait_for_selector('.portrait[title="me"][aria-checked="true"]')
    assert "stand-in" in page.inner_text("#advice")
    drive.state(page, "idle")
    give = """([kind, name, colour]) => new Promise((done) => {
      const paper = new OffscreenCanvas(64, 64);
      const context = paper.getContext("2d");
      context.fillStyle = colour;
      context.fillRect(0, 0, 64, 64);
      paper.convertToBlob({type: "image/png"}).then((blob) => {
        const data = new DataTransfer();
        data.items.add(new File([blob], name, {type: "image/png"}));
        const how = {bubbles: true, cancelable: true};
        document.body.dispatchEvent(kind === "paste"
          ? new ClipboardEvent("paste", {clipboardData: data, ...how})
          : new DragEvent("drop", {dataTransfer: data, ...how}));
        done();
      });
    })"""
    for kind, name, colour in (("drop", "dropped", "#345"), ("paste", "pasted", "#543")):
        page.evaluate(give, [kind, f"{name}.png", colour])
        page.wait_for_selector(f'.portrait[title="{name}"][aria-checked="true"]')
    drive.state(page, "idle")
    page.hover('.portrait[title="dropped"]')
    page.click('.remove[title="Remove dropped"]')
    page.wait_for_selector('.portrait[title="dropped"]', state="detached")
    assert page.get_attribute('.portrait[title="pasted"]', "aria-checked") == "true"
    page.focus('.portrait[title="pasted"]')
    page.keyboard.press("Delete")
    page.wait_for_selector('.portrait[title="pasted"]', state="detached")
    page.wait_for_selector('.portrait[data-id="anna"][aria-checked="true"]')
    drive.state(page, "idle")
    wrong = tmp_path / "notes.png"
    wrong.write_text("not a picture")
    page.set_input_files("#file", str(wrong))
    page.wait_for_selector(".toast.bad")
    assert "not a picture" in page.inner_text(".toast.bad")


def test_a_recording_is_downloaded(page, drive, tmp_path):
    drive.start(page)
    page.click("#record")
    page.wait_for_selector("#recording", state="visible")
    page.wait_for_function("document.querySelector('#recording span').textContent >= '0:02'")
    with page.expect_download() as caught:
        page.click("#record")
    file = tmp_path / caught.value.suggested_filename
    caught.value.save_as(file)
    assert file.suffix in (".mp4", ".webm") and file.stat().st_size > 5_000
    import av

    with av.open(str(file)) as container:
        kinds = {stream.type for stream in container.streams}
        pictures = sum(1 for _ in container.decode(video=0))
    assert kinds == {"audio", "video"} and pictures >= 10


def test_leaving_the_page_frees_the_place(page, url, drive):
    page.click("#start")
    drive.state(page, "idle")
    page.goto("about:blank")
    drive.until_free(url)


def test_the_page_fits_a_phone(visit, drive):
    page = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    drive.start(page)
    dock = page.locator("#dock").bounding_box()
    assert dock["x"] >= 0 and dock["x"] + dock["width"] <= 360
    for part in ("#stop", "#mic", "#hush", "#badge-latency"):
        assert page.is_visible(part)
    small = page.evaluate(
        """[...document.querySelectorAll("#dock button")].filter((b) => b.offsetWidth)
          .map((b) => Math.min(b.offsetWidth, b.offsetHeight)).sort((a, b) => a - b)[0]"""
    )
    assert small >= 40  # a finger's width


def test_everything_has_a_name_and_the_keyboard_reaches_it(page):
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea, [role=radiogroup], video")]
          .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
            || e.labels?.length || e.textContent.trim())).map((e) => e.id || e.outerHTML)"""
    )
    assert nameless == []
    reached = []
    for _ in range(22):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or reached[-1] in ("text", "")
    for part in ("start", "text", "voice", "upload", "dynamic_scale", "microphone", "ptt"):
        assert part in reached


def test_light_and_dark_follow_the_system_or_the_button(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    page = visit(color_scheme="light")
    light = page.evaluate(ground)
    page.click("#theme")
    dark = page.evaluate(ground)
    assert sum(map(int, light[4:-1].split(","))) > 600 > 100 > sum(map(int, dark[4:-1].split(",")))
    page.reload()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert page.evaluate(ground) == dark


def bundled_portrait() -> Path | None:
    folder = Path(__file__).resolve().parents[2] / "sonic_stream" / "assets" / "portraits"
    kinds = {".png", ".jpg", ".jpeg", ".webp"}
    return next((p for p in sorted(folder.glob("*")) if p.suffix in kinds), None) if folder.is_dir() else None


@pytest.mark.skipif(bundled_portrait() is None, reason="no portrait is bundled")
def test_the_real_face_speaks(visit, drive):
    server = drive.Server("sonic_stream", "serve")
    server.begin(90)
    try:
        page = visit(at=server.url)
        page.set_default_timeout(40_000)
        page.click("#start")
        drive.state(page, "idle")
        drive.say(page, "Hello, I can speak.")
        # A face, not a plain colour: the picture has many different values.
        spread = page.evaluate(
            """() => { const v = document.getElementById("video");
              const c = new OffscreenCanvas(64, 64).getContext("2d"); c.drawImage(v, 0, 0, 64, 64);
              const d = [...c.getImageData(0, 0, 64, 64).data].filter((_, i) => i % 4 === 1);
              const m = d.reduce((a, b) => a + b) / d.length;
              return Math.sqrt(d.reduce((a, b) => a + (b - m) ** 2, 0) / d.length) }"""
        )
        assert spread > 15
        drive.state(page, "idle")
        page.click("#stop")
        drive.until_free(server.url)
    finally:
        server.end()
