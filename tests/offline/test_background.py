"""The encoding thread: order, back pressure, errors, and an end that is always reached."""

import threading

import pytest

from sonic_stream.offline.background import DEPTH, Background


def test_takes_everything_in_order():
    seen: list[int] = []
    with Background[int](seen.append, "test") as background:
        for i in range(100):
            background.put(i)
    assert seen == list(range(100))


def test_holds_the_producer_back():
    gate, taken, given = threading.Event(), [], []

    def work(value: int) -> None:
        gate.wait(30)
        taken.append(value)

    with Background[int](work, "test") as background:

        def produce() -> None:
            for i in range(3 * DEPTH):
                background.put(i)
                given.append(i)

        producer = threading.Thread(target=produce)
        producer.start()
        producer.join(0.2)
        assert len(given) <= DEPTH + 1
        gate.set()
        producer.join(30)
    assert taken == list(range(3 * DEPTH))


def test_an_error_in_the_thread_reaches_the_producer():
    def work(value: int) -> None:
        if value == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Background[int](work, "test") as background:
        for i in range(10_000):
            background.put(i)


def test_an_error_at_the_very_end_is_not_lost():
    def work(value: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Background[int](work, "test") as background:
        background.put(1)


def test_after_an_error_of_the_producer_the_rest_is_dropped():
    seen: list[int] = []
    started, gate = threading.Event(), threading.Event()

    def work(value: int) -> None:
        started.set()
        gate.wait(30)
        seen.append(value)

    with pytest.raises(KeyboardInterrupt), Background[int](work, "test") as background:
        for i in range(DEPTH):
            background.put(i)
        started.wait(30)
        background._dropping.set()  # as leaving by an error does, before the first is done
        gate.set()
        raise KeyboardInterrupt
    assert seen == [0]
