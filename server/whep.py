"""WHEP (draft-ietf-wish-whep): others watch a session with any player that speaks it.

`POST` an SDP offer, get the answer and a `Location`; `PATCH` candidates there, `DELETE` it to leave.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from server.hub import Hub, request_hub
from server.ice import for_links
from server.schemas import REFUSALS
from sonic_stream.errors import BadInputError, SonicError

whep = APIRouter(prefix="/api/sessions/{session_id}/whep", tags=["viewers"], responses=REFUSALS)
HubOf = Annotated[Hub, Depends(request_hub)]

SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}},
}
_ANSWER: dict[int | str, dict[str, Any]] = {201: {"content": {SDP: {"schema": {"type": "string"}}}}}


class WrongTypeError(SonicError):
    """The body is of another kind than this address takes."""

    http_status = 415


class NoRestartError(SonicError):
    """An ICE restart was asked for."""

    http_status = 501


class StaleError(SonicError):
    """The request was meant for another state of the connection."""

    http_status = 412


async def _body(request: Request, kind: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise WrongTypeError(f"The body has the type '{given[:60]}'; {kind} is taken here.")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise BadInputError("The body is not UTF-8 text.") from None


@whep.options("", status_code=204)
async def offer_types(hub: HubOf, session_id: str) -> Response:
    """What may be posted here."""
    headers = {"Accept-Post": SDP, "Allow": "OPTIONS, POST"}
    return Response(status_code=204, headers=headers)


@whep.post("", status_code=201, responses=_ANSWER, openapi_extra=_BODY, response_class=Response)
async def watch(hub: HubOf, session_id: str, request: Request) -> Response:
    """An SDP offer in, the answer out: one more viewer of a running session."""
    face = hub.registry.find(session_id)
    sdp = await _body(request, SDP)
    viewer, answer = await face.viewers.join(sdp)
    response = Response(answer, 201, media_type=SDP)
    response.headers["Location"] = f"/api/sessions/{face.id}/whep/{viewer}"
    response.headers["ETag"] = f'"{viewer}"'
    response.headers["Accept-Patch"] = FRAGMENT
    for link in for_links(hub.settings.ice_servers):
        response.headers.append("Link", link)
    return response


@whep.patch("/{viewer_id}", status_code=204)
async def trickle(hub: HubOf, session_id: str, viewer_id: str, request: Request) -> Response:
    """More ICE candidates of a viewer; an ICE restart is answered 501."""
    viewers = hub.registry.find(session_id).viewers
    known = viewers.credentials(viewer_id)
    fragment = await _body(request, FRAGMENT)
    meant = request.headers.get("if-match", "*").strip()
    if meant not in ("*", f'"{viewer_id}"'):
        raise StaleError("If-Match names another connection than this one.")
    named = [line[12:].strip() for line in fragment.splitlines() if line.startswith("a=ice-ufrag:")]
    if named and known not in named:
        raise NoRestartError("ICE restarts are not supported; leave and join again.")
    await viewers.trickle(viewer_id, fragment)
    return Response(status_code=204)


@whep.delete("/{viewer_id}", status_code=200)
async def leave(hub: HubOf, session_id: str, viewer_id: str) -> Response:
    """The viewer goes; the session stays."""
    await hub.registry.find(session_id).viewers.leave(viewer_id)
    return Response(status_code=200)
