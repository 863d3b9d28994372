"""The portraits a user can choose: bundled ones, one named at start, and uploads kept in memory.

Reading a portrait takes about a second, so each becomes an `Identity` once, on one worker thread, and is
remembered while its portrait is.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image, ImageOps

from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.image import SUFFIXES, load_image
from sonic_stream.types import Identity, PortraitSettings

IdentityFactory = Callable[[bytes, PortraitSettings], Identity]
BUNDLED = Path(__file__).resolve().parent.parent / "sonic_stream" / "assets" / "portraits"
SHOWN_FIRST = "mira"
"""The bundled portrait that greets."""
THUMBNAIL_PX = 192
FITTING_VOICES = {
    "mira": "en-us-high",
    "tariq": "en-us-low",
    "juno": "en-gb-high",
    "otto": "en-us-deep",
    "vera": "en-us-mature",
    "amara": "en-us-young",
    "luca": "en-gb-low",
    "pim": "en-us-small",
    "idris": "en-us-low",
    "yuna": "en-us-high",
}
"""Built-in voices that suit the bundled portraits."""


class UnknownPortraitError(SonicError):
    """The portrait named does not exist (any more)."""

    http_status = 404


class BundledPortraitError(SonicError):
    """A portrait that is the server's own was to be removed."""

    http_status = 403


@dataclass(slots=True)
class Portrait:
    """A picture that may become a face; `load` reads its bytes."""

    id: str
    name: str
    load: Callable[[], bytes]
    bundled: bool
    voice: str | None = None
    """A voice that suits it, where the built-in ones are at hand."""
    identity: asyncio.Task[Identity] | None = None
    thumbnail: bytes | None = None
    advice: tuple[str, ...] = field(default=())


class Portraits:
    """Owns portraits and their identities; belongs to the event loop."""

    def __init__(
        self,
        factory: IdentityFactory,
        settings: PortraitSettings,
        folder: Path,
        first: Path | None,
        kept: int,
    ) -> None:
        self._factory = factory
        self._settings = settings
        self._kept = kept
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="identify")
        self._bundled: dict[str, Portrait] = {}
        self._uploaded: OrderedDict[str, Portrait] = OrderedDict()
        if first is not None:
            if not first.is_file():
                raise BadInputError(f"There is no portrait at {first}; name an image file.")
            self._bundled["given"] = Portrait("given", first.stem, first.read_bytes, True)
        found = folder.iterdir() if folder.is_dir() else ()
        files = sorted(found, key=lambda path: (path.stem != SHOWN_FIRST, path.name))
        for path in files:
            if path.suffix.lower() in SUFFIXES:
                name = path.stem.replace("_", " ").replace("-", " ").strip().title()
                voice = FITTING_VOICES.get(path.stem)
                self._bundled[path.stem] = Portrait(path.stem, name, path.read_bytes, True, voice)

    def all(self) -> list[Portrait]:
        return [*self._bundled.values(), *self._uploaded.values()]

    def default_id(self) -> str | None:
        return next((portrait.id for portrait in self.all()), None)

    def find(self, portrait_id: str | None) -> Portrait:
        """The one named, or the first. Errors: `UnknownPortraitError`."""
        wanted = portrait_id if portrait_id is not None else self.default_id()
        portrait = self._bundled.get(wanted or "") or self._uploaded.get(wanted or "")
        if portrait is None:
            raise UnknownPortraitError(
                "There is no such portrait (any more); choose one of the list or upload it again."
                if wanted
                else "There is no portrait yet; upload one."
            )
        return portrait

    async def identity(self, portrait: Portrait) -> Identity:
        """The portrait made ready. Errors: `SonicError` with what is wrong with it."""
        if portrait.identity is None or (portrait.identity.done() and _failed(portrait.identity)):
            portrait.identity = asyncio.create_task(self._make(portrait), name="identity")
        return await asyncio.shield(portrait.identity)

    async def _make(self, portrait: Portrait) -> Identity:
        loop = asyncio.get_running_loop()
        identity = await loop.run_in_executor(
            self._worker, lambda: self._factory(portrait.load(), self._settings)
        )
        portrait.advice = identity.advice
        return identity

    async def add(self, data: bytes, name: str) -> Portrait:
        """Keeps an uploaded portrait if a face can be made of it. Errors: `SonicError`."""
        if not data:
            raise BadInputError("The upload is empty; send a PNG, JPEG, WebP, AVIF or HEIC picture.")
        portrait = Portrait("", name or "Yours", lambda: data, False)
        identity = await self.identity(portrait)
        portrait.id = "u-" + identity.id[:16]
        self._uploaded[portrait.id] = portrait
        self._uploaded.move_to_end(portrait.id)
        while len(self._uploaded) > self._kept:
            self._uploaded.popitem(last=False)
        return portrait

    def remove(self, portrait_id: str) -> None:
        """Forgets an uploaded portrait; a face that shows it goes on. Errors: `SonicError`."""
        portrait = self.find(portrait_id)
        if portrait.bundled:
            raise BundledPortraitError(
                f"'{portrait.name}' belongs to the server; only uploads can be removed."
            )
        del self._uploaded[portrait.id]

    async def thumbnail(self, portrait: Portrait) -> bytes:
        """A small square JPEG."""
        if portrait.thumbnail is None:
            known = portrait.identity
            if known is not None and known.done() and not _failed(known):
                work = partial(_jpeg, known.result(), THUMBNAIL_PX)
            else:
                work = partial(_thumbnail, portrait.load)
            # Not on the worker, which may be reading a portrait for a second or two.
            portrait.thumbnail = await asyncio.to_thread(work)
        return portrait.thumbnail

    async def still(self, portrait: Portrait) -> bytes:
        """The portrait as the face will be framed, a JPEG. Errors: `SonicError`."""
        identity = await self.identity(portrait)
        return await asyncio.to_thread(_jpeg, identity)

    async def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)


def _failed(task: asyncio.Task[Identity]) -> bool:
    return task.cancelled() or task.exception() is not None


def _jpeg(identity: Identity, size_px: int = 0) -> bytes:
    picture = Image.fromarray(identity.crop)
    if size_px:
        picture = picture.resize((size_px, size_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def _thumbnail(load: Callable[[], bytes]) -> bytes:
    # Faces sit in the upper half of a portrait.
    whole = Image.fromarray(load_image(load()))
    small = ImageOps.fit(whole, (THUMBNAIL_PX, THUMBNAIL_PX), centering=(0.5, 0.35))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()
