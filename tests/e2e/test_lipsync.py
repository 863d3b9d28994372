"""Sound and picture wait in the browser only as long as they have to, and together."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(120)

# A browser as measured: sound moves by at most 27 ms a reading, a picture waits longer at once.
PLAY = """async ([late_ms, losses, readings]) => {
  const {Lipsync} = await import("/static/lipsync.js");
  const lipsync = new Lipsync();
  const lost = new Set(losses), told = [];
  let sound_ms = 45;
  for (let i = 0; i < readings; i++) {
    const waits = lipsync.waits;
    sound_ms += Math.max(-27, Math.min(27, Math.max(45, waits.audio) - sound_ms));
    const skew_now_ms = late_ms + Math.max(10, waits.video) - sound_ms + (i % 3 - 1) * 4;
    const next = lipsync.update({skew_now_ms, lost_now: lost.has(i) ? 1 : 0});
    told.push({...next, skew_ms: skew_now_ms});
  }
  return told;
}"""


def play(page, late_ms: float, losses: list[int] | None = None, readings: int = 80):
    return page.evaluate(PLAY, [late_ms, losses or [], readings])


def test_on_a_good_network_both_wait_little(page):
    told = play(page, 0)
    assert told[-1]["audio"] <= 40 and told[-1]["video"] <= 60
    assert all(abs(each["skew_ms"]) < 45 for each in told[2:])


def test_a_server_whose_pictures_are_late_is_waited_for_within_ten_seconds(page):
    told = play(page, 400)
    assert all(abs(each["skew_ms"]) < 45 for each in told[24:])
    assert 300 < told[-1]["audio"] < 450 and told[-1]["video"] <= 60


def test_pictures_that_are_in_time_again_are_shown_in_time(page):
    told = page.evaluate(
        """async () => {
          const {Lipsync} = await import("/static/lipsync.js");
          const lipsync = new Lipsync();
          const read = (late_ms) => {
            const {audio, video} = lipsync.waits;
            lipsync.update({skew_now_ms: late_ms + video - audio, lost_now: 0});
          };
          for (let i = 0; i < 60; i++) read(400);
          for (let i = 0; i < 60; i++) read(0);
          return lipsync.waits;
        }"""
    )
    assert told["audio"] <= 60 and told["video"] <= 60


def test_losses_let_both_wait_longer_and_alike_and_calm_brings_them_back(page):
    told = play(page, 0, losses=list(range(5, 45)), readings=140)
    rough = told[44]
    assert rough["audio"] >= 150 and rough["video"] >= 150
    assert told[-1]["audio"] <= 40


def test_one_loss_is_soon_forgotten(page):
    told = play(page, 0, losses=[10], readings=60)
    assert max(each["audio"] for each in told) <= 80
    assert told[-1]["audio"] <= 40


def test_the_page_asks_for_packets_of_10_ms_and_lets_little_wait(page, drive):
    drive.start(page)
    page.click('#modes [data-mode="streamer"]')

    page.wait_for_selector('#mic[aria-pressed="true"]')
    told = page.evaluate(
        """async () => {
          const pc = sonicStream.live.connection.pc;
          const sent = async () => [...(await pc.getStats()).values()]
            .find((entry) => entry.type === "outbound-rtp" && entry.kind === "audio");
          const before = await sent();
          await new Promise((done) => setTimeout(done, 1500));
          const after = await sent();
          const packets = after.packetsSent - before.packetsSent;
          const targets = pc.getReceivers().map((receiver) => receiver.jitterBufferTarget);
          return {rate: packets * 1000 / (after.timestamp - before.timestamp), targets};
        }"""
    )
    assert 80 < told["rate"] < 110
    assert all(0 < target < 400 for target in told["targets"])
