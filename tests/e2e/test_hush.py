"""After an interruption the page is silent at once, and hears the next words."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(120)

NOTE = """() => {
  window.turns = [];
  const [track] = document.querySelector("video").srcObject.getAudioTracks();
  let was = track.enabled;
  setInterval(() => {
    if (track.enabled !== was) turns.push((was = track.enabled));
  }, 5);
}"""


def test_an_interruption_turns_the_sound_off_and_on_again(page, drive):
    drive.start(page)
    page.evaluate(NOTE)
    drive.say(page, "A sentence that is long enough to be interrupted before it has come to its end.")
    page.wait_for_function("seen.loud > 2")
    page.keyboard.press("Escape")
    page.wait_for_function("turns.length === 2")
    assert page.evaluate("turns") == [False, True]
    loud = drive.seen(page)["loud"]
    drive.state(page, "idle")
    drive.say(page, "And the next one is heard.")
    page.wait_for_function(f"seen.loud > {loud} + 2")
