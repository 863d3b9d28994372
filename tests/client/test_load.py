"""What a visitor saw, as figures."""

from __future__ import annotations

import pytest

from client.load import LOUD, SETTLE_S, Visit, summary, tone_packet

BEGIN_S = 1000.0


def visit(video_late_s: float = 0.0, lost: frozenset[int] = frozenset()) -> Visit:
    """Ten seconds of a tone for half of every second, back after 180 ms; pictures later than their sound."""
    made = Visit(0, began_s=BEGIN_S)
    for number in range(500):
        at_s = BEGIN_S + number * 0.02
        loud = (number // 25) % 2 == 1
        made.sounds.append((at_s + 0.18, at_s, 0.3 if loud else LOUD / 10))
    for number in range(250):
        at_s = BEGIN_S + number * 0.04
        if number not in lost:
            made.pictures.append((number * 3600, at_s + 0.18 + video_late_s, at_s))
    made.tones_sent = [BEGIN_S + second + 0.5 for second in range(10)]
    return made


def test_latency_is_from_a_tone_to_its_return():
    assert visit().latencies_ms() == pytest.approx([180.0] * 10, abs=0.1)


def test_skew_is_how_much_later_pictures_arrive_after_their_instant():
    found = visit(video_late_s=0.033).skews_ms()
    assert len(found) >= 10 - SETTLE_S - 1
    assert found == pytest.approx([33.0] * len(found), abs=0.1)


def test_pictures_and_the_longest_gap_are_of_the_settled_part():
    assert visit().fps() == pytest.approx(25.0)
    assert visit().longest_gap_ms() == pytest.approx(40.0)
    assert visit(lost=frozenset({10, 11, 200, 201, 202})).longest_gap_ms() == pytest.approx(160.0)


def test_a_summary_counts_who_was_refused():
    rows = [visit().figures(), Visit(1, refused="taken").figures()]
    told = summary(rows)
    assert (told["sessions"], told["refused"]) == (1, 1)
    assert told["latency_p50_ms"] == pytest.approx(180.0, abs=0.1)


def test_the_voice_is_silent_and_loud_by_halves_of_a_second():
    peaks = [float(abs(tone_packet(number)).max()) for number in range(100)]
    assert [peak > LOUD for peak in peaks] == [(number // 25) % 2 == 1 for number in range(100)]
