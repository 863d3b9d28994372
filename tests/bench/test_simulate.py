"""The simulated session against the usual designs: what the published table promises, in short."""

from __future__ import annotations

import pytest

from bench.simulate import SCENARIOS, Outcome, hiccup, ours, usual, usual_designs
from bench.simulate import Scenario as Of

SECONDS = 60.0


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[Outcome, Outcome, Outcome]]:
    """Unbuffered, fixed, ours."""
    found = dict(SCENARIOS) | {"hiccup": Of("hiccup", hiccup(20, 1.5))}
    return {name: (*usual_designs(s, SECONDS), ours(s, SECONDS)) for name, s in found.items()}


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_the_sound_never_stops_for_the_engine_or_the_clock(outcomes, name):
    allowed = 2.0 if name == "hiccup" else 0.0
    assert outcomes[name][2].stalls_per_min <= allowed


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_latency_stays_bounded(outcomes, name):
    assert outcomes[name][2].p50_ms <= 300
    assert outcomes[name][2].end_ms <= 480


def test_a_fixed_delay_pays_for_a_hiccup_for_ever_and_ours_does_not(outcomes):
    _, fixed, mine = outcomes["hiccup"]
    assert fixed.end_ms > 1500 and mine.end_ms < 300


def test_a_fast_source_runs_away_from_the_usual_designs_only(outcomes):
    unbuffered, fixed, mine = outcomes["fast"]
    assert min(unbuffered.end_ms, fixed.end_ms) > mine.end_ms + 300


def test_the_same_run_twice_is_the_same():
    scenario = Of("spiky", usual(spike_share=0.01))
    assert ours(scenario, 20) == ours(scenario, 20)
