"""How far a command is, where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator

from labelforge.cli._following import Lines


def lines(*calls: tuple[float, int, int]) -> list[str]:
    """What is said at some times in seconds, of so many done and so many in all."""
    times: Iterator[float] = iter([time for time, _, _ in calls])
    said: list[str] = []
    follow = Lines("cityscapes train", "samples", clock=lambda: next(times), say=said.append)
    for _, done, total in calls:
        follow(done, total)
    return said


def test_a_line_every_few_seconds_and_one_at_the_end() -> None:
    calls = [(100.0 + second / 2, second, 40) for second in range(41)]  # two samples a second
    assert lines(*calls) == [
        "cityscapes train: 10 of 40 samples, 5 s, about 15 s left",
        "cityscapes train: 20 of 40 samples, 10 s, about 10 s left",
        "cityscapes train: 30 of 40 samples, 15 s, about 5 s left",
        "cityscapes train: 40 of 40 samples, 20 s",
    ]


def test_what_was_done_before_says_nothing_of_the_speed() -> None:
    said = lines((0, 2000, 2975), (21, 2021, 2975), (400, 2400, 2975))
    assert said == [
        "cityscapes train: 2,021 of 2,975 samples, 21 s, about 16 min left",
        "cityscapes train: 2,400 of 2,975 samples, 7 min, about 10 min left",
    ]


def test_long_ones_and_finished_ones() -> None:
    assert lines((0, 0, 10), (18000, 4, 10)) == ["cityscapes train: 4 of 10 samples, 5 h 0 min, about 7 h 30 min left"]
    assert lines((0, 10, 10)) == ["cityscapes train: 10 of 10 samples, 0 s"]
    assert lines((0, 3, 10), (6, 3, 10)) == ["cityscapes train: 3 of 10 samples, 6 s"]  # nothing done yet: no guess
