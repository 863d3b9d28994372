from __future__ import annotations

from sonic_stream.motion.features import LOG_FLOOR
from sonic_stream.motion.gate import Gate

LOUD, QUIET = -3.0, -12.0


def talking(hops: int = 25) -> Gate:
    gate = Gate()
    for _ in range(hops):
        gate.step(0.95, LOUD)
    return gate


def test_speech_opens_within_two_pictures() -> None:
    gate = Gate()
    assert [gate.step(0.9, LOUD) for _ in range(2)][-1] == 1


def test_sound_that_is_not_speech_does_not_open_it() -> None:
    gate = Gate()
    assert max(gate.step(0.3, LOUD) for _ in range(100)) == 0


def test_the_end_of_speech_shuts_it_within_120_ms() -> None:
    gate = talking()
    assert [gate.step(0.1, QUIET) for _ in range(3)][-1] == 0


def test_a_stops_closure_does_not_shut_it() -> None:
    gate = talking()
    assert min(gate.step(0.8, QUIET) for _ in range(3)) == 1


def test_long_silence_shuts_it_whatever_the_network_says() -> None:
    gate = talking()
    assert [gate.step(0.99, LOG_FLOOR) for _ in range(7)][-1] == 0


def test_a_doubtful_probability_does_not_flicker() -> None:
    gate = talking()
    values = [gate.step(p, LOUD) for p in (0.55, 0.45) * 20]
    assert min(values) == 1
    rest = Gate()
    assert max(rest.step(p, LOUD) for p in (0.55, 0.45) * 20) == 0


def test_a_sustained_note_stays_open() -> None:
    gate = talking(10)
    assert min(gate.step(0.97, LOUD) for _ in range(25 * 20)) == 1


def test_a_steady_noise_the_network_doubts_is_left() -> None:
    """A fan that the network half takes for speech is shut out once it is known as the floor."""
    gate = Gate()
    for _ in range(25 * 8):
        gate.step(0.2, LOUD)
    assert max(gate.step(0.7, LOUD) for _ in range(100)) == 0


def test_an_interruption_shuts_it_in_three_pictures_whatever_the_network_says() -> None:
    gate = talking()
    gate.cut()
    values = [gate.step(0.95, LOUD if i < 1 else LOG_FLOOR) for i in range(8)]
    assert 1 > values[0] > values[1] > 0 and not any(values[2:])


def test_after_an_interruption_new_speech_opens_it_again() -> None:
    gate = talking()
    gate.cut()
    values = [gate.step(0.95, LOUD) for _ in range(7)]
    assert values[2] == 0 and values[-1] == 1
