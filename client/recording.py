"""What arrives -> an mp4 whose sound and pictures stand at their media times, to the sample.

Nothing is trusted to arrive in time: every picture and packet carries its instant on the server's clock, and
that is where it goes. Sound that was lost is a silence of its own length. Encoding happens on a thread of the
recorder's own, so that it delays nothing that is being received.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from client.peer import Picture, Sound
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.video import check_output, whole_or_nothing, write_error
from sonic_stream.timebase import FPS, TICK_RATE
from sonic_stream.types import F32

OPUS_DELAY: Final = 312
"""Samples by which sound that went through Opus is late (6.5 ms, RFC 6716 at 20 ms packets)."""
SAME_INSTANT: Final = TICK_RATE // 500
"""Packets whose times differ by less follow each other: reports are rounded."""
LONGEST_HOLE: Final = 60 * TICK_RATE
KEPT_S: Final = 3.0
"""Before `begin` is known this much of the past is kept."""
QUEUE_LIMIT: Final = 1500
_VIDEO_RATE: Final = 90_000
_TOO_SHORT_S: Final = 0.005
"""No picture is worth showing for less: a report that was rounded made it look early."""
_AAC_SAMPLES: Final = 1024


class Recorder:
    """Give it every picture and sound; between `begin` and `finish` they are written.

    Errors: `BadInputError` for the path, from `finish` what went wrong with the disk.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_output(path)
        self._early: deque[Picture | Sound] = deque()
        self._begin_s: float | None = None
        self._end_s = float("inf")
        self._queue: queue.Queue[Picture | Sound | float] = queue.Queue(QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.lost = 0
        """Pictures and packets given up because the disk or the encoder was too slow."""
        self.pictures = 0
        self.seconds = 0.0

    def put(self, item: Picture | Sound) -> None:
        """Anything that arrived; belongs to the event loop."""
        if self._thread is None:
            self._early.append(item)
            while self._early and item.arrived_s - self._early[0].arrived_s > KEPT_S:
                self._early.popleft()
        else:
            self._pass_on(item)

    def begin(self, at_s: float) -> None:
        """The file begins at this instant of the server's clock."""
        if self._thread is not None:
            return
        self._begin_s = at_s
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()
        while self._early:
            self._pass_on(self._early.popleft())

    def _pass_on(self, item: Picture | Sound) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.lost += 1

    def stop_at(self, at_s: float) -> None:
        """Nothing from this instant on is wanted any more; what lies before it may still be on its way."""
        self._end_s = at_s

    def finish(self, at_s: float) -> None:
        """Writes the file, which ends at this instant; blocks until it is there.

        Errors: `BadInputError` when nothing came, `SonicError` when writing failed.
        """
        if self._thread is None:
            raise BadInputError(f"Nothing was recorded, so '{self.path}' was not written.")
        self._queue.put(at_s)
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self.pictures:
            raise BadInputError(f"No picture arrived, so '{self.path}' was not written.")

    def cancel(self) -> None:
        """Leaves no file."""
        if self._thread is not None and self._thread.is_alive():
            self._error = SonicError("cancelled")
            self._queue.put(float("-inf"))
            self._thread.join()

    # -- on the recorder's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        assert self._begin_s is not None
        try:
            with whole_or_nothing(self.path) as temporary:
                film = _Film(temporary, self._begin_s)
                try:
                    self._write(film)
                finally:
                    film.close()
                self.pictures, self.seconds = film.pictures, film.heard / TICK_RATE
                if not self.pictures:
                    raise BadInputError(f"No picture arrived, so '{self.path}' was not written.")
        except OSError as error:
            self._error = write_error(self.path, error)
        except BaseException as error:
            self._error = error

    def _write(self, film: _Film) -> None:
        unknown: deque[Picture | Sound] = deque()  # their times are not known yet
        while True:
            item = self._queue.get()
            if self._error is not None:
                raise self._error
            if isinstance(item, float):
                film.end(item)
                return
            unknown.append(item)
            while unknown and (at_s := unknown[0].at_s) is not None:
                known = unknown.popleft()
                if at_s < self._end_s:
                    film.put(known)


class _Film:
    """The file while it grows."""

    def __init__(self, path: Path, begin_s: float) -> None:
        self._container = av.open(
            f"file:{path}", "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        self._container.metadata["comment"] = "Recorded with Sonic Stream"
        self._begin_s = begin_s
        self._video: Any = None
        self._sound: Any = None
        self._last: Picture | None = None
        self._last_pts = -1
        self._pending: F32 = np.zeros(0, np.float32)
        self._sounds: deque[tuple[int, F32]] = deque()
        self.heard = 0
        """Samples written or waiting to be."""
        self._encoded = 0
        self.pictures = 0

    def put(self, item: Picture | Sound) -> None:
        if item.at_s is None:
            return
        at_s = item.at_s - self._begin_s
        if isinstance(item, Sound):
            self._hear(round(at_s * TICK_RATE) - OPUS_DELAY, item.samples)
        elif at_s < 0:
            self._last = item  # the one that is on show when the film begins
        else:
            self._show_first(at_s)
            self._show(item, round(at_s * _VIDEO_RATE))

    def _show_first(self, at_s: float) -> None:
        if self._last is not None:
            first, self._last = self._last, None
            if at_s > _TOO_SHORT_S:
                self._show(first, 0)

    def _show(self, picture: Picture, pts: int) -> None:
        if pts <= self._last_pts:
            return
        frame = picture.frame
        if self._video is None:
            self._open(frame.width, frame.height)
        if (frame.width, frame.height) != (self._video.width, self._video.height):
            frame = frame.reformat(self._video.width, self._video.height)
        copy = av.VideoFrame.from_ndarray(frame.to_ndarray(format="yuv420p"), format="yuv420p")
        copy.pts, copy.time_base = pts, Fraction(1, _VIDEO_RATE)
        self._mux(self._video.encode(copy))
        self._last_pts = pts
        self.pictures += 1

    def _open(self, width: int, height: int) -> None:
        self._video = self._container.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": "18", "profile": "high"}
        )
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        context = self._video.codec_context
        context.time_base = Fraction(1, _VIDEO_RATE)
        # The live picture is BT.601 in limited range, and the file says so.
        context.color_primaries = context.color_trc = context.colorspace = 6
        context.color_range = 1
        self._sound = self._container.add_stream("aac", rate=TICK_RATE, layout="mono")
        self._sound.bit_rate = 160_000

    def _hear(self, at: int, samples: F32) -> None:
        """`samples` belong at sample `at` of the film."""
        if at + len(samples) <= self.heard or at - self.heard > LONGEST_HOLE:
            return
        if abs(at - self.heard) > SAME_INSTANT:
            if at < self.heard:
                samples = samples[self.heard - at :]
            else:
                samples = np.concatenate([np.zeros(at - self.heard, np.float32), samples])
        self._pending = np.concatenate([self._pending, samples])
        self.heard += len(samples)
        if self._video is not None:  # the streams of a file are fixed before its first packet
            self._encode_sound(last=False)

    def _encode_sound(self, last: bool) -> None:
        while len(self._pending) >= _AAC_SAMPLES or (last and len(self._pending)):
            block, self._pending = self._pending[:_AAC_SAMPLES], self._pending[_AAC_SAMPLES:]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1).copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = TICK_RATE, self._encoded
            frame.time_base = Fraction(1, TICK_RATE)
            self._encoded += len(block)
            self._mux(self._sound.encode(frame))

    def end(self, at_s: float) -> None:
        """Cuts or fills the sound to the end and writes what is left."""
        length = max(0, round((at_s - self._begin_s) * TICK_RATE))
        self._show_first(1.0)
        if self._video is None:
            return
        surplus = self.heard - length
        if surplus > 0:
            self._pending = self._pending[: max(0, len(self._pending) - surplus)]
        else:
            self._pending = np.concatenate([self._pending, np.zeros(-surplus, np.float32)])
        self._encode_sound(last=True)
        self.heard = self._encoded
        self._mux(self._sound.encode(None))
        self._mux(self._video.encode(None))

    def _mux(self, packets: Iterable[av.Packet[Any]]) -> None:
        for packet in packets:
            self._container.mux(packet)

    def close(self) -> None:
        self._container.close()
