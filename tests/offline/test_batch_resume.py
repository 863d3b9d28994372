"""Batches that go on: kills, cut-off manifests, locks, full disks, Ctrl-C; what is done stays done."""

from __future__ import annotations

import errno
import json
import runpy
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sonic_stream.cli import main
from sonic_stream.errors import BusyError, SonicError
from sonic_stream.offline.batch import Event, run_batch
from sonic_stream.offline.batch_manifest import NAME, Manifest, read_records

STAND_INS = Path(__file__).with_name("batch_stand_ins.py")
_names = runpy.run_path(str(STAND_INS))
make_parts = _names["make_parts"]
write_portrait = _names["write_portrait"]
write_wav = _names["write_wav"]
listed = _names["listed"]
rows_of = _names["rows_of"]
contents = _names["contents"]
lasting = _names["lasting"]
FOUR = _names["FOUR"]


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
