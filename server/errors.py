"""Every refusal as one status and one sentence: `{"error": {"kind": ..., "message": ...}}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.settings import ServerSettings
from sonic_stream.errors import SonicError


def refusal(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"kind": kind, "message": message}}, status)


def kind_of(error: SonicError) -> str:
    """`BadInputError` -> `bad_input`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def in_words(errors: Sequence[Any]) -> str:
    """One sentence from pydantic's list."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "path", "query"))
    if first["type"] == "json_invalid":
        return "The request's body is not valid JSON."
    if first["type"] == "missing" and not where:
        return "The request needs a JSON body."
    if first["type"] == "missing":
        return f"'{where}' is missing."
    if first["type"] == "extra_forbidden":
        return f"There is no field '{where}' here."
    message = str(first["msg"])
    return f"'{where}' is not usable: {message[0].lower()}{message[1:]}." if where else f"{message}."


def install(app: FastAPI) -> None:
    """Makes every error of the application come out in the one form."""

    @app.exception_handler(SonicError)
    async def _sonic(request: Request, error: SonicError) -> JSONResponse:
        return refusal(error.http_status, kind_of(error), str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return refusal(422, "bad_input", in_words(error.errors()))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # FastAPI's word for bytes or nesting that no JSON reader takes
            return refusal(422, "bad_input", "The request's body is not valid JSON.")
        told = {
            404: "There is nothing at this address; /api/docs lists what there is.",
            405: f"This address does not take {request.method} requests; /api/docs lists what it takes.",
        }
        return refusal(error.status_code, "http", told.get(error.status_code, str(error.detail)))


class Limits:
    """ASGI middleware: refuses bodies that are too long while they arrive, and pages of other sites.

    A page elsewhere must not start sessions on a server that listens on this machine, so a request that
    names an `Origin` has to name this server's own.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2] != headers.get("host", ""):
            await self._refuse(scope, receive, send, 403, "This server answers only its own page.")
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        is_picture = scope["path"] == "/api/portraits"
        limit = self._settings.upload_limit_bytes if is_picture else self._settings.body_limit_bytes
        sentence = (
            f"The picture is larger than {limit // 2**20} MB; send a smaller one."
            if is_picture
            else f"The request is larger than {limit // 1024} kB."
        )
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            await self._refuse(scope, receive, send, 413, sentence)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(413, sentence)
            return message

        await self._app(scope, counted, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            await refusal(status, "http", why)(scope, receive, send)
