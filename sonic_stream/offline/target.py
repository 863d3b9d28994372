"""Where a render goes: a video file, by its ending, or a folder of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sonic_stream.config import OutputSettings
from sonic_stream.media.picture_folder import PictureFolder, check_folder, is_folder
from sonic_stream.media.video import AudioTrack, VideoWriter, check_crf, check_output
from sonic_stream.types import U8


class PictureWriter(Protocol):
    """What takes pictures, one after the other, and leaves everything or nothing."""

    pictures: int

    def __enter__(self) -> Self: ...

    def write(self, image: U8) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A checked output."""

    path: Path
    lossless: bool
    fps: int
    crf: int | None

    @classmethod
    def of(cls, out: str | Path, output: OutputSettings) -> Target:
        """Errors: `BadInputError` for a path that cannot be written, or a crf its format does not have."""
        if is_folder(out):
            return cls(check_folder(out), True, output.fps, None)
        path = check_output(out)
        return cls(path, False, output.fps, check_crf(path, output.crf))

    def is_file(self, source: str | Path) -> bool:
        """Whether the output would take the place of the file `source`."""
        return self.path.exists() and Path(source).exists() and self.path.samefile(source)

    def writer(self, width: int, height: int, track: AudioTrack) -> PictureWriter:
        """A writer of pictures of that size with their sound."""
        if self.lossless:
            return PictureFolder(self.path, width, height, self.fps, track)
        return VideoWriter(self.path, width, height, self.fps, track, self.crf)
