"""Identities kept by content: a known portrait costs next to nothing.

The newest few stay in memory as shared objects; with a folder they also survive the process, as npz files
without pickle, written whole or not at all. A stored file that cannot be read counts as absent.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from sonic_stream.face.portrait import freeze, identify, identity_key
from sonic_stream.types import Colours, Identity, PortraitSettings

_ARRAYS = ("crop", "landmarks", "shape", "expression", "vertices", "rotation", "translation", "matte")
_COLOUR_ARRAYS = ("skin", "lip", "light")
_LEFTOVER = ".part"


def default_folder() -> Path:
    """Where identities are stored for this user."""
    return Path(platformdirs.user_cache_dir("sonic-stream")) / "identities"


class IdentityCache:
    """Looks portraits up before it computes them; may be shared by threads.

    `capacity` identities stay in memory (the least recently used goes first) and `stored` in `folder`;
    without a folder nothing touches the disk.
    """

    def __init__(
        self,
        capacity: int = 32,
        folder: Path | None = None,
        stored: int = 200,
        compute: Callable[[bytes, PortraitSettings], Identity] = identify,
    ) -> None:
        self._capacity, self._folder, self._stored, self._compute = capacity, folder, stored, compute
        self._kept: OrderedDict[str, Identity] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def identify(self, image_bytes: bytes, settings: PortraitSettings | None = None) -> Identity:
        """Like `sonic_stream.face.identify`; the same portrait gives the same object.

        Two callers with one new portrait wait for a single computation. Errors are not kept.
        """
        settings = settings or PortraitSettings()
        key = identity_key(image_bytes, settings)
        with self._lock:
            found = self._touch(key)
            if found is not None:
                return found
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                found = self._touch(key)
            if found is not None:
                return found
            try:
                identity = self._read(key)
                if identity is None:
                    identity = self._compute(image_bytes, settings)
                    self._write(key, identity)
                with self._lock:
                    self._kept[key] = identity
                    while len(self._kept) > self._capacity:
                        self._kept.popitem(last=False)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return identity

    def __len__(self) -> int:
        return len(self._kept)

    def _touch(self, key: str) -> Identity | None:
        identity = self._kept.get(key)
        if identity is not None:
            self._kept.move_to_end(key)
        return identity

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{key}.npz"

    def _read(self, key: str) -> Identity | None:
        path = self._path(key)
        if path is None:
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                identity = unpack({name: file[name] for name in file.files})
            if identity.id != key:
                return None
            os.utime(path)  # the age by which the least recently used goes
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None
        return identity

    def _write(self, key: str, identity: Identity) -> None:
        path = self._path(key)
        if path is None or self._folder is None:
            return
        # A cache that cannot be written (full disk, read-only home) must not stop anybody from speaking.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(suffix=_LEFTOVER, dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    np.savez(file, allow_pickle=False, **pack(identity))
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        assert self._folder is not None
        by_age = sorted(self._folder.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in by_age[: -self._stored or None]:
            path.unlink(missing_ok=True)


def pack(identity: Identity) -> dict[str, Any]:
    """An identity as plain arrays, the small facts as JSON bytes."""
    facts = {
        "id": identity.id,
        "expand_ratio": identity.settings.expand_ratio,
        "min_resolution": identity.settings.min_resolution,
        "crop_box": identity.crop_box,
        "scale": identity.scale,
        "brightness": identity.colours.brightness,
        "fit_error": identity.fit_error,
        "lids_fit": identity.lids_fit,
        "advice": identity.advice,
    }
    arrays: dict[str, Any] = {name: getattr(identity, name) for name in _ARRAYS}
    arrays |= {name: getattr(identity.colours, name) for name in _COLOUR_ARRAYS}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    return arrays


def unpack(arrays: dict[str, Any]) -> Identity:
    """The identity that `pack` took apart. Errors: `KeyError`, `ValueError`, `TypeError` on damage."""
    facts = json.loads(arrays["facts"].tobytes())
    x, y, side = facts["crop_box"]
    identity = Identity(
        id=str(facts["id"]),
        settings=PortraitSettings(float(facts["expand_ratio"]), int(facts["min_resolution"])),
        crop_box=(float(x), float(y), float(side)),
        scale=float(facts["scale"]),
        colours=Colours(
            **{name: arrays[name] for name in _COLOUR_ARRAYS}, brightness=float(facts["brightness"])
        ),
        fit_error=float(facts["fit_error"]),
        lids_fit=bool(facts["lids_fit"]),
        advice=tuple(str(sentence) for sentence in facts["advice"]),
        **{name: arrays[name] for name in _ARRAYS},
    )
    freeze(identity)
    return identity
