"""The user's voice, its devices, and what the page says and does when something fails."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(120)

ENABLED = "sonicStream.live.microphone.track.enabled"
DENIED = """navigator.mediaDevices.getUserMedia = () =>
  Promise.reject(new DOMException("no", "NotAllowedError"));"""
INSECURE = 'Object.defineProperty(navigator, "mediaDevices", {value: undefined});'
NO_UDP = """const given = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (told) {
    return given.call(this, {type: told.type, sdp: told.sdp.replace(/a=candidate.*\\r\\n/g, "")});
  };"""


def toast(page) -> str:
    page.wait_for_selector(".toast.bad")
    return page.inner_text(".toast.bad p")


def test_in_streamer_mode_the_microphone_drives_the_face(page, drive):
    page.click('#modes [data-mode="streamer"]')
    assert page.is_visible("#voicebar") and not page.is_visible("#composer")
    drive.start(page)  # the microphone comes with it
    page.wait_for_selector('#mic[aria-pressed="true"]')
    assert "headphones" in page.inner_text("#hint")
    drive.state(page, "speaking")
    page.wait_for_function("seen.loud > 8")
    page.wait_for_function("Number(document.getElementById('level').ariaValueNow) > 20")
    page.click("#mic")
    page.wait_for_selector('#mic[aria-pressed="false"]')
    drive.state(page, "idle")
    page.click('#modes [data-mode="assistant"]')
    assert page.is_visible("#composer")
    page.reload()
    page.wait_for_selector('body[data-mode="assistant"]')


def test_in_assistant_mode_the_microphone_does_not_speak(page, drive):
    drive.start(page)
    page.keyboard.press("m")
    page.wait_for_selector('#mic[aria-pressed="true"]')
    page.wait_for_function("Number(document.getElementById('level').ariaValueNow) > 20")
    page.wait_for_function("seen.quiet > 20")
    assert drive.seen(page)["loud"] == 0
    page.select_option("#voice_interrupt", "resume")
    page.wait_for_function(
        """async () => (await (await fetch(`/api/sessions/${sonicStream.live.session}`)).json())
          .voice_interrupt === "resume" """
    )


def test_push_to_talk_is_heard_only_while_space_is_held(page, drive):
    page.check("#ptt")
    drive.start(page)
    page.click("#mic")
    page.wait_for_selector("#mic.resting")
    assert page.evaluate(ENABLED) is False
    page.keyboard.down(" ")
    page.wait_for_function(ENABLED)
    assert page.get_attribute("#mic", "aria-pressed") == "true"  # the focused button was not pressed
    page.keyboard.up(" ")
    page.wait_for_function(f"!{ENABLED}")
    page.fill("#text", "")
    page.type("#text", "a b")
    assert page.input_value("#text") == "a b" and page.evaluate(ENABLED) is False


def test_devices_can_be_chosen_and_are_remembered(page):
    page.click("#mic", force=True) if page.is_visible("#mic") else page.keyboard.press("m")
    page.wait_for_function("document.querySelectorAll('#microphone option').length > 1")
    second = page.evaluate("document.querySelectorAll('#microphone option')[1].value")
    page.select_option("#microphone", second)
    page.wait_for_function(
        "id => sonicStream.live.microphone.track?.getSettings().deviceId === id", arg=second
    )
    speaker = page.evaluate("document.querySelector('#speaker option:last-child').value")
    page.select_option("#speaker", speaker)
    page.wait_for_function("id => document.getElementById('video').sinkId === id", arg=speaker)
    page.reload()
    page.wait_for_function("id => document.getElementById('microphone').value === id", arg=second)


@pytest.mark.parametrize(("script", "words"), [(DENIED, "Allow it"), (INSECURE, "https://")])
def test_a_microphone_that_cannot_be_had_is_told_in_words(visit, drive, script, words):
    page = visit(script=script)
    drive.start(page)
    page.click("#mic")
    assert words in toast(page)
    assert page.get_attribute("#mic", "aria-pressed") == "false"
    drive.state(page, "idle")  # the face stays on the air


def test_a_network_without_udp_is_told_in_words(visit, drive, url):
    page = visit(script=NO_UDP)
    page.click("#start")
    assert "UDP" in toast(page)
    drive.state(page, "off")
    drive.until_free(url)


def test_a_second_visitor_is_told_in_words(page, visit, drive):
    drive.start(page)
    other = visit()
    other.click("#start")
    assert "taken" in toast(other)
    assert other.is_visible("#start")
    page.wait_for_function("count => seen.codes.length > count + 10", arg=len(drive.seen(page)["codes"]))


def test_a_session_that_was_ended_on_the_server_is_told_and_not_begun_again(page, drive):
    drive.start(page)
    page.evaluate("fetch(`/api/sessions/${sonicStream.live.session}`, {method: 'DELETE'})")
    drive.state(page, "off")
    assert "ended" in toast(page)


def test_a_restarted_server_gets_its_visitor_back_with_everything_set(visit, drive, tmp_path):
    from PIL import Image

    server = drive.Server("server.standin")
    server.begin(60)
    try:
        page = visit(at=server.url)
        file = tmp_path / "me.png"
        Image.new("RGB", (99, 99), (10, 160, 120)).save(file)
        page.set_input_files("#file", str(file))  # the restarted server has never seen it
        page.wait_for_selector('.portrait[title="me"][aria-checked="true"]')
        drive.start(page)
        page.click('[data-mood="sad"]')
        server.end(kill=True)
        drive.state(page, "reconnecting")
        assert page.is_visible("#waiting") and page.is_visible("#give-up")
        server.begin(60)
        drive.state(page, "idle")
        assert drive.controls(page)["mood"] == "sad"
        assert page.get_attribute('.portrait[title="me"]', "aria-checked") == "true"
        drive.say(page, "I am back.")
        server.end()  # a polite farewell this time
        drive.state(page, "reconnecting")
        page.click("#give-up")
        drive.state(page, "off")
    finally:
        if server.process is not None and server.process.poll() is None:
            server.end(kill=True)
