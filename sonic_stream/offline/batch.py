"""Many portraits and voices through one engine, resumable.

Every row is an ordinary render in a thread of its own; their pictures are made in lockstep by one engine
(`batch_lockstep`). A row that fails is told and written down, and the others go on. What is done is known
from the manifest, so that a batch that was killed goes on where it was.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from sonic_stream import __version__
from sonic_stream.engine import Engine
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.media.image import read_image_bytes
from sonic_stream.offline.batch_jobs import Row, hash_of
from sonic_stream.offline.batch_lockstep import SharedEngine, Stopped
from sonic_stream.offline.batch_manifest import NAME, Manifest, Record, is_full, read_records
from sonic_stream.offline.parts import Parts
from sonic_stream.offline.rendering import render_file

USUAL_JOBS: Final = 2
MAX_JOBS: Final = 64

_log = logging.getLogger(__name__)

Kind = Literal["begin", "progress", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a row: it began, is at picture `done` of `total`, or ended with `text`."""

    kind: Kind
    row: Row
    done: int = 0
    total: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """How a batch ended."""

    done: int
    kept: int
    """Done before, and not made again."""
    failed: int
    pictures: int
    wall_s: float
    steps: int
    hops: int
    """Hops over steps is how many faces shared a step, on average."""


def batch_engine(device: str, jobs: int) -> Engine:
    """The engine of this machine with a slot for each job."""
    from sonic_stream.engine.local import LocalEngine
    from sonic_stream.offline.parts import _one_thread

    _one_thread()
    return LocalEngine.load(device=device, capacity=jobs)


@cache
def versions() -> dict[str, str]:
    """What made a result: the program's version and the hashes of its weights."""
    weights = Path(__file__).parent.parent / "weights"
    found = {path.stem: hash_of(path)[:12] for path in sorted(weights.glob("*.safetensors"))}
    return {"sonic_stream": __version__, **found}


def check_folder(folder: str | Path, resume: bool) -> Path:
    """`folder`, made if need be. Errors: `BadInputError` when it holds a batch and `resume` is not asked."""
    folder = Path(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise BadInputError(f"The output '{folder}' is a file; a folder is needed.")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"The folder '{folder}' cannot be made ({error.strerror}).") from None
    if (folder / NAME).exists() and not resume:
        raise BadInputError(
            f"'{folder}' already holds a batch ({len(read_records(folder / NAME))} rows); go on with it by "
            "--resume, or name another folder."
        )
    return folder


def is_done(row: Row, record: Record | None, folder: Path) -> bool:
    """Whether `record` says that this very row is done, and its file is there whole."""
    if record is None or record.get("status") != "done" or record.get("fingerprint") != row.fingerprint():
        return False
    path = folder / row.output
    return path.is_file() and path.stat().st_size == record.get("bytes")


def _done_before(rows: Sequence[Row], records: Iterable[Record], folder: Path) -> dict[int, Record]:
    """The records of rows that are done, by the rows' present numbers: a list may grow in its middle."""
    known = {record.get("fingerprint"): record for record in records}
    found = {row.number: known.get(row.fingerprint()) for row in rows if not row.problem}
    return {
        row.number: {**record, "row": row.number}
        for row in rows
        if (record := found.get(row.number)) is not None and is_done(row, record, folder)
    }


def run_batch(
    rows: Sequence[Row],
    folder: Path,
    *,
    jobs: int = USUAL_JOBS,
    device: str = "auto",
    on_event: Callable[[Event], None] | None = None,
    parts: Parts | None = None,
) -> BatchReport:
    """Renders `rows` into `folder`, `jobs` at a time; those that the manifest there calls done are kept.

    Errors: `SonicError` when the disk is full or the engine cannot start: what was done stays done. Ctrl-C
    leaves whole files only.
    """
    begin = time.perf_counter()
    with Manifest(folder) as manifest:
        _remove_leftovers(rows, folder)
        done = _done_before(rows, manifest.records.values(), folder)
        kept, to_do = len(done), [row for row in rows if row.number not in done]
        if done != manifest.records:
            manifest.records = done
            manifest.tidy()
        broken = [row for row in to_do if row.problem]
        whole = [row for row in to_do if not row.problem]
        for row in broken:
            manifest.add(_record(row, "failed", error=row.problem))
            if on_event:
                on_event(Event("failed", row, text=row.problem))
        jobs = max(1, min(jobs, len(whole)))
        run = _Run(manifest, folder, iter(whole), parts or Parts(), on_event)
        steps = hops = 0
        if whole:
            make = (lambda: parts.engine(device)) if parts else (lambda: batch_engine(device, jobs))
            with SharedEngine(make) as engine:
                run.all_rows(engine, min(jobs, engine.capacity))
                steps, hops = engine.steps, engine.hops
        with contextlib.suppress(SonicError) if run.stop_reason else contextlib.nullcontext():
            manifest.tidy()
    if run.stop_reason is not None:
        left = len(whole) - run.done - run.failed
        raise SonicError(
            f"{run.stop_reason} {run.done + kept} rows are done and {left} are left; make room and go on with"
            " --resume."
        ) from run.stop_reason
    wall_s = time.perf_counter() - begin
    return BatchReport(run.done, kept, run.failed + len(broken), run.pictures, wall_s, steps, hops)


class _Run:
    """One run over the rows that are left; the main thread alone writes the manifest and tells events."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        rows: Iterator[Row],
        parts: Parts,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._manifest, self._folder, self._rows, self._parts = manifest, folder, rows, parts
        self._on_event = on_event
        self._take = threading.Lock()
        self._events: queue.SimpleQueue[tuple[Event, Record | None] | BaseException | None] = (
            queue.SimpleQueue()
        )
        self.done = self.failed = self.pictures = 0
        self.stop_reason: SonicError | None = None

    def all_rows(self, engine: SharedEngine, jobs: int) -> None:
        workers = [
            threading.Thread(target=self._work, args=(engine,), name=f"row {i}", daemon=True)
            for i in range(jobs)
        ]
        for worker in workers:
            worker.start()
        try:
            self._listen(len(workers))
        except BaseException:
            engine.stop()
            raise
        finally:
            self._end(engine, workers)

    def _listen(self, workers: int) -> None:
        while workers:
            item = self._events.get()
            if item is None:
                workers -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                event, record = item
                if record is not None:
                    self._manifest.add(record)
                if event.kind == "done":
                    self.done += 1
                    self.pictures += event.total
                elif event.kind == "failed":
                    self.failed += 1
                if self._on_event:
                    self._on_event(event)

    def _end(self, engine: SharedEngine, workers: list[threading.Thread]) -> None:
        """Waits for all workers, also through further Ctrl-C: their files must be closed."""
        while any(worker.is_alive() for worker in workers):
            try:
                for worker in workers:
                    worker.join()
            except KeyboardInterrupt:
                engine.stop()

    def _next(self) -> Row | None:
        with self._take:
            return None if self.stop_reason else next(self._rows, None)

    def _work(self, engine: SharedEngine) -> None:
        try:
            while (row := self._next()) is not None:
                self._events.put((Event("begin", row), None))
                try:
                    record = self._render(row, engine)
                except SonicError as error:
                    if is_full(error):
                        self.stop_reason = error
                        continue
                    record = _record(row, "failed", error=str(error))
                    self._events.put((Event("failed", row, text=str(error)), record))
                except Stopped:
                    raise
                except Exception as fault:  # a fault of ours in one row must not take the others with it
                    _log.exception("row %d", row.number)
                    error_text = f"An internal fault stopped this row ({type(fault).__name__}: {fault})."
                    record = _record(row, "failed", error=error_text)
                    self._events.put((Event("failed", row, text=error_text), record))
                else:
                    total = record["pictures"]
                    self._events.put((Event("done", row, total, total), record))
        except Stopped:
            pass
        except BaseException as failure:  # a fault of ours: raised in the main thread
            self._events.put(failure)
        finally:
            self._events.put(None)

    def _render(self, row: Row, engine: SharedEngine) -> Record:
        assert row.settings is not None
        started = datetime.now(UTC).isoformat(timespec="seconds")
        notes: list[str] = []
        # Read once: what is hashed is what is rendered, whatever becomes of the file meanwhile.
        image = read_image_bytes(row.portrait)
        _refuse_change(row.portrait, hash_of(row.portrait) != row.portrait_hash)
        _refuse_change(row.audio, hash_of(row.audio) != row.audio_hash)
        out = self._folder / row.output
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(f"The folder '{out.parent}' cannot be made ({error.strerror}).") from error
        report = render_file(
            image, row.audio, out, row.settings, row.duration_s, note=notes.append,
            progress=lambda done, total: self._events.put((Event("progress", row, done, total), None)),
            parts=replace(self._parts, engine=lambda _: engine),
        )  # fmt: skip
        changed = not row.audio.is_file() or hash_of(row.audio) != row.audio_hash
        if changed:  # the sound is read while it is needed, so that the result may hold some of both
            out.unlink(missing_ok=True)
        _refuse_change(row.audio, changed)
        return _record(
            row, "done", pictures=report.pictures, seconds=round(report.duration_s, 3),
            bytes=out.stat().st_size, started=started, wall_s=round(report.wall_s, 3), notes=notes,
        )  # fmt: skip


def _refuse_change(path: Path, changed: bool) -> None:
    if changed:
        raise BadInputError(
            f"'{path}' has changed since the batch began; render it as it is now with --resume."
        )


def _record(row: Row, status: str, **more: Any) -> Record:
    settings = row.settings
    return {
        "row": row.number,
        "status": status,
        "output": row.output,
        "portrait": str(row.portrait),
        "audio": str(row.audio),
        "seed": settings.controls.seed if settings else None,
        **more,
        "settings": {
            **asdict(settings.controls), **asdict(settings.portrait), **asdict(settings.output),
            "duration": row.duration_s,
        } if settings else None,
        "portrait_sha256": row.portrait_hash,
        "audio_sha256": row.audio_hash,
        "versions": versions(),
        "fingerprint": row.fingerprint(),
    }  # fmt: skip


def _remove_leftovers(rows: Sequence[Row], folder: Path) -> None:
    """What a kill left behind: the hidden, half-written files of this batch's own outputs."""
    wanted: dict[Path, set[str]] = {folder: {Path(NAME).stem}}
    for row in rows:
        out = folder / row.output
        wanted.setdefault(out.parent, set()).add(out.stem[:80])
    for place, stems in wanted.items():
        if not place.is_dir():
            continue
        for path in place.iterdir():
            part = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.part(\.\w+)?", path.name)
            if part and part[1] in stems:
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
