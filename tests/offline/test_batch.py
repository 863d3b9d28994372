"""Batches at work: every row made, rows that fail, rows that share an engine."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from sonic_stream.cli import main
from sonic_stream.errors import BadInputError
from sonic_stream.offline.batch import Event, is_done, run_batch
from sonic_stream.offline.batch_manifest import NAME, read_records

STAND_INS = Path(__file__).with_name("batch_stand_ins.py")
_names = runpy.run_path(str(STAND_INS))
SlowEngine = _names["SlowEngine"]
make_parts = _names["make_parts"]
write_portrait = _names["write_portrait"]
write_wav = _names["write_wav"]
listed = _names["listed"]
rows_of = _names["rows_of"]
contents = _names["contents"]
FOUR = _names["FOUR"]


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
