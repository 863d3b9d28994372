"""Assistant mode whole: the user is heard, understood and answered; an interruption cuts everything."""

from __future__ import annotations

import asyncio
import fractions
import time
from dataclasses import replace

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import AudioFrame

from server.endpoints import Endpoint
from server.settings import ServerSettings, ServiceSettings


class SpokenTo(MediaStreamTrack):
    """A microphone: silence (a little noise) until `speak_s` is set, then so long a hum."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.monotonic()
        self._packet = 0
        self.speak_s = 0.0

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(max(0.0, self._begin + self._packet * 0.02 - time.monotonic()))
        at = np.arange(self._packet * 960, (self._packet + 1) * 960) / 48_000
        loud = 9000 if self.speak_s > 0 else 20
        self.speak_s -= 0.02
        wave = (np.sin(2 * np.pi * 300 * at) * loud).astype(np.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, self._packet * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        self._packet += 1
        return frame


class LoudIsSpeech:
    """Stands in for the network that tells speech."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    def reset(self, ear: int) -> None:
        assert 0 <= ear < self.capacity

    def step(self, ear: int, hop: np.ndarray) -> float:
        return float(np.abs(hop).mean() > 0.05)


@pytest.fixture
def settings(settings: ServerSettings, service) -> ServerSettings:
    endpoint = Endpoint(service.url, "small")
    return replace(settings, services=ServiceSettings(chat=endpoint, asr=endpoint))


async def talking(running, viewer, **offer):
    """A viewer with a microphone, heard by a stand-in."""
    running.hub.hearing._load = LoudIsSpeech
    microphone = SpokenTo()
    seen = await viewer(microphone=microphone, offer=offer)
    await seen.until(lambda v: v.pictures)
    await asyncio.sleep(1.2)  # ears need to know the room first
    return seen, microphone


def told(seen, kind: str) -> list[dict]:
    return [m for m in seen.told if m["type"] == kind]


async def test_the_user_is_heard_understood_and_answered(running, viewer, service):
    seen, microphone = await talking(running, viewer)
    microphone.speak_s = 0.8
    await seen.until(lambda v: "reply" in v.kinds() and told(v, "reply")[-1]["complete"])
    kinds = seen.kinds()
    order = ["user_speaking_started", "user_speaking_stopped", "transcript", "reply"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert told(seen, "user_speaking_stopped")[0]["duration_s"] == pytest.approx(0.8, abs=0.3)
    assert told(seen, "transcript")[0]["text"] == service.heard
    assert told(seen, "reply")[-1]["text"] == service.reply
    await seen.until(lambda v: len(told(v, "caption")) == 3)
    assert next(m["text"] for m in told(seen, "caption")) == "That is easy."
    states = [m["state"] for m in told(seen, "attention")]
    assert states[:3] == ["listening", "thinking", "speaking"]
    chat = next(asked for asked in service.asked if "messages" in asked)
    assert [turn["role"] for turn in chat["messages"]] == ["system", "user"]
    assert chat["stream"] is True and chat["model"] == "small"


async def test_a_voice_interrupts_and_the_history_holds_what_was_heard(running, viewer, service):
    seen, microphone = await talking(running, viewer)
    await running.http.post(f"/api/sessions/{seen.id}/ask", json={"text": "why"})
    await seen.until(lambda v: len(told(v, "caption")) >= 2)
    service.reply = "Fine."
    microphone.speak_s = 0.6
    await seen.until(lambda v: told(v, "interrupted"))
    interrupted = told(seen, "interrupted")[0]
    assert interrupted["by"] == "voice" and not interrupted["resumable"]
    assert interrupted["heard"].startswith("That is easy.") and interrupted["rest"]
    await seen.until(lambda v: any(m["text"] == "Fine." for m in told(v, "caption")))
    last = [asked for asked in service.asked if "messages" in asked][-1]["messages"]
    assert [turn["role"] for turn in last] == ["system", "user", "assistant", "user"]
    assert last[2]["content"] == interrupted["heard"] + " ..."


async def test_an_interruption_stops_a_model_that_is_still_writing(running, viewer, service):
    service.delay_s, service.reply = 0.05, "One sentence. " * 50
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await running.http.post(f"/api/sessions/{seen.id}/ask", json={"text": "talk"})
    await seen.until(lambda v: told(v, "reply"))
    await running.http.post(f"/api/sessions/{seen.id}/interrupt")
    await seen.until(lambda v: told(v, "interrupted"))
    async with asyncio.timeout(5):
        while not service.broken_off:
            await asyncio.sleep(0.02)
    written = len(told(seen, "reply"))
    await asyncio.sleep(0.5)
    assert len(told(seen, "reply")) == written


async def test_a_model_that_is_away_is_told_and_the_face_stays(running, viewer, service):
    service.status = 500
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    answer = await running.http.post(f"/api/sessions/{seen.id}/ask", json={"text": "hello"})
    assert answer.status_code == 202
    await seen.until(lambda v: told(v, "error"))
    assert "model not loaded" in told(seen, "error")[0]["message"]
    count = len(seen.pictures)
    await seen.until(lambda v: len(v.pictures) > count + 5)
    service.status = 200
    await running.http.post(f"/api/sessions/{seen.id}/ask", json={"text": "again"})
    await seen.until(lambda v: told(v, "caption"))


async def test_a_cough_lets_the_face_go_on_where_it_was(running, viewer, service):
    service.heard = ""
    seen, microphone = await talking(running, viewer, voice_interrupt="resume")
    text = "A b c. D e f g h i j k l m."
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": text})
    await seen.until(lambda v: len(told(v, "caption")) == 2, 30)
    microphone.speak_s = 0.5
    await seen.until(lambda v: told(v, "interrupted"))
    assert told(seen, "interrupted")[0]["resumable"]
    await seen.until(lambda v: len(told(v, "caption")) == 3)
    assert told(seen, "caption")[-1]["text"] == "D e f g h i j k l m."


async def test_a_voice_that_may_not_interrupt_does_not(running, viewer):
    seen, microphone = await talking(running, viewer, voice_interrupt="off")
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "a b c"})
    await seen.until(lambda v: told(v, "caption"))
    microphone.speak_s = 0.6
    await seen.until(lambda v: told(v, "speaking_finished"))
    assert not told(seen, "interrupted")


async def test_an_interruption_keeps_the_rest_when_told_so(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    url = f"/api/sessions/{seen.id}"
    assert (await running.http.post(f"{url}/resume")).status_code == 409
    await running.http.post(f"{url}/say", json={"text": "one. two. three."})
    await running.http.post(f"{url}/say", json={"text": "four."})
    await seen.until(lambda v: len(told(v, "caption")) == 2)
    answer = await running.http.post(f"{url}/interrupt", json={"resume": True})
    assert answer.json()["kept"] == 2
    await seen.until(lambda v: told(v, "interrupted"))
    assert told(seen, "interrupted")[0]["rest"] == "two. three. four."
    assert (await running.http.get(url)).json()["kept_texts"] == 2
    assert (await running.http.post(f"{url}/resume")).status_code == 202
    await seen.until(lambda v: len(told(v, "caption")) == 5)
    assert [m["text"] for m in told(seen, "caption")] == ["one.", "two.", "two.", "three.", "four."]


async def test_captions_lie_where_their_sound_is(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "one two. three. four."})
    await seen.until(lambda v: told(v, "speaking_finished"))
    # The stand-in's voice hums one second for each word.
    assert [m["position_s"] for m in told(seen, "caption")] == pytest.approx([0, 2, 3], abs=0.05)
    starts = [m["at_s"] for m in told(seen, "caption")]
    assert np.diff(starts) == pytest.approx([2, 1], abs=0.05)
