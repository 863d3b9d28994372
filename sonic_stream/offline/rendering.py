"""A portrait and a sound file -> pictures, or an mp4; memory is flat whatever the length.

The same engine as live, fed hop by hop, without a clock. Pictures are encoded in a second thread while
the next ones are drawn.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Unpack

from sonic_stream.config import Settings, SettingWords, settle
from sonic_stream.engine import HopResult
from sonic_stream.errors import BadInputError
from sonic_stream.media.video import AudioTrack, VideoWriter, check_output
from sonic_stream.offline.animate import animate
from sonic_stream.offline.background import Background
from sonic_stream.offline.hops import file_hops, heard_sound
from sonic_stream.offline.job import Job, Note, parse_duration, prepare
from sonic_stream.offline.motion_file import SUFFIXES as MOTION_SUFFIXES
from sonic_stream.offline.motion_file import MotionRecorder, write_motion
from sonic_stream.offline.parts import Parts
from sonic_stream.timebase import FPS
from sonic_stream.types import U8, VideoFrame

Progress = Callable[[int, int], None]
"""Told (pictures done, pictures in all) after each."""

_DEFAULT_PARTS: Final = Parts()


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What a render made, and where its time went."""

    path: Path
    pictures: int
    wall_s: float
    """From the first check to the finished file."""
    drawing_s: float
    """From the first hop to the finished file."""
    stage_s: Mapping[str, float]
    """Wall seconds by stage: sound (first pass), identity, load, engine, encode (its own thread), and the
    engine's own stages in CPU seconds where it tells them."""

    @property
    def duration_s(self) -> float:
        return self.pictures / FPS

    @property
    def realtime_factor(self) -> float:
        """Seconds of picture for each second of drawing; above 1 is faster than real time."""
        return self.duration_s / self.drawing_s


def _silent(_: str) -> None:
    return None


def pictures(
    portrait: str | Path | bytes,
    audio: str | Path,
    *,
    duration: float | str | None = None,
    motion: str | Path | None = None,
    note: Note = _silent,
    parts: Parts = _DEFAULT_PARTS,
    **settings: Unpack[SettingWords],
) -> Iterator[VideoFrame]:
    """The talking picture as a stream: 25 `VideoFrame`s for each second, made as they are taken.

    `portrait` is a path or the bytes of a PNG, JPEG or WebP file, `audio` a path; `settings` are the
    command line's words (`dynamic_scale=1.2, min_resolution=768, ...`, see `sonic_stream.config.OPTIONS`);
    `note` is told each sentence of advice. Errors: `SonicError`, when the first picture is asked for.
    """
    job = prepare(portrait, audio, settle(settings), parse_duration(duration), motion, parts, note)
    for result in _results(job):
        yield result.video


def render(
    portrait: str | Path | bytes,
    audio: str | Path,
    out: str | Path,
    *,
    duration: float | str | None = None,
    motion: str | Path | None = None,
    write_motion: str | Path | None = None,
    note: Note = _silent,
    progress: Progress | None = None,
    parts: Parts = _DEFAULT_PARTS,
    **settings: Unpack[SettingWords],
) -> RenderReport:
    """Writes the talking picture of `portrait` and `audio` to the mp4 `out`; words as in `pictures`.

    `motion` plays a stored motion (.npz) instead of the one the sound asks for; `write_motion` stores the
    one that is shown. An error or Ctrl-C leaves no file. Errors: `SonicError`.
    """
    chosen, duration_s = settle(settings), parse_duration(duration)
    return render_file(portrait, audio, out, chosen, duration_s, motion, write_motion, note, progress, parts)


def render_file(
    portrait: str | Path | bytes,
    audio: str | Path,
    out: str | Path,
    settings: Settings,
    duration_s: float | None = None,
    motion: str | Path | None = None,
    motion_out: str | Path | None = None,
    note: Note = _silent,
    progress: Progress | None = None,
    parts: Parts = _DEFAULT_PARTS,
) -> RenderReport:
    """`render` with settings already checked."""
    begin = time.perf_counter()
    out = check_output(out)
    for source in (portrait, audio):
        if not isinstance(source, bytes) and out.exists() and Path(source).exists() and out.samefile(source):
            raise BadInputError(f"The output '{out}' is one of the inputs; name another file.")
    if motion_out is not None:
        motion_out = check_output(motion_out, MOTION_SUFFIXES)
    job = prepare(portrait, audio, settings, duration_s, motion, parts, note)
    recorder = MotionRecorder() if motion_out is not None else None
    stage_s = dict(job.stage_s)
    drawing = time.perf_counter()
    with contextlib.closing(_results(job)) as made:
        results = _timed(made, stage_s)
        first = next(results)  # tells the size of the pictures
        height, width = first.video.image.shape[:2]
        track = AudioTrack(heard_sound(job.sound.heard(), job.info.channels, job.length), job.info.channels)
        with VideoWriter(out, width, height, FPS, track) as writer:
            with Background[U8](writer.write, "encode") as encoder:
                for done, result in enumerate(itertools.chain([first], results), start=1):
                    encoder.put(result.video.image)
                    if recorder:
                        recorder.add(result.motion)
                    if progress:
                        progress(done, job.count)
            assert writer.pictures == job.count, (writer.pictures, job.count)
            if recorder and isinstance(motion_out, Path):
                write_motion(motion_out, recorder.motion(job.engine.lookahead))
    end = time.perf_counter()
    stage_s["encode"] = encoder.busy_s
    for stage, cpu_s in getattr(job.engine, "stage_s", {}).items():
        stage_s[f"engine.{stage}"] = cpu_s
    return RenderReport(out, writer.pictures, end - begin, end - drawing, stage_s)


def _timed(results: Iterator[HopResult], stage_s: dict[str, float]) -> Iterator[HopResult]:
    """`results`, with the time their making takes added to stage "engine"."""
    stage_s["engine"] = 0.0
    while True:
        begin = time.perf_counter()
        result = next(results, None)
        stage_s["engine"] += time.perf_counter() - begin
        if result is None:
            return
        yield result


def _results(job: Job) -> Generator[HopResult]:
    hops = file_hops(job.sound.blocks(), job.length)
    return animate(job.engine, job.identity, hops, job.count, job.settings.controls, job.motion)
