"""Reading ahead and writing behind: order, errors at their place, and never too much at a time."""

from __future__ import annotations

import threading

import pytest

from labelforge.trainer.overlap import WriteBehind, read_ahead


def test_results_and_errors_come_in_their_places() -> None:
    found: list[float | None] = []
    for result in read_ahead(lambda n: 6 // n, [1, 0, 2, 3]):
        try:
            found.append(result())
        except ZeroDivisionError:
            found.append(None)
    assert found == [6, None, 3, 2]


def test_reading_does_not_run_away() -> None:
    """Of a thousand items, as many are read as may wait; the rest never, if nobody asks."""
    read = []
    gate = threading.Event()

    def note(number: int) -> int:
        read.append(number)
        gate.set()
        return number

    items = read_ahead(note, range(1000))
    assert next(items)() == 0 and gate.is_set()
    items.close()
    assert len(read) < 10


def test_everything_is_written_in_order() -> None:
    written: list[int] = []
    with WriteBehind() as behind:
        for number in range(50):
            behind.submit(written.append, number)
    assert written == list(range(50))


@pytest.mark.parametrize("after", [0, 1, 20])
def test_an_error_of_writing_is_raised(after: int) -> None:
    def fail() -> None:
        raise OSError("disk full")

    def work() -> None:
        with WriteBehind() as behind:
            behind.submit(fail)
            for _ in range(after):
                behind.submit(lambda: None)

    with pytest.raises(OSError, match="disk full"):
        work()


def test_after_an_error_nothing_more_is_written() -> None:
    written: list[int] = []
    hold = threading.Event()

    def work() -> None:
        with WriteBehind() as behind:
            behind.submit(hold.wait)  # type: ignore[arg-type]
            behind.submit(written.append, 1)
            hold.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert written in ([], [1])  # what had begun is finished, nothing is cut off
