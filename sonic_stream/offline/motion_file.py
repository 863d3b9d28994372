"""Motion on disk (.npz): what a face does, 25 times a second, apart from any portrait.

Arrays: `t` s [T], `channels` names [M], `coeffs` float32 [T, M], `aperture` float32 [T] (gap of the inner
lips over face height), `lookahead_s` (how much later sound each row may have heard).
"""

from __future__ import annotations

import errno
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sonic_stream.config import nearest
from sonic_stream.errors import BadInputError
from sonic_stream.media.video import whole_or_nothing, write_error
from sonic_stream.timebase import FPS, FRAME_TICKS, TICK_RATE, Ticks, seconds
from sonic_stream.types import CHANNEL_INDEX, CHANNELS, F32, MotionFrame

SUFFIXES: Final = (".npz",)
MAX_BYTES: Final = 512 * 1024 * 1024
_SPEAKING_APERTURE: Final = 0.01


@dataclass(frozen=True, slots=True)
class StoredMotion:
    """`coeffs` float32 [T, len(CHANNELS)], row i for the picture at i / 25 s."""

    coeffs: F32
    lookahead: Ticks = 0

    @property
    def duration_s(self) -> float:
        return len(self.coeffs) / FPS

    def frame(self, picture: int) -> MotionFrame | None:
        """The motion of picture number `picture`; None past the end."""
        if picture >= len(self.coeffs):
            return None
        coeffs = self.coeffs[max(picture, 0)]
        speaking = float(coeffs[CHANNEL_INDEX["aperture"]] > _SPEAKING_APERTURE)
        return MotionFrame(picture * FRAME_TICKS, coeffs, speaking)


class MotionRecorder:
    """Collects motion frames in order. A row takes 120 bytes, so an hour takes 11 MB."""

    def __init__(self) -> None:
        self._rows: list[F32] = []

    def add(self, frame: MotionFrame) -> None:
        assert frame.pts == len(self._rows) * FRAME_TICKS, "motion frames come in order, without a gap"
        self._rows.append(np.array(frame.coeffs, np.float32))

    def motion(self, lookahead: Ticks) -> StoredMotion:
        return StoredMotion(np.array(self._rows, np.float32).reshape(-1, len(CHANNELS)), lookahead)


def write_motion(path: Path, motion: StoredMotion) -> None:
    """Writes `motion` to `path`, whole or not at all. Errors: `SonicError` (disk full, ...)."""
    arrays: dict[str, Any] = {
        "t": np.arange(len(motion.coeffs)) * (FRAME_TICKS / TICK_RATE),
        "channels": np.array(CHANNELS),
        "coeffs": motion.coeffs,
        "aperture": motion.coeffs[:, CHANNEL_INDEX["aperture"]],
        "lookahead_s": np.float64(seconds(motion.lookahead)),
    }
    with whole_or_nothing(path) as temporary:
        try:
            with temporary.open("xb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
        except OSError as error:
            raise write_error(path, error) from error


def read_motion(path: str | Path) -> StoredMotion:
    """The motion in `path`, brought to 25 rows a second from its own times `t`.

    Channels the file does not have rest at 0. Errors: `BadInputError` that says what is wrong with it.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if sum(entry.file_size for entry in arrays.zip.infolist()) > MAX_BYTES:
                raise BadInputError(f"The motion '{path}' holds over 512 MB; that is no motion file.")
            missing = {"t", "channels", "coeffs"} - set(arrays.files)
            if missing:
                raise BadInputError(f"The motion '{path}' has no {' and '.join(sorted(missing))}; {_WANTED}.")
            times = np.asarray(arrays["t"], np.float64)
            names = [str(name) for name in np.atleast_1d(arrays["channels"])]
            coeffs = np.asarray(arrays["coeffs"], np.float32)
            lookahead_s = float(arrays["lookahead_s"]) if "lookahead_s" in arrays.files else 0.0
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise BadInputError(f"There is no motion file '{path}'.") from None
        raise BadInputError(f"The motion '{path}' cannot be read ({error.strerror or error}).") from None
    except _BROKEN as error:
        raise BadInputError(f"'{path}' is not a motion file ({type(error).__name__}); {_WANTED}.") from None
    _check(path, times, names, coeffs)
    count = round((times[-1] - times[0]) * FPS) + 1
    wanted = times[0] + np.arange(count) / FPS
    rows = np.zeros((count, len(CHANNELS)), np.float32)
    for column, name in enumerate(names):
        rows[:, CHANNEL_INDEX[name]] = np.interp(wanted, times, coeffs[:, column])
    return StoredMotion(rows, round(lookahead_s * TICK_RATE))


# What numpy and zipfile raise for files that are damaged or not theirs.
_BROKEN: Final = (
    ValueError, EOFError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_WANTED: Final = "an .npz made by `sonic-stream motion` or `--write-motion` is needed"


def _check(path: Path, times: np.ndarray, names: list[str], coeffs: F32) -> None:
    if coeffs.ndim != 2 or coeffs.shape != (len(times), len(names)) or times.ndim != 1 or not len(times):
        raise BadInputError(
            f"The motion '{path}' does not fit together: t has shape {times.shape}, coeffs {coeffs.shape}, "
            f"and there are {len(names)} channels."
        )
    for name in names:
        if name not in CHANNEL_INDEX:
            hint = nearest(name, CHANNELS) or f"; there are {', '.join(CHANNELS)}"
            raise BadInputError(f"The motion '{path}' has an unknown channel '{name}'{hint}")
    if not (np.isfinite(coeffs).all() and np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise BadInputError(
            f"The motion '{path}' holds values that are not numbers, or times that do not grow."
        )
    if (times[-1] - times[0]) * FPS > 50 * len(times):
        raise BadInputError(f"The motion '{path}' has rows too far apart; about {FPS} a second are needed.")
