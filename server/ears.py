"""The user's microphone in assistant mode: when the user speaks, and what was said as sound.

The network that tells speech from noise runs on one thread for all sessions; a session keeps at most a
few hops waiting for it, the oldest is left out when there are more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from sonic_stream.errors import SonicError
from sonic_stream.media.resample import StreamResampler
from sonic_stream.motion.hearing import SpeechMeter
from sonic_stream.stream.barge import Turn, UserVoice
from sonic_stream.timebase import HOP_SAMPLES, MODEL_RATE_HZ, TICK_RATE
from sonic_stream.types import F32

logger = logging.getLogger(__name__)

BEFORE_HOPS = 12
"""Sound kept from before speech was certain (480 ms), so that its first syllable is not lost."""
LONGEST_UTTERANCE_HOPS = 25 * 60
WAITING_HOPS = 12


class Meter(Protocol):
    """What hears speech, see `SpeechMeter`."""

    def reset(self, ear: int) -> None: ...
    def step(self, ear: int, hop: F32) -> float: ...


class Hearing:
    """Owns the network and its thread; loads it when the first microphone is heard."""

    def __init__(self, capacity: int, load: Callable[[int], Meter] = SpeechMeter.load) -> None:
        self._capacity, self._load = capacity, load
        self._worker: ThreadPoolExecutor | None = None
        self._meter: Meter | None = None
        self._free = list(range(capacity))
        self.problem = ""

    def take(self) -> int:
        """An ear of one's own, until `leave`."""
        return self._free.pop()

    def leave(self, ear: int) -> None:
        self._free.append(ear)

    async def chance(self, ear: int, hop: F32, first: bool) -> float:
        """See `SpeechMeter.step`; `first` begins anew. Errors: `SonicError` where it cannot be loaded."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="hearing")
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._step, ear, hop, first)

    def _step(self, ear: int, hop: F32, first: bool) -> float:
        if self._meter is None:
            self._meter = self._load(self._capacity)
        if first:
            self._meter.reset(ear)
        return self._meter.step(ear, hop)

    async def close(self) -> None:
        if self._worker is not None:
            await asyncio.to_thread(self._worker.shutdown, True, cancel_futures=True)


class Ears:
    """One session's; `on_begin()` and `on_end(sound)` tell of the user's speech, float32 [N] at 16 kHz."""

    def __init__(self, hearing: Hearing, on_begin: Callable[[], None], on_end: Callable[[F32], None]) -> None:
        self._hearing, self._on_begin, self._on_end = hearing, on_begin, on_end
        self.voice = UserVoice()
        self._to_model: dict[int, StreamResampler] = {}
        self._played_to_model = StreamResampler(TICK_RATE, MODEL_RATE_HZ)
        self._heard: F32 = np.zeros(0, np.float32)
        self._played: F32 = np.zeros(0, np.float32)
        self._waiting: deque[tuple[F32, F32]] = deque(maxlen=WAITING_HOPS)
        self._arrived = asyncio.Event()
        self._kept: deque[F32] = deque(maxlen=BEFORE_HOPS)
        self._utterance: list[F32] = []
        self._task: asyncio.Task[None] | None = None

    def played(self, samples: F32) -> None:
        """What goes to the listener now, float32 [N] at 48 kHz."""
        if self._task is not None:
            resampled = self._played_to_model.push(samples)
            # What is older than two hops reached the listener long ago.
            self._played = np.concatenate([self._played, resampled])[-2 * HOP_SAMPLES :]

    def hear(self, samples: F32, rate_hz: int) -> None:
        """What the microphone hears now, float32 [N] mono."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ears")
        if rate_hz not in self._to_model:
            self._to_model = {rate_hz: StreamResampler(rate_hz, MODEL_RATE_HZ)}
        self._heard = np.concatenate([self._heard, self._to_model[rate_hz].push(samples)])
        while len(self._heard) >= HOP_SAMPLES:
            hop, self._heard = self._heard[:HOP_SAMPLES].copy(), self._heard[HOP_SAMPLES:]
            played, self._played = self._played[:HOP_SAMPLES], self._played[HOP_SAMPLES:]
            self._waiting.append((hop, np.pad(played, (HOP_SAMPLES - len(played), 0))))
            self._arrived.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        ear, first = self._hearing.take(), True
        try:
            while True:
                while not self._waiting:
                    self._arrived.clear()
                    await self._arrived.wait()
                hop, played = self._waiting.popleft()
                chance = await self._hearing.chance(ear, hop, first)
                first = False
                self._judge(hop, self.voice.hear(hop, played, chance))
        except SonicError as error:
            self._hearing.problem = str(error)
            logger.warning("the user cannot be heard: %s", error)
        except Exception:
            logger.exception("the user cannot be heard")
        finally:
            self._hearing.leave(ear)

    def _judge(self, hop: F32, turn: Turn | None) -> None:
        self._kept.append(hop)
        if turn is Turn.BEGINS:
            self._utterance = list(self._kept)
            self._on_begin()
        elif self._utterance and len(self._utterance) < LONGEST_UTTERANCE_HOPS:
            self._utterance.append(hop)
        if turn is Turn.ENDS:
            said, self._utterance = self._utterance, []
            self._on_end(np.concatenate(said))
