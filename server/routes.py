"""HTTP: portraits, voices, sessions, health. The paths are described in `docs/protocol.md`."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, File, Response, UploadFile

from server.hub import Hub, changed, request_hub
from server.ice import for_browsers
from server.portraits import Portrait
from server.schemas import REFUSALS, Ask, Interruption, ModeChange, Offer, Say, VoiceInterruptChange
from server.speech import Text
from sonic_stream.config import CONTROL_NAMES, OPTIONS, Option
from sonic_stream.errors import BadInputError

api = APIRouter(prefix="/api", responses=REFUSALS)
operators = APIRouter()
HubOf = Annotated[Hub, Depends(request_hub)]


def _shown(hub: Hub, portrait: Portrait) -> dict[str, Any]:
    return {
        "id": portrait.id,
        "name": portrait.name,
        "bundled": portrait.bundled,
        "voice": hub.voices.fitting(portrait.voice),
        "thumbnail": f"/api/portraits/{portrait.id}/thumbnail",
        "advice": list(portrait.advice),
    }


@api.get("/portraits")
async def list_portraits(hub: HubOf) -> dict[str, Any]:
    """The portraits to choose from; the first is the default."""
    return {"portraits": [_shown(hub, portrait) for portrait in hub.portraits.all()]}


@api.post("/portraits", status_code=201)
async def add_portrait(hub: HubOf, file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """Uploads a portrait (multipart field `file`); refused with the reason when it cannot be used."""
    data = await file.read()
    name = (file.filename or "").rpartition(".")[0][:60]
    portrait = await hub.portraits.add(data, name)
    if not len(hub.registry):  # a running face is not to wait for a new one
        await hub.bridge.prepare(await hub.portraits.identity(portrait))
    return _shown(hub, portrait)


@api.delete("/portraits/{portrait_id}", status_code=204)
async def remove_portrait(hub: HubOf, portrait_id: str) -> None:
    """Forgets an uploaded portrait; a face that shows it goes on."""
    hub.portraits.remove(portrait_id)


@api.get("/portraits/{portrait_id}/thumbnail")
async def thumbnail(hub: HubOf, portrait_id: str) -> Response:
    """A square JPEG of 192 px."""
    data = await hub.portraits.thumbnail(hub.portraits.find(portrait_id))
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})


@api.get("/portraits/{portrait_id}/image")
async def image(hub: HubOf, portrait_id: str) -> Response:
    """The portrait as the face will be framed, a JPEG (made ready first if it is new)."""
    portrait = hub.portraits.find(portrait_id)
    data = await hub.portraits.still(portrait)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})


@api.get("/config")
async def config(hub: HubOf) -> dict[str, Any]:
    """What this server offers, for a page to ask before it starts."""
    return {
        "ice_servers": for_browsers(hub.settings.ice_servers),
        "controls": {
            name: _described(OPTIONS[name], getattr(hub.settings.controls, name)) for name in CONTROL_NAMES
        },
        "modes": ["assistant", "streamer"],
        "voice_interrupt": ["off", "stop", "resume"],
        "assistant": hub.chat is not None,
        "hears": hub.transcription is not None,
        "painting_steps": hub.bridge.steps_available,
        "backdrop": True,
        "text_limit": hub.settings.text_limit,
        "sessions": len(hub.registry),
        "capacity": hub.registry.capacity,
    }


def _described(option: Option, default: Any) -> dict[str, Any]:
    """`default` is what the operator chose for this server."""
    return {
        "kind": option.kind.__name__,
        "default": default,
        "low": option.low,
        "high": option.high,
        "choices": list(option.choices),
    }


@api.get("/voices")
async def list_voices(hub: HubOf) -> dict[str, Any]:
    """The voices for text; `missing` says why there are none."""
    voices = [{"id": v.id, "label": v.label, "language": v.language} for v in hub.voices.all]
    return {"voices": voices, "missing": hub.voices.missing if not voices else ""}


@api.post("/sessions", status_code=201)
async def start_session(hub: HubOf, offer: Offer) -> dict[str, Any]:
    """An SDP offer in, the answer out; 503 when the server is taken."""
    face, answer = await hub.start_session(offer)
    return {
        "id": face.id,
        "sdp": answer,
        "type": "answer",
        "mode": face.mode,
        "painting_steps": hub.bridge.steps_available,
    }


@api.get("/sessions")
async def list_sessions(hub: HubOf) -> dict[str, Any]:
    """Who is on the air, for a program that wants to speak through a face somebody opened."""
    faces = hub.registry.faces
    return {"sessions": [{"id": f.id, "mode": f.mode, "state": f.session.state.value} for f in faces]}


@api.get("/sessions/{session_id}")
async def status(hub: HubOf, session_id: str) -> dict[str, Any]:
    """State, latency and counts of a session."""
    return hub.registry.find(session_id).status()


@api.delete("/sessions/{session_id}", status_code=204)
async def end_session(hub: HubOf, session_id: str) -> None:
    """Ends a session; returns when its place is free."""
    await hub.registry.find(session_id).close()


@api.post("/sessions/{session_id}/leave", status_code=204)
async def leave(hub: HubOf, session_id: str) -> None:
    """The same for `navigator.sendBeacon`, which can only POST."""
    await hub.registry.find(session_id).close()


@api.post("/sessions/{session_id}/say", status_code=202)
async def say(hub: HubOf, session_id: str, wish: Say) -> dict[str, Any]:
    """Speaks a text with a voice, after what already waits (or at once with `interrupt`)."""
    face = hub.registry.find(session_id)
    _check_text(hub, wish.text)
    hub.voices.check(wish.voice)
    if wish.interrupt:
        face.interrupt()
    face.say(Text(wish.text, wish.voice, wish.rate))
    return {"waiting": face.speaker.waiting}


def _check_text(hub: Hub, text: str) -> None:
    if len(text) > hub.settings.text_limit:
        raise BadInputError(
            f"The text has {len(text)} characters; at most {hub.settings.text_limit} are spoken at once."
        )
    if not text.strip():
        raise BadInputError("The text is empty; write what the face should say.")


@api.post("/sessions/{session_id}/ask", status_code=202)
async def ask(hub: HubOf, session_id: str, wish: Ask) -> dict[str, Any]:
    """Gives a text to the chat model; its answer is spoken sentence by sentence while it is written."""
    face = hub.registry.find(session_id)
    _check_text(hub, wish.text)
    face.ask(wish.text, wish.voice, wish.rate)
    return {"waiting": face.speaker.waiting}


@api.post("/sessions/{session_id}/interrupt")
async def interrupt(hub: HubOf, session_id: str, how: Interruption | None = None) -> dict[str, Any]:
    """Silence at once: text, sound that was pushed and the microphone's last words are dropped. With
    `resume` the texts are kept for `POST .../resume`."""
    face = hub.registry.find(session_id)
    epoch = face.interrupt(keep=how is not None and how.resume)
    return {"epoch": epoch, "kept": len(face.speaker.kept)}


@api.post("/sessions/{session_id}/resume", status_code=202)
async def resume(hub: HubOf, session_id: str) -> dict[str, Any]:
    """Says what the last interruption kept, from the beginning of the sentence that was cut."""
    face = hub.registry.find(session_id)
    face.resume()
    return {"waiting": face.speaker.waiting}


@api.post("/sessions/{session_id}/controls")
async def controls(hub: HubOf, session_id: str, values: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Changes gains and mood while the face speaks; returns all of them."""
    face = hub.registry.find(session_id)
    face.set_controls(changed(face.controls, values))
    return {name: getattr(face.controls, name) for name in CONTROL_NAMES}


@api.post("/sessions/{session_id}/mode")
async def set_mode(hub: HubOf, session_id: str, change: ModeChange) -> dict[str, Any]:
    """`streamer`: the microphone drives the face. `assistant`: text and programs do."""
    face = hub.registry.find(session_id)
    face.set_mode(change.mode)
    return {"mode": face.mode}


@api.post("/sessions/{session_id}/voice_interrupt")
async def set_voice_interrupt(hub: HubOf, session_id: str, change: VoiceInterruptChange) -> dict[str, Any]:
    """What the user's voice does to a face that speaks in assistant mode."""
    face = hub.registry.find(session_id)
    face.voice_interrupt = change.voice_interrupt
    return {"voice_interrupt": face.voice_interrupt}


@operators.get("/health")
async def health(hub: HubOf, response: Response) -> dict[str, Any]:
    """200 when faces can be served; says what is missing otherwise."""
    failure = hub.bridge.failure
    if not hub.bridge.is_ready:
        response.status_code = 503
    return {
        "status": "ok" if hub.bridge.is_ready else "failed" if failure else "loading",
        "problem": str(failure) if failure else "",
        "sessions": len(hub.registry),
        "capacity": hub.registry.capacity,
        "voices": len(hub.voices.all),
        "voice_problem": hub.voices.missing if not hub.voices.all else "",
        "portraits": len(hub.portraits.all()),
        "hearing_problem": hub.hearing.problem,
        "uptime_s": round(time.monotonic() - hub.started_s, 1),
    }


@operators.get("/metrics")
async def metrics(hub: HubOf) -> Response:
    """Stages' times and every session's counts, in Prometheus' text format."""
    return Response(hub.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
