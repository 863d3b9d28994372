"""A finished file -> a web address, by HTTP PUT or POST: with progress, and again when it fails.

The file is the body as it is, which is what storage services with signed addresses take. It is never touched,
so that it is still there whatever happens. Proxies are used as the environment says.
"""

from __future__ import annotations

import base64
import http.client
import io
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.picture_folder import is_folder

METHODS: Final = ("PUT", "POST")
ATTEMPTS: Final = 5
_PAUSE_S: Final = 1.0
"""Before the second attempt; doubled before each further one."""
_LONGEST_PAUSE_S: Final = 60.0
_TIMEOUT_S: Final = 60.0
_REDIRECTS: Final = 5
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be better the next time."""
_ELSEWHERE: Final = frozenset({301, 302, 307, 308})
_TYPES: Final = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"}

Progress = Callable[[int, int], None]
"""Told (bytes sent, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked web address and how to send there."""

    url: str
    """Without user and password."""
    method: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def shown(self) -> str:
        """The address for messages: without its query, which may hold a signature."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def destination(
    url: str, method: str = "PUT", headers: Iterable[str] = (), out: str | Path = ""
) -> Destination:
    """`url` checked, `headers` ("Name: value") taken apart; user and password in it become a header.

    `out` is what will be sent. Errors: `BadInputError` that says what is wrong, before any work is done.
    """
    if is_folder(out):
        raise BadInputError(
            f"An upload sends one file, but '{out}' is a folder of pictures; name a .mp4 file."
        )
    if method.upper() not in METHODS:
        raise BadInputError(f"The upload method is '{method}', but has to be {' or '.join(METHODS)}.")
    wrong = BadInputError(f"'{url}' is no address to upload to; one like https://host/path is needed.")
    try:
        parts = urllib.parse.urlsplit(url)
        place = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not place or any(c <= " " or c == "\x7f" for c in url):
        raise wrong
    found: dict[str, str] = {}
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        found["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip() or "\n" in header or "\r" in header:
            raise BadInputError(f"The header '{name[:40]}' should read 'Name: value'.")
        found[name.strip()] = value.strip()
    netloc = (f"[{place}]" if ":" in place else place) + port
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Destination(
        urllib.parse.urlunsplit((parts.scheme, netloc, path, query, "")), method.upper(), found
    )


class _RefusedError(Exception):
    """One attempt failed: why, whether another may help, and how long the server asks to wait."""

    def __init__(self, why: str, again: bool, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.again, self.wait_s = again, wait_s


def upload(
    path: Path,
    to: Destination,
    progress: Progress | None = None,
    note: Callable[[str], None] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Sends the file at `path`; `note` is told of each attempt that failed and is made again.

    Errors: `SonicError` when all attempts failed, or one in a way that another will not mend; it says that
    the file is kept.
    """
    pause_s = _PAUSE_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _send_following(path, to, progress)
            return
        except _RefusedError as refusal:
            if not refusal.again or attempt == ATTEMPTS:
                tries = f" after {attempt} attempts" if attempt > 1 else ""
                raise SonicError(
                    f"The upload to {to.shown} failed{tries} ({refusal}); the video is kept as '{path}'."
                ) from None
            wait_s = min(max(refusal.wait_s, pause_s), _LONGEST_PAUSE_S)
            if note:
                note(f"The upload failed ({refusal}); trying again in {wait_s:.0f} s.")
            pause(wait_s)
            pause_s *= 2


def _send_following(path: Path, to: Destination, progress: Progress | None) -> None:
    """One attempt, at the address that the server may name instead."""
    for _ in range(_REDIRECTS):
        elsewhere = _send(path, to, progress)
        if elsewhere is None:
            return
        target = urllib.parse.urljoin(to.url, elsewhere)
        before, after = urllib.parse.urlsplit(to.url), urllib.parse.urlsplit(target)
        if after.scheme not in ("http", "https") or (before.scheme == "https") > (after.scheme == "https"):
            raise _RefusedError("the server redirects to an address that is not safe", again=False)
        same = before.netloc == after.netloc
        # Another host must not see what was meant for the first.
        kept = {k: v for k, v in to.headers.items() if same or k.lower() not in ("authorization", "cookie")}
        to = Destination(target, to.method, kept)
    raise _RefusedError("the server redirects in circles", again=False)


def _send(path: Path, to: Destination, progress: Progress | None) -> str | None:
    """One request; the address to ask instead, if the server names one."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            request = urllib.request.Request(to.url, _Body(file, size, progress), method=to.method)
            request.add_header("Content-Type", _TYPES.get(path.suffix.lower(), "application/octet-stream"))
            request.add_header("Content-Length", str(size))
            for name, value in to.headers.items():
                request.add_header(name, value)
            with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
                answer.read(1 << 16)
        return None
    except urllib.error.HTTPError as error:
        with error:
            elsewhere = error.headers.get("Location")
            if error.code in _ELSEWHERE and elsewhere:
                return elsewhere
            wait = error.headers.get("Retry-After", "")
            wait_s = float(wait) if wait.isdigit() else 0.0
            why = f"the server says {error.code} {error.reason}".strip()
            raise _RefusedError(why, error.code in _AGAIN, wait_s) from None
    except urllib.error.URLError as error:
        raise _RefusedError(_words(error.reason), again=True) from None
    except (OSError, http.client.HTTPException) as error:
        raise _RefusedError(_words(error), again=True) from None


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "the server does not answer"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__


class _Body(io.RawIOBase):
    """The file as a request's body, which tells how far it is."""

    def __init__(self, file: io.BufferedReader, size: int, progress: Progress | None) -> None:
        self._file, self._size, self._progress, self._sent = file, size, progress, 0

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(max(size, 1 << 16) if size > 0 else -1)
        self._sent += len(block)
        if self._progress and block:
            self._progress(self._sent, self._size)
        return block


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are followed here, with the body, and not by asking again without it."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)
