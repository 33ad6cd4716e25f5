"""Shows the progress of a run: a live bar in a terminal, elsewhere a plain line per log line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.progress import Progress
from rich.text import Text

from labelforge.console import bar_columns
from labelforge.trainer.log import LogLine

_NAMED = 5  # classifiers named on a line: about two lines of 80 columns
_GATES = 3  # gates named on a line


class TrainProgress(Protocol):
    """How :func:`labelforge.trainer.train` reports on a run."""

    def note(self, text: str) -> None:
        """Something worth knowing before the first step, as one sentence or two."""

    def following(self, first: int, steps: int) -> AbstractContextManager[None]:
        """Follow a run that starts after step ``first`` of ``steps`` until it ends, for whatever reason."""

    def advance(self, step: int) -> None:
        """A step is done."""

    def log(self, line: LogLine) -> None:
        """A line was written to the log."""


class NoProgress:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def following(self, first: int, steps: int) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def advance(self, step: int) -> None:
        """Do nothing."""

    def log(self, line: LogLine) -> None:
        """Do nothing."""


class ConsoleProgress:
    """Progress on a rich console.

        >>> from labelforge.trainer import ConsoleProgress, train
        >>> progress = ConsoleProgress("first")
        >>> result = train(["shards/gtsdb-train"], "runs/first", resume=True, progress=progress)  # doctest: +SKIP

    Args:
        title: Name of the run.
        console: Where to print; default: standard error, so that standard output stays clean.
    """

    def __init__(self, title: str = "train", console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console(stderr=True)
        self._steps = 0
        self._bar = _Bar(self._console) if self._console.is_terminal else None

    def note(self, text: str) -> None:
        """Print it."""
        self._say(f"{self._title}: {text}")

    @contextmanager
    def following(self, first: int, steps: int) -> Iterator[None]:
        """Show the bar while the run lasts; say so if it is resumed."""
        self._steps = steps
        if 0 < first < steps:
            self._say(f"{self._title}: continuing from step {first}")
        if self._bar is None:
            yield
            return
        self._bar.start_at(self._title, first, steps)
        try:
            yield
        finally:
            self._bar.stop()

    def advance(self, step: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.move(step)

    def log(self, line: LogLine) -> None:
        """Show the losses under the bar, or print them if there is no bar."""
        if self._bar is not None:
            self._bar.show(line)
        else:
            self._say(f"{self._title} {_plain(line, self._steps)}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Bar(Progress):
    """The live display: a bar, and under it the loss and the classifiers that lose most."""

    def __init__(self, console: Console) -> None:
        self._details = Text()  # before Progress starts, which renders at once
        super().__init__(*bar_columns(), console=console)
        self._task = self.add_task("")

    def start_at(self, title: str, first: int, steps: int) -> None:
        self.reset(self._task, description=title, total=steps, completed=first)
        self.start()

    def move(self, step: int) -> None:
        self.update(self._task, completed=step)

    def show(self, line: LogLine) -> None:
        waiting = f", {line.data_wait:.0%} waiting for data" if line.data_wait >= 0.1 else ""
        self.update(self._task, note=f"{line.images_per_s:.1f} images/s{waiting}")
        self._details = Text(f"{_losses(line)}{_gates(line)}", style="dim")

    def get_renderables(self) -> list[RenderableType]:
        return [Group(self.make_tasks_table(self.tasks), self._details)]


def clock(seconds: float) -> str:
    """A time span as hours:minutes:seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _losses(line: LogLine) -> str:
    """The total loss and those of the classifiers; if they are many, of the worst, worst first, and a mean of the rest.

    A mean stands for two or more: one left over is named too.
    """
    losses = list(line.losses.items())
    if len(losses) < 2:
        return f"loss {line.loss:.3f}"
    rest: list[float] = []
    if len(losses) > _NAMED + 1:
        losses.sort(key=lambda item: -item[1])
        rest = [value for _, value in losses[_NAMED:]]
        losses = losses[:_NAMED]
    parts = [f"{name} {value:.3f}" for name, value in losses]
    if rest:
        parts.append(f"and {len(rest)} more, mean {sum(rest) / len(rest):.3f}")
    return f"loss {line.loss:.3f}: " + ", ".join(parts)


def _gates(line: LogLine) -> str:
    """The share of box pixels that passed each gate; if they are many, of those that let the least pass."""
    shares = sorted(line.gate.items(), key=lambda item: item[1])
    if not shares:
        return ""
    more = f" and {len(shares) - _GATES} more" if len(shares) > _GATES else ""
    return "  of box pixels count: " + ", ".join(f"{name} {share:.0%}" for name, share in shares[:_GATES]) + more


def _plain(line: LogLine, steps: int) -> str:
    per_step = line.seconds / max(line.step, 1)
    left = clock((steps - line.step) * per_step)
    return (
        f"{line.step}/{steps}  {_losses(line)}{_gates(line)}  lr {line.lr:.2g}  {line.images_per_s:.1f} images/s  "
        f"data wait {line.data_wait:.0%}  left {left}"
    )
