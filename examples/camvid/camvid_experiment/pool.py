"""Does jobs side by side, says how far they are, and stops without losing anything.

After Ctrl-C or SIGTERM the trainings that run save a checkpoint, and nothing new begins; the same command goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from camvid_experiment.jobs import Job, Record
from camvid_experiment.work import do_job, start_worker
from labelforge.errors import LabelforgeError

SILENCE = 60  # seconds after which a line says how far the running jobs are


class StoppedError(LabelforgeError):
    """The experiment was stopped from outside."""


@dataclass
class Pool:
    """Processes that do jobs.

    Attributes:
        out: Folder of the experiment.
        workers: How many processes, each with one thread on a CPU; 0: none, jobs are done in this one.
        tell: Called with a line of progress.
    """

    out: Path
    workers: int
    tell: Callable[[str], None]

    def do(self, jobs: Mapping[str, Job], later: int = 0, *, keep: bool = False) -> dict[str, Record]:
        """Do jobs, those first that come first; jobs that are done cost nothing.

        Args:
            jobs: By any key.
            later: How many more jobs will come after these, for the time left.
            keep: Keep the features of jobs, because more jobs with the same seed will come.

        Returns:
            The record of each, by its key.

        Raises:
            LabelforgeError: A job failed, or the experiment was stopped.
        """
        records = {key: Record.read(self.out / job.folder) for key, job in jobs.items()}
        todo = {key: job for key, job in jobs.items() if not records[key].has_all(job)}
        if len(jobs) > len(todo):
            self.tell(f"{len(jobs) - len(todo)} of {len(jobs)} are done already")
        if not todo:
            return records
        if not self.workers:
            here = ((key, do_job(job, self.out)) for key, job in todo.items())
            return records | dict(self._follow(here, todo, later, keep))
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a waiting thread must not spin: others need the core
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, start_worker, (1,)) as pool, _stop_by_sigterm():
            try:
                records.update(self._follow(self._finished(pool, todo), todo, later, keep))
            except BaseException as fault:
                _ask_to_stop()
                if isinstance(fault, KeyboardInterrupt):
                    self.tell("Stopping: trainings save a checkpoint")
                    raise StoppedError("stopped", cure="Run the same command to go on.") from None
                raise
        return records

    def _finished(self, pool: ProcessPoolExecutor, todo: Mapping[str, Job]) -> Iterator[tuple[str, Record | None]]:
        """The results of jobs as they come, with a line now and then while none does.

        A job is handed over when a process is free for it: one that waits inside the pool could not be taken back.
        """
        queue = list(todo.items())[::-1]
        running: dict[Future[Record | None], str] = {}
        while queue or running:
            while queue and len(running) < self.workers:
                key, job = queue.pop()
                running[pool.submit(do_job, job, self.out)] = key
            finished, _ = wait(running, timeout=SILENCE, return_when=FIRST_COMPLETED)
            if not finished:
                self.tell("; ".join(_how_far(todo[key], self.out) for key in running.values()))
            for future in finished:
                yield running.pop(future), future.result()

    def _follow(
        self, results: Iterable[tuple[str, Record | None]], todo: Mapping[str, Job], later: int, keep: bool
    ) -> Iterator[tuple[str, Record]]:
        """Tell of every result, and remove features that no other job needs.

        Raises:
            StoppedError: A training was stopped.
        """
        start = time.monotonic()
        users = Counter(job.features for job in todo.values())
        for done, (key, record) in enumerate(results, start=1):
            if record is None:
                raise StoppedError("stopped", cure="Run the same command to go on.")
            job = todo[key]
            users[job.features] -= 1
            if not users[job.features] and not keep:
                shutil.rmtree(job.features, ignore_errors=True)
            left = (time.monotonic() - start) / done * (len(todo) + later - done)
            self.tell(f"[{done}/{len(todo)}] {_said(job, record)}; {_span(left)} left")
            yield key, record


def _said(job: Job, record: Record) -> str:
    """A job and its scores in one line."""
    parts = []
    shown = [reading for reading in job.readings if not reading.logit_adjustment] or job.readings[:1]
    for name, key, reading in job.wanted:
        if reading in shown:
            said = f" ({reading})" * (len(shown) > 1 or reading.logit_adjustment != 0)
            parts.append(f"{100 * record.scores[key]['miou']:.1f} on {name}{said}")
    return f"{job.title}: mIoU {', '.join(parts)}" if parts else f"{job.title}: done"


def _how_far(job: Job, out: Path) -> str:
    """A running job and its step, from the log of its run."""
    from labelforge.trainer.log import read_log

    with suppress(LabelforgeError, OSError):
        if lines := read_log(out / job.folder):
            return f"{job.title}: step {lines[-1].step}"
    return f"{job.title}: starting"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes else "under a minute"


def _ask_to_stop() -> None:
    """Let trainings save and stop: Ctrl-C reaches them by itself, SIGTERM reaches only this process."""
    for child in multiprocessing.active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGINT)


@contextmanager
def _stop_by_sigterm() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
