"""The doctor: every thing is looked at, what is missing is named with a remedy, the exit code tells."""

import pytest

from sonic_stream import cli, doctor
from sonic_stream.doctor import Finding, examine, report


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return examine()


def test_it_looks_at_everything_that_is_needed(findings):
    names = {finding.name for finding in findings}
    assert {"Python", "packages", "processor", "torch", "GPU", "libx264", "aac", "libvpx", "engine"} <= names
    assert {"weights/head", "weights/motion", "mediapipe", "espeakng_loader", "Chromium"} <= names


def test_what_must_be_here_for_these_tests_is_fine(findings):
    fine = {finding.name for finding in findings if finding.fine}
    assert {"Python", "packages", "libx264", "aac", "weights/head"} <= fine


def test_what_is_missing_has_a_remedy(findings):
    assert all(f.remedy for f in findings if f.core and not f.fine)


def test_the_report_names_what_is_broken():
    findings = [
        Finding("a", True, "well"),
        Finding("bb", False, "gone", "get it"),
        Finding("c", False, "x", core=False),
    ]
    text = report(findings)
    assert "MISSING bb  gone -> get it" in text and "absent  c " in text
    assert text.splitlines()[-1] == "Not working: bb."
    assert report(findings[:1]).splitlines()[-1] == "Everything that is needed works."


def test_a_broken_library_does_not_hide_the_rest(monkeypatch):
    def _engine():
        raise RuntimeError("ABI mismatch")

    monkeypatch.setattr(doctor, "_engine", _engine)
    broken = [f for f in examine() if f.name == "engine"]
    assert len(broken) == 1 and not broken[0].fine and "ABI mismatch" in broken[0].detail


@pytest.mark.parametrize(("fine", "core", "code"), [(True, True, 0), (False, False, 0), (False, True, 2)])
def test_the_exit_code_tells_whether_the_core_works(monkeypatch, capsys, fine, core, code):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("thing", fine, "detail", "remedy", core)])
    assert cli.main(["doctor"]) == code
    assert "thing" in capsys.readouterr().out
