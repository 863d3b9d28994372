"""What a job will need, told before it starts: memory, and time on this machine.

The figures were measured (`python -m bench.offline`) on two cores of an AMD EPYC (Zen 4); a short exercise
tells how much faster or slower this machine is. Times are good to about a third, on a machine without other
work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sonic_stream.config import RESOLUTIONS, OutputSettings
from sonic_stream.errors import BadInputError
from sonic_stream.timebase import FPS

MB: Final = 2**20
_VOICE_BYTES: Final = 150_000_000
"""The voice's network, ONNX Runtime, the encoder at rest; torch is in what painting needs."""
_BYTES_PER_PIXEL: Final = 60
"""Of the square: pictures that wait to be encoded, and the encoder's own."""
_BYTES_PER_WHOLE_PIXEL: Final = 100
"""Of a whole portrait that the square is laid into, its encoder included."""
_HEARD_S: Final = 0.003
"""For a picture at 25 a second: the voice."""
_PAINTED_S: Final[Mapping[int, float]] = {384: 0.019, 512: 0.024, 768: 0.027, 1024: 0.035}
"""For each picture: drawing it with one step of the decoder, with encoding beside it."""
_STEP_S: Final = 0.009
"""For each picture and each further step, about the same at every size."""
_WHOLE_S_PER_MEGAPIXEL: Final = 0.045
_START_S: Final = 3.5
"""Loading, and a portrait that is new."""
_EXERCISE_S: Final = 0.0006
"""The exercise on the machine the figures come from."""
_SPARE: Final = 0.9
"""Share of the free memory that may be used."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one job needs."""

    pictures: int
    memory_bytes: int
    seconds: float

    def sentence(self) -> str:
        """For the user, before the work begins."""
        return (
            f"{self.pictures} pictures will take about {_span(self.seconds)} and "
            f"{self.memory_bytes / 2**30:.1f} GB of memory."
        )


def memory_needed(resolution: int, whole_pixels: int = 0) -> int:
    """Resident bytes of a render at `resolution`, laid into a portrait of `whole_pixels` (0: not laid)."""
    from sonic_stream.picture.estimate import memory_needed as painting

    beside = _VOICE_BYTES + _BYTES_PER_PIXEL * resolution**2 + _BYTES_PER_WHOLE_PIXEL * whole_pixels
    return painting(resolution) + beside


def available_memory() -> int | None:
    """Bytes this process may still grow to, what it holds included; None where the system does not tell."""
    try:
        meminfo = Path("/proc/meminfo").read_text()
        held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        free = next(int(line.split()[1]) * 1024 for line in meminfo.splitlines() if "MemAvailable" in line)
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    limits = [free, *_container_limits()]
    return min(limits) + held


def _container_limits() -> list[int]:
    """What a container's limit (cgroup 2 or 1) leaves free."""
    found = []
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit = (Path("/sys/fs/cgroup") / most).read_text().strip()
            usage = (Path("/sys/fs/cgroup") / used).read_text().strip()
            if limit.isdigit() and int(limit) < 1 << 60:
                found.append(max(int(limit) - int(usage), 0))
        except (OSError, ValueError):
            continue
    return found


def estimate(
    count: int,
    resolution: int,
    output: OutputSettings,
    whole_pixels: int = 0,
    pace: float = 1.0,
    steps: int = 1,
) -> Estimate:
    """What `count` pictures of `steps` steps need; `pace` is this machine's time over the measured one's."""
    heard = count * FPS / output.fps * _HEARD_S
    whole = _WHOLE_S_PER_MEGAPIXEL * whole_pixels / 1e6 if output.keep_resolution else 0.0
    drawn = count * (_PAINTED_S[resolution] + (steps - 1) * _STEP_S + whole)
    pixels = whole_pixels if output.keep_resolution else 0
    return Estimate(count, memory_needed(resolution, pixels), pace * (_START_S + heard + drawn))


def refuse_if_too_large(resolution: int, available: int | None, whole_pixels: int = 0) -> None:
    """Errors: `BadInputError` naming the size that would fit, when `available` bytes are too few."""
    if available is None:
        return
    usable = int(_SPARE * available)
    if memory_needed(resolution, whole_pixels) <= usable:
        return
    need_gb, free_gb = (n / 2**30 for n in (memory_needed(resolution, whole_pixels), usable))
    fitting = [size for size in RESOLUTIONS if memory_needed(size, whole_pixels) <= usable]
    if fitting:
        what = f"use --min-resolution {fitting[-1]}, which fits"
    elif whole_pixels and memory_needed(resolution) <= usable:
        what = "leave out --keep-resolution, or give a smaller portrait"
    else:
        what = f"not even {RESOLUTIONS[0]} fits: close other programs first"
    raise BadInputError(
        f"Pictures of {resolution} pixels need about {need_gb:.1f} GB of memory, and {free_gb:.1f} GB are"
        f" free; {what}."
    )


def machine_pace() -> float:
    """How many times longer than on the measured machine a short exercise takes here (some milliseconds)."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 255, 1 << 18).astype(np.float32)
    places = rng.integers(0, len(values), len(values))
    best = np.inf
    for _ in range(12):
        begin = time.thread_time()
        (values[places] * np.float32(0.5) + values).astype(np.uint8)
        np.exp(values * np.float32(0.01)).sum()
        best = min(best, time.thread_time() - begin)
    return float(np.clip(best / _EXERCISE_S, 0.2, 10))


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
