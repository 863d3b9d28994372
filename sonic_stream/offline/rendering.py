"""A portrait and a sound file -> pictures, or a file of them; memory is flat whatever the length.

The same engine as live, fed hop by hop, without a clock. Pictures are encoded in a second thread while
the next ones are drawn.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Unpack

from sonic_stream.config import Settings, SettingWords, settle
from sonic_stream.engine import HopResult
from sonic_stream.errors import BadInputError
from sonic_stream.media.video import AudioTrack, check_output
from sonic_stream.offline.animate import animate
from sonic_stream.offline.background import Background
from sonic_stream.offline.hops import file_hops, heard_sound
from sonic_stream.offline.job import Job, Note, parse_duration, prepare
from sonic_stream.offline.motion_file import SUFFIXES as MOTION_SUFFIXES
from sonic_stream.offline.motion_file import MotionRecorder, write_motion
from sonic_stream.offline.parts import Parts
from sonic_stream.offline.target import PictureWriter, Target
from sonic_stream.offline.upload import destination
from sonic_stream.offline.upload import upload as send
from sonic_stream.offline.whole_picture import WholePicture
from sonic_stream.types import U8, MotionFrame, VideoFrame

Progress = Callable[[int, int], None]
"""Told (pictures done, pictures in all) after each."""

_DEFAULT_PARTS: Final = Parts()


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What a render made, and where its time went."""

    path: Path
    pictures: int
    fps: int
    wall_s: float
    """From the first check to the finished file."""
    drawing_s: float
    """From the first hop to the finished file."""
    stage_s: Mapping[str, float]
    """Wall seconds by stage: sound (first pass), identity, load, engine, encode (its own thread), and the
    engine's own stages in CPU seconds where it tells them."""

    @property
    def duration_s(self) -> float:
        return self.pictures / self.fps

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
    """The talking picture as a stream: `fps` (25) `VideoFrame`s for each second, made as they are taken.

    `portrait` is a path or the bytes of a PNG, JPEG, WebP, AVIF or HEIC file, `audio` a path; `settings` are
    the command line's words (`dynamic_scale=1.2, min_resolution=768, ...`, see
    `sonic_stream.config.OPTIONS`); `note` is told each sentence of advice. Errors: `SonicError`, when the
    first picture is asked for.
    """
    job = prepare(portrait, audio, settle(settings), parse_duration(duration), motion, parts, note)
    for result in _results(job):
        yield replace(result.video, image=job.whole.lay(result.video.image)) if job.whole else result.video


def render(
    portrait: str | Path | bytes,
    audio: str | Path,
    out: str | Path,
    *,
    duration: float | str | None = None,
    motion: str | Path | None = None,
    write_motion: str | Path | None = None,
    upload: str | None = None,
    note: Note = _silent,
    plan: Note | None = None,
    progress: Progress | None = None,
    parts: Parts = _DEFAULT_PARTS,
    **settings: Unpack[SettingWords],
) -> RenderReport:
    """Writes the talking picture of `portrait` and `audio` to `out`; words as in `pictures`.

    `out` ends in .mp4, .m4v, .mov or .webm, or in "/" for a folder of PNG pictures with their sound. `motion`
    plays a stored motion (.npz) instead of the one the sound asks for; `write_motion` stores the one that is
    shown; `upload` is a web address that the finished file is PUT to, and kept here. `plan` is told in a
    sentence, before the work, how long it will take and how much memory. An error or Ctrl-C leaves no file.
    Errors: `SonicError`.
    """
    chosen, duration_s = settle(settings), parse_duration(duration)
    to = destination(upload, out=out) if upload is not None else None
    report = render_file(
        portrait, audio, out, chosen, duration_s, motion, write_motion, note, progress, parts, plan
    )
    if to is not None:
        send(report.path, to, note=note)
    return report


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
    plan: Note | None = None,
) -> RenderReport:
    """`render` with settings already checked."""
    begin = time.perf_counter()
    target = Target.of(out, settings.output)
    if target.lossless and settings.output.crf is not None:
        note("crf has no effect on PNG pictures, which lose nothing.")
    for source in (portrait, audio):
        if not isinstance(source, bytes) and target.is_file(source):
            raise BadInputError(f"The output '{out}' is one of the inputs; name another file.")
    if motion_out is not None:
        motion_out = check_output(motion_out, MOTION_SUFFIXES)
    job = prepare(portrait, audio, settings, duration_s, motion, parts, note, plan)
    recorder = MotionRecorder() if motion_out is not None else None
    stage_s = dict(job.stage_s)
    drawing = time.perf_counter()
    with contextlib.closing(_results(job, recorder.add if recorder else None)) as made:
        results = _timed(made, stage_s)
        first = next(results)  # tells the size of the pictures
        height, width = job.whole.shape if job.whole else first.video.image.shape[:2]
        track = AudioTrack(heard_sound(job.sound.heard(), job.info.channels, job.length), job.info.channels)
        with target.writer(width, height, track) as writer:
            finish = _laid_and_written(job.whole, writer) if job.whole else writer.write
            with Background[U8](finish, "encode") as encoder:
                for done, result in enumerate(itertools.chain([first], results), start=1):
                    encoder.put(result.video.image)
                    if progress:
                        progress(done, job.count)
            assert writer.pictures == job.count, (writer.pictures, job.count)
            if recorder and isinstance(motion_out, Path):
                write_motion(motion_out, recorder.motion(job.engine.lookahead))
    end = time.perf_counter()
    stage_s["encode"] = encoder.busy_s
    for stage, cpu_s in getattr(job.engine, "stage_s", {}).items():
        stage_s[f"engine.{stage}"] = cpu_s
    return RenderReport(target.path, writer.pictures, target.fps, end - begin, end - drawing, stage_s)


def _laid_and_written(whole: WholePicture, writer: PictureWriter) -> Callable[[U8], None]:
    return lambda square: writer.write(whole.lay(square))


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


def _results(job: Job, on_key: Callable[[MotionFrame], None] | None = None) -> Generator[HopResult]:
    hops = file_hops(job.sound.blocks(), job.length)
    controls, fps = job.settings.controls, job.settings.output.fps
    return animate(job.engine, job.identity, hops, job.count, controls, job.motion, fps, on_key)
