"""Who makes the shards: this process, a pool of processes on this machine, or any executor.

Only a few tasks more than there are workers are given out at a time, so that however many shards there are, they need
no memory. How many samples are done is counted by shard, in a place of its own for each: nobody waits for anybody to
count, and a worker that dies takes no lock with it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, MutableSequence, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing.sharedctypes import RawArray
from typing import Final

from labelforge.converters.engine.interrupts import interruptible, interrupts_held, start_worker
from labelforge.converters.engine.tasks import Plan, ShardTask, run_task
from labelforge.errors import LabelforgeError
from labelforge.shards import ShardSummary

Submit = Callable[[ShardTask], "Future[ShardSummary]"]

_TICK: Final = 0.2  # seconds between two looks at how many samples are done
_MOMENT: Final = 0.5  # seconds
_AHEAD: Final = 4  # tasks given out per worker: one in work, and some so that nobody waits for this process
_OF_AN_EXECUTOR: Final = 256  # tasks given out to an executor, whose workers nobody can count


@dataclass(frozen=True)
class Follower:
    """Follows a conversion. What its functions raise ends it.

    Attributes:
        arrived: Told of a shard that is made.
        tell: Told how many samples of the tasks are done.
    """

    arrived: Callable[[ShardSummary], None]
    tell: Callable[[int], None]


def make_here(plan: Plan, tasks: Sequence[ShardTask], follower: Follower) -> None:
    """Make the shards in this process; raises what `run_task` raises."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        follower.tell(done)

    for task in tasks:
        follower.arrived(run_task(plan, task, advance))


def make_in_pool(plan: Plan, tasks: Sequence[ShardTask], workers: int, follower: Follower) -> None:
    """Make the shards in worker processes.

    Raises:
        LabelforgeError: The first error of a task, or a worker died; tasks not begun are given up, those running are
            waited for.
    """
    # Spawned, not forked: a fork would copy the locks of any threads that the calling program has.
    context = multiprocessing.get_context("spawn")
    done = RawArray("q", tasks[-1].number + 1)
    with ProcessPoolExecutor(workers, context, _start_worker, (plan, done)) as pool:

        def submit(task: ShardTask) -> Future[ShardSummary]:
            with interrupts_held():  # workers start as tasks come in
                return pool.submit(_run_in_worker, task)

        try:
            collect(submit, tasks, lambda: _AHEAD * workers, done, follower)
        except BrokenExecutor as error:
            time.sleep(_MOMENT)  # if they died of Ctrl-C, it may arrive here only after that was noticed: now
            raise LabelforgeError(
                "a worker process died, perhaps for lack of memory",
                cure="Run the same command again with fewer --workers.",
            ) from error
        finally:
            # Not future.cancel(): where workers have died of an interrupt, the pool's own thread sets these futures.
            pool.shutdown(cancel_futures=True)


def make_by(executor: Executor, plan: Plan, tasks: Sequence[ShardTask], follower: Follower) -> None:
    """Make the shards by somebody's executor, which stays open; progress is told by shard.

    Raises:
        LabelforgeError: The first error of a task; tasks not begun are given up, those running are waited for.
    """
    given_out: set[Future[ShardSummary]] = set()

    def submit(task: ShardTask) -> Future[ShardSummary]:
        future = executor.submit(run_task, plan, task)
        given_out.add(future)
        future.add_done_callback(given_out.discard)
        return future

    try:
        collect(submit, tasks, lambda: _OF_AN_EXECUTOR, [0] * (tasks[-1].number + 1), follower)
    finally:
        wait([future for future in list(given_out) if not future.cancel()])


def collect(
    submit: Submit,
    tasks: Sequence[ShardTask],
    at_once: Callable[[], int],
    done: MutableSequence[int],
    follower: Follower,
) -> None:
    """Give tasks out, a few at a time, and follow them until all are done; raises what they raise.

    Args:
        submit: Gives out one task.
        tasks: All of them.
        at_once: How many may be given out at a time; asked again and again.
        done: Samples done of every task, by its number; others write it, and what a finished task has is written here.
        follower: Told what is done.
    """
    waiting = iter(tasks)
    running: dict[Future[ShardSummary], ShardTask] = {}
    told = 0
    while True:
        for task in islice(waiting, max(0, at_once() - len(running))):
            running[submit(task)] = task
        if not running:
            return
        finished, _ = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
        for future in finished:
            task = running.pop(future)
            follower.arrived(future.result())
            done[task.number] = len(task.sources)
        now = sum(done)
        if now != told:
            follower.tell(now)
            told = now


class _Worker:
    """What a worker process of the pool keeps from its start."""

    plan: Plan
    done: MutableSequence[int]


def _start_worker(plan: Plan, done: MutableSequence[int]) -> None:
    start_worker()
    _Worker.plan, _Worker.done = plan, done


def _run_in_worker(task: ShardTask) -> ShardSummary:
    _Worker.done[task.number] = 0

    def advance() -> None:
        _Worker.done[task.number] += 1

    with interruptible():
        return run_task(_Worker.plan, task, advance)
