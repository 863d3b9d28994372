"""Batches: wrong lists, rows that fail, kills, locks, full disks, and renders that share an engine."""

from __future__ import annotations

import errno
import hashlib
import json
import runpy
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sonic_stream.cli import main
from sonic_stream.config import settle
from sonic_stream.engine import HopInput
from sonic_stream.errors import BadInputError, BusyError, SonicError
from sonic_stream.offline.batch import Event, is_done, run_batch
from sonic_stream.offline.batch_jobs import read_jobs
from sonic_stream.offline.batch_lockstep import SharedEngine, Stopped
from sonic_stream.offline.batch_manifest import NAME, Manifest, read_records
from sonic_stream.timebase import FRAME_TICKS, HOP_SAMPLES
from sonic_stream.types import Controls

STAND_INS = Path(__file__).with_name("batch_stand_ins.py")
_names = runpy.run_path(str(STAND_INS))
SlowEngine, make_parts = _names["SlowEngine"], _names["make_parts"]
write_portrait, write_wav = _names["write_portrait"], _names["write_wav"]


@pytest.fixture
def inputs(tmp_path):
    """A folder with portraits a, b and sounds one, two."""
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    for grey, name in ((90, "a"), (150, "b")):
        write_portrait(folder / f"{name}.png", grey)
    for seconds, name in ((0.4, "one"), (0.7, "two")):
        write_wav(folder / f"{name}.wav", seconds)
    return folder


def listed(folder: Path, text: str, name: str = "jobs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path: Path):
    return read_jobs(path, settle)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != NAME
    }


def lasting(record: dict) -> dict:
    """What of a record does not depend on when it was made."""
    return {key: value for key, value in record.items() if key not in ("started", "wall_s")}


FOUR = """portrait,audio,output,seed
a.png,one.wav,1.mp4,1
b.png,two.wav,2.mp4,2
a.png,two.wav,,3
b.png,one.wav,4.mp4,
"""


def test_a_batch_makes_every_row_and_says_so(inputs, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["batch", str(listed(inputs, FOUR)), "--out", str(out), "--jobs", "3"], make_parts())
    said = capsys.readouterr().err
    assert code == 0
    assert sorted(p.name for p in out.iterdir()) == ["003-a-two.mp4", "1.mp4", "2.mp4", "4.mp4", NAME]
    records = read_records(out / NAME)
    assert [records[row]["status"] for row in (1, 2, 3, 4)] == ["done"] * 4
    assert [records[row]["seed"] for row in (1, 2, 3, 4)] == [1, 2, 3, 0]
    assert records[2]["pictures"] == 18 and records[2]["seconds"] == 0.72
    assert {"sonic_stream", "head", "motion"} <= records[1]["versions"].keys()
    assert "[4/4] row" in said and "4 of 4 rows made, 0 failed; 56 pictures" in said


def test_the_number_of_jobs_changes_nothing(inputs, tmp_path):
    rows = rows_of(listed(inputs, FOUR))
    for jobs in (1, 2, 4):
        (tmp_path / str(jobs)).mkdir()
        report = run_batch(rows, tmp_path / str(jobs), jobs=jobs, parts=make_parts())
        assert (report.done, report.failed) == (4, 0)
        assert jobs == 1 or report.hops > report.steps  # steps were shared
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "4")


def test_real_portraits_share_an_engine_without_seeing_each_other(tmp_path):
    lines = [
        json.dumps({"portrait": name, "audio": "hello", "duration": 0.4, "min_resolution": 384, "seed": seed})
        for seed, name in enumerate(("mira", "tariq", "juno"))
    ]
    rows = rows_of(listed(tmp_path, "\n".join(lines), "jobs.jsonl"))
    for jobs in (1, 3):
        (tmp_path / str(jobs)).mkdir()
        assert run_batch(rows, tmp_path / str(jobs), jobs=jobs).done == 3
    assert contents(tmp_path / "1") == contents(tmp_path / "3")
    assert len(set(contents(tmp_path / "1").values())) == 3


def test_one_bad_row_does_not_stop_the_rest(inputs, tmp_path, capsys):
    cells = ("a.png,one.wav,1", "absent.png,one.wav,2", "b.png,two.wav,many", ",one.wav,4", "a.png,two.wav,5")
    text = "\n".join(("portrait,audio,seed", *cells)) + "\n"
    path, out = listed(inputs, text), tmp_path / "out"
    assert main(["batch", str(path), "--out", str(out)], make_parts()) == 1
    said = capsys.readouterr().err
    assert "note: row 2: There is no portrait" in said
    assert "note: row 3: seed is 'many'" in said
    assert "note: row 4: the portrait is missing" in said
    records = read_records(out / NAME)
    assert [records[row]["status"] for row in range(1, 6)] == ["done", "failed", "failed", "failed", "done"]
    assert "absent.png" in records[2]["error"]
    # Told before starting, and with --strict nothing is started.
    assert main(["batch", str(path), "--out", str(tmp_path / "strict"), "--strict"], make_parts()) == 2
    assert "3 of 5 rows cannot be used; nothing was started" in capsys.readouterr().err
    assert not (tmp_path / "strict").exists()


def test_a_row_that_fails_at_work_does_not_stop_the_rest(inputs, tmp_path):
    parts = make_parts()

    def identify(image, settings):
        if settings.min_resolution == 768:
            raise BadInputError("No face was found.")
        if settings.min_resolution == 1024:
            raise RuntimeError("broken")
        return parts.identify(image, settings)

    text = "portrait,audio,min_resolution\n" + "".join(
        f"a.png,one.wav,{px}\n" for px in (384, 768, 1024, 512)
    )
    rows = rows_of(listed(inputs, text))
    out = tmp_path / "out"
    out.mkdir()
    report = run_batch(rows, out, jobs=2, parts=replace(parts, identify=identify))
    assert (report.done, report.failed) == (2, 2)
    records = read_records(out / NAME)
    assert records[2]["error"] == "No face was found."
    assert "internal fault" in records[3]["error"] and "broken" in records[3]["error"]
    assert len(list(out.glob("*.mp4"))) == 2 and not list(out.glob(".*"))


def test_done_rows_are_kept_and_changed_ones_made_again(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    run_batch(rows_of(listed(inputs, FOUR)), out, parts=make_parts())
    assert run_batch(rows_of(listed(inputs, FOUR)), out, parts=make_parts()).kept == 4
    (out / "1.mp4").unlink()  # lost
    (out / "2.mp4").write_bytes(b"cut")  # cut off
    other_seed = FOUR.replace("4.mp4,\n", "4.mp4,9\n")
    report = run_batch(rows_of(listed(inputs, other_seed)), out, parts=make_parts())
    assert (report.kept, report.done) == (1, 3)
    assert read_records(out / NAME)[4]["seed"] == 9


def test_a_row_put_before_others_makes_none_of_them_again(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    text = FOUR.replace("two.wav,,3", "two.wav,3.mp4,3")
    run_batch(rows_of(listed(inputs, text)), out, parts=make_parts())
    longer = text.replace("seed\n", "seed\nb.png,one.wav,0.mp4,7\n")
    report = run_batch(rows_of(listed(inputs, longer)), out, parts=make_parts())
    assert (report.kept, report.done) == (4, 1)
    records = read_records(out / NAME)
    assert [records[row]["output"] for row in range(1, 6)] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"]
    shorter = run_batch(rows_of(listed(inputs, text)), out, parts=make_parts())
    assert (shorter.kept, shorter.done, len(read_records(out / NAME))) == (4, 0, 4)


def test_a_folder_with_a_batch_is_not_touched_unasked(inputs, tmp_path, capsys):
    path, out = listed(inputs, FOUR), tmp_path / "out"
    assert main(["batch", str(path), "--out", str(out), "--quiet"], make_parts()) == 0
    before = contents(out)
    assert main(["batch", str(path), "--out", str(out)], make_parts()) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["batch", str(path), "--out", str(out), "--resume"], make_parts()) == 0
    assert "4 were done before" in capsys.readouterr().err
    assert contents(out) == before


def test_two_kills_lose_nothing_and_repeat_nothing(tmp_path):
    """20 jobs, killed in the middle of pictures twice, end as an undisturbed run does."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_portrait(folder / "a.png", 90)
    lines = ["portrait,audio,seed"]
    for i in range(20):
        write_wav(folder / f"{i}.wav", 0.3 + 0.04 * (i % 5))
        lines.append(f"a.png,{i}.wav,{i}")
    path = listed(folder, "\n".join(lines) + "\n")
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"

    def run(out: Path, kill_at: int) -> int:
        words = [sys.executable, str(STAND_INS), str(path), str(out), str(kill_at)]
        return subprocess.run(words, check=False).returncode

    assert run(undisturbed, -1) == 0
    assert run(killed, 60) == -signal.SIGKILL
    first = {row: lasting(record) for row, record in read_records(killed / NAME).items()}
    stamps = {p.name: p.stat().st_mtime_ns for p in killed.glob("*.mp4")}
    assert 3 <= len(first) < 20
    assert run(killed, 60) == -signal.SIGKILL
    second = read_records(killed / NAME)
    assert len(first) < len(second) < 20
    assert run(killed, -1) == 0
    assert contents(killed) == contents(undisturbed)
    final, other = read_records(killed / NAME), read_records(undisturbed / NAME)
    assert {r: lasting(v) for r, v in final.items()} == {r: lasting(v) for r, v in other.items()}
    assert [json.loads(line)["row"] for line in (killed / NAME).read_text().splitlines()] == list(
        range(1, 21)
    )
    for record in first.values():  # what the first run had written down was not made again
        name = record["output"]
        assert (killed / name).stat().st_mtime_ns == stamps[name]


def test_a_line_cut_in_two_costs_one_row(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    rows = rows_of(listed(inputs, FOUR))
    run_batch(rows, out, parts=make_parts())
    whole = (out / NAME).read_bytes()
    (out / NAME).write_bytes(whole[:-20])
    with Manifest(out) as manifest:
        assert sorted(manifest.records) == [1, 2, 3]
        manifest.add({"row": 9, "status": "done"})
    assert sorted(read_records(out / NAME)) == [1, 2, 3, 9]
    assert run_batch(rows, out, parts=make_parts()).done == 1
    assert sorted(read_records(out / NAME)) == [1, 2, 3, 4]


def test_two_batches_do_not_share_a_folder(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with Manifest(out), pytest.raises(BusyError, match="Another batch"):
        run_batch(rows_of(listed(inputs, FOUR)), out, parts=make_parts())
    assert run_batch(rows_of(listed(inputs, FOUR)), out, parts=make_parts()).done == 4


def test_a_full_disk_stops_with_a_sentence_and_goes_on_later(inputs, tmp_path):
    """Writing fails from the second row on; what is done stays, and nothing half-written is left."""
    out = tmp_path / "out"
    out.mkdir()
    rows = rows_of(listed(inputs, FOUR))
    parts = make_parts()
    seen = []

    def identify(image, settings):
        seen.append(settings)
        if len(seen) == 2:
            full = OSError(errno.ENOSPC, "No space left on device")
            raise SonicError("Writing 'x' stopped: the disk is full; nothing was kept of it.") from full
        return parts.identify(image, settings)

    with pytest.raises(SonicError, match="1 rows are done and 3 are left") as told:
        run_batch(rows, out, jobs=1, parts=replace(parts, identify=identify))
    assert "disk is full" in str(told.value) and "--resume" in str(told.value)
    assert sorted(p.name for p in out.iterdir()) == ["1.mp4", NAME]
    report = run_batch(rows, out, jobs=1, parts=parts)
    assert (report.kept, report.done) == (1, 3)


@pytest.mark.parametrize("kind", ["portrait", "audio"])
def test_a_file_that_changes_during_the_run_fails_its_row(inputs, tmp_path, kind):
    out = tmp_path / "out"
    out.mkdir()
    rows = rows_of(listed(inputs, FOUR))

    def change(event: Event) -> None:
        if event.kind == "done" and event.row.number == 1:
            if kind == "portrait":
                write_portrait(inputs / "b.png", 10)
            else:
                write_wav(inputs / "two.wav", 0.9)

    parts = make_parts(lambda: SlowEngine(0.01))
    report = run_batch(rows, out, jobs=1, on_event=change, parts=parts)
    assert report.failed >= 1
    failed = [record for record in read_records(out / NAME).values() if record["status"] == "failed"]
    # Seen before its row, or by the row that is reading it.
    told = ("has changed since the batch began", "was changed or removed while it was in use")
    assert all(any(words in record["error"] for words in told) for record in failed)
    assert not list(out.glob(".*"))
    again = rows_of(listed(inputs, FOUR))
    assert run_batch(again, out, parts=make_parts()).failed == 0
    assert all(is_done(row, read_records(out / NAME)[row.number], out) for row in again)


def test_ctrl_c_leaves_whole_files_only(inputs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()

    def interrupt(event: Event) -> None:
        if event.kind == "progress" and event.row.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(rows_of(listed(inputs, FOUR)), out, jobs=2, on_event=interrupt, parts=make_parts())
    records = read_records(out / NAME)
    assert 3 not in records or records[3]["status"] == "done"
    assert not list(out.glob(".*"))
    for record in records.values():
        assert (out / record["output"]).stat().st_size == record["bytes"]
    assert run_batch(rows_of(listed(inputs, FOUR)), out, parts=make_parts()).kept == len(records)


LISTS = [
    ("portrait\na.png\n", "jobs.csv", "no column audio"),
    ("portrait,sound\na.png,one.wav\n", "jobs.csv", "unknown column 'sound'"),
    ("portrait,audio,sed\na.png,one.wav,1\n", "jobs.csv", "did you mean 'seed'?"),
    ("portrait,audio,device\na.png,one.wav,cpu\n", "jobs.csv", "use --device"),
    ("portrait,audio,audio\na.png,one.wav,x\n", "jobs.csv", "twice"),
    ("portrait,audio\n", "jobs.csv", "holds no jobs"),
    ("", "jobs.csv", "no column portrait"),
    ("portrait,audio\na.png,one.wav,more\n", "jobs.csv", "Line 2"),
    ("portrait,audio,output\na.png,one.wav,x.mp4\nb.png,one.wav,X.mp4\n", "jobs.csv", "Rows 1 and 2"),
    ('{"portrait": "a.png", "audio": \n', "jobs.jsonl", "Line 1"),
    ("[1]\n", "jobs.jsonl", "not an object"),
    ('{"portrait": "a.png"}\n', "jobs.jsonl", "no column audio"),
    ("portrait,audio\na.png,one.wav\n", "jobs.txt", "should end in .csv"),
]


@pytest.mark.parametrize(("text", "name", "words"), LISTS, ids=[words for _, _, words in LISTS])
def test_a_list_that_is_wrong_as_a_whole_is_refused(inputs, tmp_path, capsys, text, name, words):
    path, out = listed(inputs, text, name), tmp_path / "out"
    assert main(["batch", str(path), "--out", str(out)], make_parts()) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("output", ["../x.mp4", "/x.mp4", "x.txt", ".x.mp4", "a/../../x.mp4"])
def test_outputs_stay_in_the_folder(inputs, output):
    rows = rows_of(listed(inputs, f"portrait,audio,output\na.png,one.wav,{output}\na.png,one.wav,ok.mp4\n"))
    assert "output" in rows[0].problem and not rows[1].problem


def test_lists_of_all_kinds_say_the_same(inputs):
    csv_rows = rows_of(listed(inputs, "\ufeffportrait;audio;seed\na.png;one.wav;3\n"))
    tsv_rows = rows_of(listed(inputs, "portrait\taudio\tseed\na.png\tone.wav\t3\n", "jobs.tsv"))
    lines = '\n{"portrait": "a.png", "audio": "one.wav", "seed": 3}\n\n'
    json_rows = rows_of(listed(inputs, lines, "jobs.jsonl"))
    assert csv_rows == tsv_rows == json_rows
    assert rows_of(listed(inputs, "portrait,audio\nmira,hello\n"))[0].portrait.name == "mira.jpg"


def hop(slot: int, number: int) -> HopInput:
    return HopInput(slot, number * FRAME_TICKS, np.zeros(HOP_SAMPLES, np.float32), Controls())


def test_a_step_waits_for_every_open_face_and_no_other():
    made = []

    def make():
        made.append(SlowEngine())
        return made[0]

    batches: list[int] = []
    with SharedEngine(make) as shared:
        step = made[0].step
        made[0].step = lambda batch: batches.append(len(batch)) or step(batch)
        slots = [shared.open(None, Controls()) for _ in range(3)]

        def face(slot: int, hops: int) -> None:
            for number in range(hops):
                shared.step([hop(slot, number)])
            shared.close(slot)

        threads = [
            threading.Thread(target=face, args=(slot, hops))
            for slot, hops in zip(slots, (4, 6, 9), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert batches == [3] * 4 + [2] * 2 + [1] * 3
    assert (shared.steps, shared.hops) == (9, 19)


def test_a_fault_of_the_engine_reaches_those_who_wait():
    def make():
        raise SonicError("no weights")

    with pytest.raises(SonicError, match="no weights"), SharedEngine(make):
        pass
    engine = SlowEngine()
    engine.step = lambda batch: 1 / 0
    with SharedEngine(lambda: engine) as shared:
        slot = shared.open(None, Controls())
        with pytest.raises(ZeroDivisionError):
            shared.step([hop(slot, 0)])
        shared.stop()
        with pytest.raises(Stopped):
            shared.step([hop(slot, 1)])
        shared.close(slot)
