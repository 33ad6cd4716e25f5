"""Work that runs side by side, a process each, and tells how far it is.

Rendering and training keep one core busy each, so processes are what uses several. A job tells through a queue, and
what it tells becomes a bar in the terminal or a line of a log (:mod:`labelforge.demo.progress`).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.managers import SyncManager
from queue import Empty
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID

from labelforge.demo.progress import follow
from labelforge.orphans import end_with_parent

Result = TypeVar("Result")
Tell = Callable[[str, int, int, str], None]
"""Called in a job with what it does, how much of it is done, of how much, and a note."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    jobs: Mapping[str, Callable[[Tell], Result]], console: Console, processes: int | None = None
) -> dict[str, Result]:
    """Run jobs in processes of their own.

    Args:
        jobs: What to run, by name; started in this order. Functions of a module, or partial ones, which take ``tell``.
        console: Where to show how far they are.
        processes: How many run at a time; default: as many as there are cores.

    Returns:
        What each returned, by name. The first error of a job is raised.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(len(jobs), processes or cores()), context, end_with_parent)
    manager = SyncManager(ctx=context)
    manager.start(end_with_parent)  # it is a process too
    with manager, follow(console) as bars, pool:
        queue: Any = manager.Queue()
        waiting = {name: pool.submit(_run, job, queue) for name, job in jobs.items()}
        tasks: dict[str, TaskID] = {}
        while not queue.empty() or not all(job.done() for job in waiting.values()):
            with suppress(Empty):
                _show(bars, tasks, *queue.get(timeout=0.2))
        return {name: job.result() for name, job in waiting.items()}


def _show(bars: Progress, tasks: dict[str, TaskID], what: str, done: int, total: int, note: str) -> None:
    if what not in tasks:
        tasks[what] = bars.add_task(what, total=total)
    bars.update(tasks[what], completed=done, note=note)


def _run(job: Callable[[Tell], Result], queue: Any) -> Result:
    """What a process does."""

    def tell(what: str, done: int, total: int, note: str = "") -> None:
        queue.put((what, done, total, note))

    return job(tell)
