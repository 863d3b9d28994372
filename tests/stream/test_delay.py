from hypothesis import given
from hypothesis import strategies as st

from sonic_stream.stream.delay import ArrivalClock, DelayEstimator, DelaySettings
from sonic_stream.timebase import FRAME_TICKS, ticks


def test_target_covers_what_was_late_and_no_more():
    delay = DelayEstimator()
    for _ in range(200):
        delay.add(ticks(0.030))
    assert delay.target == ticks(0.030) + DelaySettings().margin


def test_one_stall_in_ten_seconds_does_not_slow_everything_down():
    delay = DelayEstimator()
    for i in range(250):
        delay.add(ticks(1.5) if i == 100 else ticks(0.02))
    assert delay.target < ticks(0.05)


def test_frequent_stalls_raise_the_target_and_good_times_lower_it():
    delay = DelayEstimator()
    for i in range(256):
        delay.add(ticks(0.2) if i % 10 == 0 else ticks(0.02))
    assert delay.target >= ticks(0.2)
    for _ in range(256):
        delay.add(ticks(0.02))
    assert delay.target < ticks(0.05)


def test_underruns_add_and_decay():
    delay = DelayEstimator()
    delay.add(0)
    before = delay.target
    delay.underrun()
    delay.underrun()
    assert delay.target > before
    for _ in range(400):
        delay.add(0)
    assert delay.target == before


@given(st.lists(st.integers(0, ticks(5)), max_size=600))
def test_target_stays_within_its_limits(lates: list[int]):
    delay, limits = DelayEstimator(), DelaySettings()
    for late in lates:
        delay.add(late)
        assert limits.shortest <= delay.target <= limits.longest
        assert delay.quantile(0.5) <= delay.quantile(0.97)


def test_lateness_is_measured_against_the_fastest_recent_window():
    clock = ArrivalClock()
    for i, late in enumerate((0, 300, 0, 500)):
        arrival = i * FRAME_TICKS + late + 10_000
        clock.window(arrival, i * FRAME_TICKS)
        assert clock.lateness(arrival, i * FRAME_TICKS) == late


def test_a_new_utterance_has_its_own_schedule():
    clock = ArrivalClock()
    clock.window(0, 0)
    clock.restart()
    clock.window(ticks(9), 0)
    assert clock.lateness(ticks(9), 0) == 0


def test_a_restart_forgets_how_late_pictures_were():
    delay = DelayEstimator()
    for _ in range(100):
        delay.add(ticks(0.2))
    delay.restart()
    delay.add(ticks(0.02))
    assert delay.target == DelaySettings().shortest
