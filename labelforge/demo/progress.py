"""How far the demo's stages are: bars in a terminal; elsewhere, say in a build's log, a line now and then.

:func:`follow` gives one or the other; both are used as rich's ``Progress`` is.
"""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID

from labelforge.console import progress_bar

INDENT = 4
"""Columns that what belongs to a stage is indented by."""


def follow(console: Console) -> Progress:
    """Bars on a terminal, else lines."""
    return progress_bar(console, indent=INDENT) if console.is_terminal else Lines(console)


class Lines(Progress):
    """Prints a line about a task when it is done, and in between when it moves and the last line is a while ago.

    Args:
        console: Where to print.
        every: Seconds between two lines about the same task.
    """

    def __init__(self, console: Console, every: float = 12.0) -> None:
        super().__init__(console=console, disable=True)
        self._every = every
        self._told: dict[TaskID, float] = {}
        self._finished: set[TaskID] = set()

    def add_task(self, description: str, *args: Any, **fields: Any) -> TaskID:
        """Add a task; arguments as for rich's ``Progress``."""
        task = super().add_task(description, *args, **fields)
        self._told[task] = time.monotonic()
        return task

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Change a task; arguments as for rich's ``Progress``."""
        super().update(task_id, **fields)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Move a task on."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, number: TaskID) -> None:
        task, now = self._tasks[number], time.monotonic()
        if number in self._finished or (not task.finished and now - self._told[number] < self._every):
            return
        self._told[number] = now
        if task.finished:
            self._finished.add(number)
        parts = [task.description, f"{task.completed:.0f}/{task.total or 0:.0f}", str(task.fields.get("note", ""))]
        if task.finished:
            parts.append(f"{task.finished_time or 0:.0f} s")
        elif task.time_remaining is not None:
            parts.append(f"{task.time_remaining:.0f} s left")
        text = " " * INDENT + "  ".join(part for part in parts if part)
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
