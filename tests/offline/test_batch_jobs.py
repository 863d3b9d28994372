"""Lists of jobs: CSV, TSV and JSON lines, and everything that can be wrong with them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from sonic_stream.cli import main

STAND_INS = Path(__file__).with_name("batch_stand_ins.py")
_names = runpy.run_path(str(STAND_INS))
make_parts = _names["make_parts"]
listed = _names["listed"]
rows_of = _names["rows_of"]


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
