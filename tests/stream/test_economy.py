"""Too slow a machine paints plainly, a quick one fully, and nothing swings between them."""

from __future__ import annotations

from sonic_stream.stream.economy import Economy
from sonic_stream.timebase import ticks


def make(economy: Economy, pictures: int, full_s: float, plain_s: float, live: bool = True) -> None:
    for _ in range(pictures):
        economy.note(ticks(plain_s if economy.plain else full_s), economy.plain, live)


def test_a_quick_machine_stays_with_full_pictures():
    economy = Economy()
    make(economy, 1000, 0.025, 0.016)
    assert not economy.plain


def test_a_slow_one_paints_plainly_after_two_seconds_of_a_live_voice():
    economy = Economy()
    make(economy, 49, 0.036, 0.022)
    assert not economy.plain
    make(economy, 1, 0.036, 0.022)
    assert economy.plain


def test_without_a_live_voice_only_the_rate_of_pictures_counts():
    economy = Economy()
    make(economy, 200, 0.036, 0.022, live=False)
    assert not economy.plain
    make(economy, 200, 0.039, 0.024, live=False)
    assert economy.plain


def test_it_stays_plain_while_full_pictures_would_still_be_too_slow():
    economy = Economy()
    make(economy, 5000, 0.036, 0.022)
    assert economy.plain


def test_it_returns_some_seconds_after_the_machine_became_quick_again():
    economy = Economy()
    make(economy, 300, 0.036, 0.022)
    make(economy, 100, 0.026, 0.015)
    assert economy.plain
    make(economy, 50, 0.026, 0.015)
    assert not economy.plain
    make(economy, 1000, 0.026, 0.015)
    assert not economy.plain


def test_single_slow_pictures_change_nothing():
    economy = Economy()
    for i in range(500):
        economy.note(ticks(0.2 if i % 5 == 0 else 0.025), False, True)
    assert not economy.plain


def test_pictures_asked_for_before_a_change_are_not_judged():
    economy = Economy()
    make(economy, 50, 0.036, 0.022)
    for _ in range(100):
        economy.note(ticks(0.036), False, True)
    make(economy, 50, 0.036, 0.022)
    make(economy, 250, 0.026, 0.015)
    assert not economy.plain  # a full picture was seen to be 36/22 as dear, not 36/36
