"""Shows how far a command is: a bar in a terminal, and elsewhere (a log, a pipe) a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

Follow = Callable[[int, int], None]
"""Told how many are done, and how many there are in all."""

_SILENCE: Final = 5.0  # seconds from one line to the next


@contextmanager
def following(what: str, things: str) -> Iterator[Follow]:
    """Follow something for the length of a block; on standard error, so that standard output stays clean.

    Args:
        what: What is done ("cityscapes train").
        things: What is counted ("samples").
    """
    from rich.console import Console

    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield Lines(what, things)
        return
    from labelforge.console import progress_bar

    progress = progress_bar(screen)
    bar = progress.add_task(what, total=None)

    def follow(done: int, total: int) -> None:
        progress.start()  # now that there is something to do; a running bar just goes on
        progress.update(bar, completed=done, total=total)

    try:
        yield follow
    finally:
        if progress.live.is_started:  # stopping one that never started would print an empty line
            progress.stop()


class Lines:
    """Says how far something is in lines: "cityscapes train: 640 of 2,975 samples, 21 s, about 80 s left".

    The first comes after a few seconds, the last when all is done.

    Args:
        what: What is done.
        things: What is counted.
        clock: The time in seconds.
        say: Prints a line.
    """

    def __init__(
        self,
        what: str,
        things: str,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
    ) -> None:
        self._what, self._things, self._clock, self._say = what, things, clock, say
        self._start: tuple[float, int] | None = None
        self._said = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Say it, if it is time to."""
        now = self._clock()
        if self._start is None:  # what is done already was there before
            self._start, self._said = (now, done), now
        began, before = self._start
        if now - self._said < _SILENCE and done < total:
            return
        self._said = now
        spent = now - began
        line = f"{self._what}: {done:,} of {total:,} {self._things}, {_duration(spent)}"
        if before < done < total:
            line += f", about {_duration(spent * (total - done) / (done - before))} left"
        self._say(line)


def _duration(seconds: float) -> str:
    """A length of time: 80 s, 12 min, 3 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
