"""A server for measurements: `python -m bench.stage --port P [--fake] [--size 512] [trouble]`.

The real server around the real engine (or the stand-in), with one addition: a white square in the upper left
corner of every picture whose own sound is loud, so that a detector can see which sound a picture shows. And
trouble on request: an engine that stands still now and then, pictures that leave late.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import server.live
import server.player
from bench.trace import traced
from server.run import load_voices, run_app
from server.settings import ServerSettings
from server.standin import fake_identity, plain_portraits
from server.tracks import PictureTrack
from sonic_stream.engine.base import Engine, HopInput, HopResult
from sonic_stream.engine.fake import FakeEngine
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES, Ticks
from sonic_stream.types import U8, Controls, Identity, PortraitSettings

LOUD_RMS = 0.03
_MIDDLE = slice(HOP_SAMPLES // 2 - 80, HOP_SAMPLES // 2 + 80)
MARK_SHARE = 8
"""The square's side is this part of the picture's."""


class MarkedEngine:
    """An engine whose pictures bear the mark, and that may stand still; implements `Engine`."""

    def __init__(
        self,
        engine: Engine,
        stalls_s: Sequence[float] = (),
        stall_s: float = 0.0,
        steps: int | None = None,
    ) -> None:
        self._engine = engine
        self._steps = steps
        self._loud: dict[int, dict[Ticks, bool]] = {}
        self._stalls_s = list(stalls_s)
        self._stall_s = stall_s
        self._began_s: float | None = None

    @property
    def lookahead(self) -> Ticks:
        return self._engine.lookahead

    @property
    def capacity(self) -> int:
        return self._engine.capacity

    @property
    def steps_available(self) -> int:
        return self._engine.steps_available

    def open(self, identity: Identity, controls: Controls) -> int:
        slot = self._engine.open(identity, controls)
        self._loud[slot] = {}
        return slot

    def step(self, batch: Sequence[HopInput]) -> list[HopResult]:
        for hop in batch:
            # Judged by its middle: a sound may begin anywhere in a hop, and is so marked 20 ms too early
            # as often as 20 ms too late.
            middle = hop.samples[_MIDDLE]
            level = float(np.sqrt(np.mean(np.square(middle)))) if len(middle) else 0.0
            self._loud[hop.slot][hop.pts] = level > LOUD_RMS
            if level > LOUD_RMS and self._began_s is None:
                self._began_s = time.monotonic()
        self._stand_still()
        if self._steps is not None:
            batch = [
                replace(hop, controls=replace(hop.controls, inference_steps=self._steps)) for hop in batch
            ]
        return [self._marked(result) for result in self._engine.step(batch)]

    def _stand_still(self) -> None:
        """The stalls count from the first sound."""
        if self._began_s is None or not self._stalls_s:
            return
        if time.monotonic() - self._began_s >= self._stalls_s[0]:
            self._stalls_s.pop(0)
            time.sleep(self._stall_s)

    def _marked(self, result: HopResult) -> HopResult:
        loud = self._loud[result.slot]
        pts = result.video.pts
        for old in [at for at in loud if at < pts - 10 * FRAME_TICKS]:
            del loud[old]
        if not result.video.image.size:
            return result
        image: U8 = result.video.image.copy()
        side = image.shape[1] // MARK_SHARE
        image[:side, :side] = 255 if loud.get(pts) else 0
        return replace(result, video=replace(result.video, image=image))

    def reset(self, slot: int) -> None:
        self._engine.reset(slot)
        self._loud[slot] = {}

    def close(self, slot: int) -> None:
        self._engine.close(slot)
        self._loud.pop(slot, None)


def late_pictures(delay_s: float) -> type[PictureTrack]:
    """A picture track whose pictures leave `delay_s` after their sound."""

    class LatePictures(PictureTrack):
        def put(self, pts: Ticks, picture: U8) -> None:
            asyncio.get_running_loop().call_later(delay_s, super().put, pts, picture)

    return LatePictures


def engine_of(fake: bool, size: int, capacity: int) -> Callable[[], Engine]:
    """Makes the engine on the thread that will own it."""

    def make() -> Engine:
        if fake:
            return FakeEngine(size, capacity=capacity)
        import cv2
        import torch

        from sonic_stream.engine.local import LocalEngine

        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return LocalEngine.load(device="cpu", capacity=capacity)

    return make


def _identify(image: bytes, settings: PortraitSettings) -> Identity:
    from sonic_stream.face import identify

    return identify(image, settings)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stage", description=__doc__)
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--fake", action="store_true", help="a stand-in engine: what the plumbing costs")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--capacity", type=int, default=1, help="sessions at once")
    parser.add_argument("--stall-s", type=float, default=0.0, help="how long the engine stands still ...")
    parser.add_argument("--stall-at", type=float, nargs="*", default=(), help="... seconds after first sound")
    parser.add_argument("--video-delay-ms", type=float, default=0.0, help="pictures leave so much later")
    parser.add_argument("--steps", type=int, help="of the decoder, whatever a session asks for; 0: none")
    parser.add_argument("--trace", type=Path, help="a file for the moments of each sound's way (bench.trace)")
    options = parser.parse_args()
    if options.video_delay_ms:
        # The fault is put in from outside, so that the server has no switch for it.
        player: object = server.player
        setattr(player, "PictureTrack", late_pictures(options.video_delay_ms / 1000))  # noqa: B010
    if options.trace:
        live: object = server.live
        setattr(live, "LiveFace", traced(options.trace))  # noqa: B010
    inner = engine_of(options.fake, options.size, options.capacity)

    def engine() -> Engine:
        return MarkedEngine(inner(), options.stall_at, options.stall_s, options.steps)

    with tempfile.TemporaryDirectory() as folder:
        settings = ServerSettings(
            port=options.port,
            capacity=options.capacity,
            portraits_dir=plain_portraits(Path(folder)) if options.fake else None,
            portrait_settings=PortraitSettings(min_resolution=options.size),
        )
        run_app(settings, engine, fake_identity if options.fake else _identify, load_voices())


if __name__ == "__main__":
    main()
