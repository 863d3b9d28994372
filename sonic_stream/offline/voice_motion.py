"""A sound file -> the motion it asks for, without any portrait."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sonic_stream.config import Settings
from sonic_stream.media.audio import open_audio
from sonic_stream.media.video import check_output
from sonic_stream.offline.bundled import voice_path
from sonic_stream.offline.hops import file_hops
from sonic_stream.offline.job import Note, picture_count
from sonic_stream.offline.motion_file import SUFFIXES, MotionRecorder, StoredMotion, write_motion
from sonic_stream.offline.parts import Parts
from sonic_stream.offline.rendering import Progress
from sonic_stream.timebase import FRAME_TICKS

_SLOT: Final = 0


def voice_motion_file(
    audio: str | Path,
    out: str | Path,
    settings: Settings,
    duration_s: float | None,
    note: Note,
    progress: Progress | None,
    parts: Parts,
) -> StoredMotion:
    """Writes the motion that `audio` asks for to the .npz `out`, 25 rows a second.

    Errors: `SonicError` for an unusable sound or output; nothing half-written is left.
    """
    out = check_output(out, SUFFIXES)
    for sentence in settings.notes:
        note(sentence)
    sound = open_audio(voice_path(audio))
    info = sound.check()
    for sentence in info.notes:
        note(sentence)
    count = picture_count(info, duration_s)
    model = parts.voice_model()
    model.reset(_SLOT, settings.controls.seed)
    recorder = MotionRecorder()
    hops = file_hops(sound.blocks(), count * FRAME_TICKS)
    for number in range(count + model.lookahead // FRAME_TICKS):
        frame = model.step([_SLOT], [number * FRAME_TICKS], next(hops)[None], [settings.controls])[0]
        if frame.pts >= 0:
            recorder.add(frame)
            if progress:
                progress(frame.pts // FRAME_TICKS + 1, count)
    motion = recorder.motion(model.lookahead)
    write_motion(out, motion)
    return motion
