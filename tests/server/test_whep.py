"""Others watch a session: several at once, over WHEP, without harm to each other or to the session."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import websockets
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from sonic_stream.engine.fake import read_code

SDP = {"content-type": "application/sdp"}


@dataclass
class Watcher:
    """A WHEP player that reads numbers out of pictures."""

    http: object
    codec: str | None = None
    pictures: list[tuple[int, int]] = field(default_factory=list)
    loud: int = 0
    packets: int = 0

    async def join(self, session: str, **headers: str):
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tasks = []
        self.pc.on("track", lambda track: self.tasks.append(asyncio.create_task(self._read(track))))
        self.pc.addTransceiver("audio", direction="recvonly")
        video = self.pc.addTransceiver("video", direction="recvonly")
        if self.codec:
            known = video.receiver.getCapabilities("video").codecs
            video.setCodecPreferences([c for c in known if c.mimeType.lower() == self.codec])
        await self.pc.setLocalDescription(await self.pc.createOffer())
        self.answer = await self.http.post(
            f"/api/sessions/{session}/whep", content=self.pc.localDescription.sdp, headers=SDP | headers
        )
        if self.answer.status_code == 201:
            await self.pc.setRemoteDescription(RTCSessionDescription(self.answer.text, "answer"))
        return self

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "video":
                data = frame.to_ndarray(format="rgb24")
                self.pictures.append((frame.pts, read_code(data)))
            else:
                self.packets += 1
                self.loud += float(np.abs(frame.to_ndarray().astype(np.float32)).mean()) > 500

    async def until(self, done, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not done():
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.pc.close()


@pytest.fixture
async def watcher(running):
    """Makes players and sends them home."""
    made: list[Watcher] = []

    async def make(session: str = "current", codec: str | None = None, **headers: str) -> Watcher:
        made.append(Watcher(running.http, codec))
        return await made[-1].join(session, **headers)

    yield make
    for each in made:
        await each.stop()


@pytest.mark.parametrize("codec", ["video/vp8", "video/h264"])
async def test_a_viewer_sees_and_hears_what_the_session_shows(running, viewer, watcher, codec):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    other = await watcher(codec=codec)
    assert other.answer.status_code == 201
    assert other.answer.headers["content-type"] == "application/sdp"
    assert other.answer.headers["location"].startswith(f"/api/sessions/{seen.id}/whep/")
    await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "two words"})
    await other.until(lambda: len(other.pictures) > 30 and other.loud > 30)
    numbers = [number for _, number in other.pictures]
    assert numbers == sorted(set(numbers))
    # One of the pictures that both saw is the same picture.
    assert set(numbers) & {number for _, number, _ in seen.pictures}


async def test_several_watch_at_once_and_share_one_encode(running, viewer, watcher):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    others = [await watcher(seen.id) for _ in range(3)]
    for other in others:
        await other.until(lambda other=other: len(other.pictures) > 20)
    face = running.hub.registry.find(seen.id)
    assert len(face.viewers) == 3 and len(face.viewers._pictures) == 1
    assert (await running.http.get(f"/api/sessions/{seen.id}")).json()["viewers"] == 3
    left = await running.http.delete(others[0].answer.headers["location"])
    assert left.status_code == 200
    count = len(others[1].pictures)
    await others[1].until(lambda: len(others[1].pictures) > count + 10)
    for other in others[1:]:
        await running.http.delete(other.answer.headers["location"])
    assert len(face.viewers) == 0 and not face.viewers._pictures and not face.player.pictures.taps
    await seen.until(lambda v: len(v.pictures) > 10)


async def test_a_late_viewer_begins_with_a_whole_picture(running, viewer, watcher):
    seen = await viewer()
    first = await watcher(seen.id)
    await first.until(lambda: len(first.pictures) > 40)
    second = await watcher(seen.id)
    await second.until(lambda: len(second.pictures) > 5)
    numbers = [number for _, number in second.pictures]
    assert numbers == sorted(set(numbers))


async def test_viewers_go_with_the_session(running, viewer, watcher):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    other = await watcher(seen.id)
    await other.until(lambda: other.pictures)
    await running.http.delete(f"/api/sessions/{seen.id}")
    await other.until(lambda: other.pc.connectionState == "closed", 10)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"viewers", "viewer-leaves", "report", "texts"}
    assert (await running.http.delete(other.answer.headers["location"])).status_code == 404


async def test_candidates_may_trickle_and_restarts_may_not(running, viewer, watcher):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    other = await watcher(seen.id)
    url, kind = other.answer.headers["location"], {"content-type": "application/trickle-ice-sdpfrag"}
    candidate = "a=mid:0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\n"

    async def patch(body: str, **more: str):
        return await running.http.patch(url, content=body, headers=kind | more)

    assert (await patch(candidate)).status_code == 204
    assert (await patch(candidate, **{"if-match": '"other"'})).status_code == 412
    assert (await patch("a=ice-ufrag:new\r\na=ice-pwd:x\r\n" + candidate)).status_code == 501
    assert (await patch("a=candidate:nonsense")).status_code == 422
    assert (await running.http.patch(url, content=candidate)).status_code == 415
    assert (await running.http.patch(url[:-1] + "_", content=candidate, headers=kind)).status_code == 404
    await other.until(lambda: other.pictures)


async def test_what_whep_refuses(running, viewer):
    post = running.http.post
    answer = await post("/api/sessions/current/whep", content="v=0", headers=SDP)
    assert answer.status_code == 404 and "no such session" in answer.json()["error"]["message"]
    seen = await viewer()
    url = f"/api/sessions/{seen.id}/whep"
    assert (await post(url, content="v=0", headers=SDP)).status_code == 422
    assert (await post(url, content="m=video nonsense", headers=SDP)).status_code == 422
    assert (await post(url, content=b"m=video \xff", headers=SDP)).status_code == 422
    assert (await post(url, json={"sdp": "x"})).status_code == 415
    assert (await running.http.put(url)).status_code == 405
    options = await running.http.options(url)
    assert options.status_code == 204 and options.headers["accept-post"] == "application/sdp"
    assert len(running.hub.registry.find(seen.id).viewers) == 0


async def test_a_viewer_that_vanished_frees_its_place(running, viewer, watcher, monkeypatch):
    monkeypatch.setattr("server.viewers.SILENT_S", 3.0)
    monkeypatch.setattr("server.viewers.CHECK_EVERY_S", 0.2)
    seen = await viewer()
    gone, stays = await watcher(seen.id), await watcher(seen.id)
    for other in (gone, stays):
        await other.until(lambda other=other: other.pictures)

    async def say_nothing(_: object) -> None:
        return

    for transceiver in gone.pc.getTransceivers():
        transceiver.receiver._send_rtcp = say_nothing
        transceiver.sender._send_rtcp = say_nothing
    viewers = running.hub.registry.find(seen.id).viewers
    await stays.until(lambda: len(viewers) == 1)
    count = len(stays.pictures)
    await stays.until(lambda: len(stays.pictures) > count + 50)
    assert len(viewers) == 1 and not viewers.seen_s.keys() - viewers._peers.keys()


async def test_only_so_many_may_watch(running, viewer, watcher):
    seen = await viewer()
    running.hub.registry.find(seen.id).viewers._limit = 1
    assert (await watcher(seen.id)).answer.status_code == 201
    assert (await watcher(seen.id)).answer.status_code == 503


async def test_listeners_get_events_statistics_and_mouth_shapes(running, viewer):
    seen = await viewer()
    await seen.until(lambda v: v.pictures)
    base = f"ws://127.0.0.1:{running.port}/api/sessions/current/events"
    async with websockets.connect(base + "?mouth=1") as all_of_it, websockets.connect(base) as plain:
        await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "two words"})
        told = {"?mouth=1": [], "": []}
        for socket, name in ((all_of_it, "?mouth=1"), (plain, "")):
            while not told[name] or told[name][-1]["type"] != "speaking_finished":
                told[name].append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    for messages in told.values():
        kinds = [m["type"] for m in messages]
        assert {"stats", "speaking_started", "caption", "attention"} <= set(kinds)
    mouths = [m for m in told["?mouth=1"] if m["type"] == "mouth"]
    assert mouths and not [m for m in told[""] if m["type"] == "mouth"]
    started = next(m for m in told["?mouth=1"] if m["type"] == "speaking_started")
    # The stand-in's mouth opens with the first sound.
    assert mouths[0]["shape"] == "open" and mouths[0]["at_s"] == pytest.approx(started["at_s"], abs=0.1)
    stats = [m for m in told[""] if m["type"] == "stats"][-1]
    assert abs(stats["skew_ms"]) < 200 and stats["attention"] in ("idle", "speaking")


async def test_a_listener_to_nobody_is_told_so(running):
    async with websockets.connect(f"ws://127.0.0.1:{running.port}/api/sessions/x/events") as socket:
        assert "no such session" in json.loads(await socket.recv())["message"]
