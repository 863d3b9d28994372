"""The server's HTTP interface as methods; a refusal becomes a `SonicError` with the server's own sentence.

The addresses are those of `docs/protocol.md`.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from sonic_stream.errors import (
    BadInputError,
    BusyError,
    MissingPieceError,
    SonicError,
    UnknownSessionError,
)

DEFAULT_ADDRESS = "127.0.0.1:8010"


def base_url(address: str) -> str:
    """`https://host:port` of what a user wrote (`host:port` or a URL). Errors: `BadInputError`."""
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable or any(c.isspace() for c in address) or parts.path not in ("", "/") or parts.query:
        raise BadInputError(
            f"'{address}' is no server; write host:port such as {DEFAULT_ADDRESS}, or https://host:port."
        )
    return f"{parts.scheme}://{parts.netloc}"


class Server:
    """A client of one server; use it as an async context manager."""

    def __init__(self, address: str = DEFAULT_ADDRESS, insecure: bool = False) -> None:
        """`insecure`: any certificate will do. Errors: `BadInputError`, `MissingPieceError`."""
        try:
            import httpx
        except ImportError:
            raise MissingPieceError(
                "The client needs the package httpx: pip install 'sonic-stream[client]'."
            ) from None
        self.url = base_url(address)
        self.insecure = insecure
        self._httpx = httpx
        self._http = httpx.AsyncClient(base_url=self.url, verify=not insecure, timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def audio_url(self, session_id: str) -> str:
        """Address of the session's audio socket."""
        return "ws" + self.url.removeprefix("http") + f"/api/sessions/{session_id}/audio"

    async def health(self) -> dict[str, Any]:
        """What the server says of itself, also while it is still loading."""
        return await self._call("GET", "/health", allowed=(200, 503))

    async def ice_servers(self) -> list[dict[str, Any]]:
        """STUN and TURN servers that this server's visitors should use; none from one that tells of none."""
        answer = await self._request("GET", "/api/config", (404,))
        if answer.status_code == 404:
            return []
        return list(answer.json().get("ice_servers", []))

    async def sessions(self) -> list[dict[str, Any]]:
        """Who is on the air."""
        found = await self._call("GET", "/api/sessions")
        return list(found["sessions"])

    async def portrait(self, wanted: str) -> str:
        """The id of a portrait the server has under this id or name, else of the file uploaded."""
        known = (await self._call("GET", "/api/portraits"))["portraits"]
        for portrait in known:
            if wanted.lower() in (portrait["id"].lower(), portrait["name"].lower()):
                return str(portrait["id"])
        path = Path(wanted)
        if not path.is_file():
            names = ", ".join(portrait["id"] for portrait in known)
            raise BadInputError(
                f"There is no portrait '{wanted}': neither a file here, nor one of the server's ({names})."
            )
        added = await self._call("POST", "/api/portraits", files={"file": (path.name, path.read_bytes())})
        return str(added["id"])

    async def open(self, sdp: str, **wishes: Any) -> dict[str, Any]:
        """Starts a session with an offer; `wishes` as the protocol names them."""
        return await self._call("POST", "/api/sessions", body={"sdp": sdp, "type": "offer", **wishes})

    async def close(self, session_id: str) -> None:
        await self._call("DELETE", f"/api/sessions/{session_id}")

    async def status(self, session_id: str) -> dict[str, Any]:
        return await self._call("GET", f"/api/sessions/{session_id}")

    async def say(self, session_id: str, text: str, **wishes: Any) -> None:
        await self._call("POST", f"/api/sessions/{session_id}/say", body={"text": text, **wishes})

    async def interrupt(self, session_id: str) -> None:
        await self._call("POST", f"/api/sessions/{session_id}/interrupt")

    async def watch(self, session_id: str, sdp: str) -> tuple[str, str]:
        """WHEP: the answer to an offer, and the address to leave by."""
        path = f"/api/sessions/{session_id}/whep"
        answer = await self._request(
            "POST", path, content=sdp.encode(), headers={"Content-Type": "application/sdp"}
        )
        return answer.text, urljoin(path, answer.headers.get("location", path))

    async def leave(self, location: str) -> None:
        """Ends what `watch` began."""
        await self._request("DELETE", location)

    async def _call(
        self, method: str, path: str, body: Any = None, allowed: tuple[int, ...] = (), **how: Any
    ) -> dict[str, Any]:
        if body is not None:
            how["json"] = body
        answer = await self._request(method, path, allowed, **how)
        if not answer.content:
            return {}
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise BadInputError(
                f"{self.url} answers, but not as a Sonic Stream server does; check the address."
            )
        return told

    async def _request(self, method: str, path: str, allowed: tuple[int, ...] = (), **how: Any) -> Any:
        try:
            answer = await self._http.request(method, path, **how)
        except self._httpx.TimeoutException:
            raise MissingPieceError(
                f"The server at {self.url} does not answer in time; is it busy?"
            ) from None
        except self._httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                raise MissingPieceError(
                    f"The certificate of {self.url} is not trusted here; --insecure takes it all the same."
                ) from None
            raise MissingPieceError(
                f"No server answers at {self.url}; start one with: sonic-stream serve."
            ) from None
        except self._httpx.HTTPError as error:
            raise MissingPieceError(
                f"{self.url} does not speak HTTP as expected ({type(error).__name__}); check the address"
                " and whether it is http or https."
            ) from None
        if answer.is_success or answer.status_code in allowed:
            return answer
        raise self._refusal(answer.status_code, answer.text)

    def _refusal(self, status: int, text: str) -> SonicError:
        try:
            message = str(json.loads(text)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return BadInputError(
                f"{self.url} answers {status}, but not as a Sonic Stream server does; check the address."
            )
        kinds = {404: UnknownSessionError, 503: BusyError}
        return kinds.get(status, BadInputError)(message)
