"""What the HTTP interface answers, above all to what it cannot use."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image


def picture(colour: tuple[int, int, int], kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 300), colour).save(out, kind)
    return out.getvalue()


def refused(response, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"kind", "message"}
    for word in words:
        assert word in error["message"], error


async def test_the_page_and_its_parts_are_served(running):
    page = await running.http.get("/")
    assert page.status_code == 200 and "Sonic Stream" in page.text
    for part in ("main.js", "live.js", "api.js", "gallery.js", "meter.js", "style.css", "icon.svg"):
        assert f"http://127.0.0.1:{running.port}/static/{part}"
        assert (await running.http.get(f"/static/{part}")).status_code == 200, part


async def test_the_page_asks_no_other_host(running):
    for part in ("/", "/static/main.js", "/static/live.js", "/static/style.css"):
        text = (await running.http.get(part)).text
        assert "https://" not in text.replace('=== "https:"', "").replace("https:// pages", "")
        assert "http://" not in text.replace("http://www.w3.org", "")


async def test_portraits_are_listed_with_thumbnails(running):
    listed = (await running.http.get("/api/portraits")).json()["portraits"]
    assert [p["name"] for p in listed] == ["Anna", "Ben"]
    for portrait in listed:
        response = await running.http.get(portrait["thumbnail"])
        assert response.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(response.content)).size == (192, 192)
    image = await running.http.get("/api/portraits/anna/image")
    assert Image.open(io.BytesIO(image.content)).size == (384, 384)


async def test_an_upload_becomes_a_portrait_with_advice(running):
    files = {"file": ("me.webp", picture((200, 150, 120), "WEBP"))}
    answer = await running.http.post("/api/portraits", files=files)
    assert answer.status_code == 201
    assert answer.json()["name"] == "me" and answer.json()["advice"]
    listed = (await running.http.get("/api/portraits")).json()["portraits"]
    assert listed[-1]["id"] == answer.json()["id"]


async def test_an_upload_can_be_removed_and_the_servers_own_cannot(running):
    files = {"file": ("me.png", picture((200, 150, 120)))}
    mine = (await running.http.post("/api/portraits", files=files)).json()["id"]
    assert (await running.http.delete(f"/api/portraits/{mine}")).status_code == 204
    listed = (await running.http.get("/api/portraits")).json()["portraits"]
    assert [p["id"] for p in listed] == ["anna", "ben"]
    refused(await running.http.delete(f"/api/portraits/{mine}"), 404, "no such portrait")
    refused(await running.http.delete("/api/portraits/anna"), 403, "belongs to the server")


async def test_portraits_that_cannot_be_used_are_refused_with_the_reason(running):
    async def upload(data: bytes):
        return await running.http.post("/api/portraits", files={"file": ("x.png", data)})

    refused(await upload(b"this is a text"), 422, "not a picture")
    refused(await upload(picture((0, 0, 0))), 422, "No face")
    refused(await upload(b""), 422, "empty")
    refused(await running.http.post("/api/portraits"), 422, "file")
    refused(await running.http.get("/api/portraits/nobody/thumbnail"), 404, "no such portrait")


async def test_a_picture_that_announces_itself_too_large_is_not_read(running):
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(b"POST /api/portraits HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
    assert b" 413 " in answer and b"50 MB" in answer
    writer.close()


async def test_a_body_that_grows_beyond_the_limit_is_cut_off(running):
    async def endless():
        for _ in range(100):
            yield b"x" * 65536

    refused(await running.http.post("/api/sessions", content=endless()), 413, "larger")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"not json", ["not valid JSON"]),
        (b"{}", ["'sdp' is missing"]),
        (b'{"sdp": ""}', ["'sdp'"]),
        (b'{"sdp": "hello"}', ["SDP"]),
        (b'{"sdp": "m=audio x\\r\\nm=video y\\r\\n"}', ["SDP"]),
        (b'{"sdp": "m=audio m=video", "mode": "singer"}', ["'mode'", "streamer"]),
        (b'{"sdp": "m=audio m=video", "colour": 1}', ["colour"]),
        (b'{"sdp": "m=audio m=video", "controls": {"dynamic_scale": 9}}', ["dynamic_scale", "from 0 to 2"]),
        (b'{"sdp": "m=audio m=video", "controls": {"speed": 1}}', ["speed", "motion_scale"]),
    ],
)
async def test_offers_that_cannot_be_answered(running, body, words):
    response = await running.http.post(
        "/api/sessions", content=body, headers={"content-type": "application/json"}
    )
    refused(response, 422, *words)
    assert len(running.hub.registry) == 0


async def test_an_unknown_portrait_is_refused(running):
    response = await running.http.post("/api/sessions", json={"sdp": "m=audio m=video", "portrait": "zoe"})
    refused(response, 404, "portrait")


async def test_after_refused_offers_the_place_is_free(running, viewer):
    for _ in range(3):
        await running.http.post("/api/sessions", json={"sdp": "m=audio\r\nm=video\r\n"})
    seen = await viewer()
    assert seen.response.status_code == 201


@pytest.mark.parametrize("path", ["say", "interrupt", "controls", "mode", "leave"])
async def test_unknown_sessions_are_told_so(running, path):
    bodies = {"say": {"text": "x"}, "controls": {}, "mode": {"mode": "assistant"}}
    response = await running.http.post(f"/api/sessions/nobody/{path}", json=bodies.get(path))
    refused(response, 404, "no such session")
    refused(await running.http.get("/api/sessions/nobody"), 404)
    refused(await running.http.delete("/api/sessions/nobody"), 404)


async def test_what_a_session_refuses_does_not_harm_it(running, viewer):
    seen = await viewer()
    url = f"/api/sessions/{seen.id}"

    async def post(path: str, body: object):
        return await running.http.post(f"{url}/{path}", json=body)

    refused(await post("say", {"text": "x" * 5001}), 422, "5001", "5000")
    refused(await post("say", {"text": "  \n "}), 422, "empty")
    refused(await post("say", {"text": "x", "voice": "zeus"}), 422, "zeus", "hum")
    refused(await post("say", {"text": "x", "rate": 9}), 422, "rate")
    refused(await post("say", {"text": "x" * 300_000}), 413)
    refused(await post("controls", {"motion_scale": "much"}), 422, "motion_scale")
    refused(await post("controls", {"motion_scale": -1}), 422, "from 0 to 2")
    refused(await post("controls", {"dynamic_scale": float(10**9)}), 422)
    refused(await post("mode", {"mode": "x"}), 422, "mode")
    await seen.until(lambda v: len(v.pictures) > 5)


async def test_running_sessions_can_be_found(running, viewer):
    assert (await running.http.get("/api/sessions")).json() == {"sessions": []}
    seen = await viewer()
    listed = (await running.http.get("/api/sessions")).json()["sessions"]
    assert listed == [{"id": seen.id, "mode": "assistant", "state": "idle"}]


async def test_controls_change_while_the_face_is_on(running, viewer):
    seen = await viewer(offer={"controls": {"dynamic_scale": 0.8}})
    answer = await running.http.post(
        f"/api/sessions/{seen.id}/controls", json={"motion_scale": 0.5, "inference_steps": 25}
    )
    told = answer.json()
    assert (told["dynamic_scale"], told["motion_scale"], told["inference_steps"]) == (0.8, 0.5, 4)


async def test_too_many_texts_are_refused(running, viewer):
    seen = await viewer()
    answers = [
        await running.http.post(f"/api/sessions/{seen.id}/say", json={"text": "a b c d e f g h i j"})
        for _ in range(12)
    ]
    assert answers[0].status_code == 202
    refused(answers[-1], 503, "waiting")


async def test_other_sites_may_not_use_the_server(running):
    refused(await running.http.get("/api/portraits", headers={"origin": "http://evil.example"}), 403)
    own = {"origin": f"http://127.0.0.1:{running.port}"}
    assert (await running.http.get("/api/portraits", headers=own)).status_code == 200


async def test_health_and_metrics(running, viewer):
    health = (await running.http.get("/health")).json()
    assert health["status"] == "ok" and health["sessions"] == 0 and health["capacity"] == 1
    seen = await viewer()
    await seen.until(lambda v: len(v.pictures) > 5)
    text = (await running.http.get("/metrics")).text
    assert "sonic_stream_sessions 1" in text
    assert 'sonic_stream_session_played_total{place="0"}' in text
    status = (await running.http.get(f"/api/sessions/{seen.id}")).json()
    assert status["connection"] == "connected" and status["played"] > 0


async def test_the_interface_describes_itself(running):
    paths = (await running.http.get("/openapi.json")).json()["paths"]
    assert "/api/sessions/{session_id}/say" in paths


async def test_refusals_are_described_as_they_are_sent(running):
    told = (await running.http.get("/openapi.json")).json()
    sent = (await running.http.post("/api/sessions", json={})).json()
    described = 0
    for path, methods in told["paths"].items():
        if not path.startswith("/api"):
            continue
        for operation in methods.values():
            for status in ("422", "default"):
                content = operation["responses"][status]["content"]["application/json"]
                shape = told["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                assert set(shape["properties"]) == set(sent) == {"error"}
                described += 1
    problem = told["components"]["schemas"]["Problem"]
    assert set(problem["required"]) == set(sent["error"])
    assert described > 30 and "HTTPValidationError" not in told["components"]["schemas"]
