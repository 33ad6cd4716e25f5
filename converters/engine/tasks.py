"""One shard = one task, for whatever runs tasks: this process, a process pool, threads, or a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labelforge.converters.base import Source
from labelforge.converters.engine.sample import SampleEncoder
from labelforge.errors import DatasetError, LabelforgeError
from labelforge.shards import EncodedSample, ShardIndex, SkippedSample, open_folder, write_shard

__all__ = ["ShardTask", "run_task", "run_tasks"]

Advance = Callable[[int], None]
"""Told how many more samples are done."""


@dataclass(frozen=True)
class ShardTask:
    """All that it takes to make one shard. Picklable.

    Attributes:
        url: Output folder.
        number: The shard's number.
        sources: Its samples, in order.
        encoder: What a sample becomes.
        options: What the conversion was asked for; kept in the index.
        inputs: Digest of all that decides the shard's bytes; kept in the index.
        skip_broken: Leave broken samples out instead of raising.
    """

    url: str
    number: int
    sources: tuple[Source, ...]
    encoder: SampleEncoder
    options: Mapping[str, Any]
    inputs: str
    skip_broken: bool


def run_task(task: ShardTask, advance: Advance | None = None) -> ShardIndex:
    """Write one shard and its index.

    Raises:
        DatasetError: A sample is broken and is not to be skipped; nothing of the shard is left then.
        ShardError: The output cannot be written.
    """

    def samples() -> Iterator[EncodedSample | SkippedSample]:
        for source in task.sources:
            sample: EncodedSample | SkippedSample
            try:
                sample = task.encoder.encode(source)
            except DatasetError as error:
                if not task.skip_broken:
                    raise
                sample = SkippedSample(key=source.key, reason=str(error))
            yield sample
            if advance is not None:
                advance(1)

    folder = open_folder(task.url)
    return write_shard(folder, task.number, samples(), options=task.options, inputs=task.inputs)


def run_tasks(
    tasks: Sequence[ShardTask], *, workers: int, executor: Executor | None, advance: Advance
) -> dict[int, ShardIndex]:
    """Make shards, in this process or by an executor.

    Args:
        tasks: The shards to make.
        workers: Size of the process pool if there is no ``executor``; up to 1: no pool.
        executor: Runs the tasks; it stays open.
        advance: Told how many more samples are done: by sample without an executor, by shard with one.

    Returns:
        Shard number -> index.

    Raises:
        LabelforgeError: The first error of a task; tasks not begun are cancelled, those running are waited for.
    """
    if executor is not None:
        return _submit(executor, run_task, tasks, advance)
    if min(workers, len(tasks)) <= 1:
        return {task.number: run_task(task, advance) for task in tasks}
    # Spawned, not forked: a fork would copy the locks of whatever threads the calling program has.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context) as pool:
        with _interrupts_ignored():
            pool.submit(os.getpid)  # starts all workers, who inherit that
        return _submit(pool, _run_in_worker, tasks, advance)


def _submit(
    executor: Executor, run: Callable[[ShardTask], ShardIndex], tasks: Sequence[ShardTask], advance: Advance
) -> dict[int, ShardIndex]:
    futures = {executor.submit(run, task): task for task in tasks}
    done: dict[int, ShardIndex] = {}
    try:
        for future in as_completed(futures):
            task = futures[future]
            done[task.number] = future.result()
            advance(len(task.sources))
    except BrokenExecutor as error:
        raise LabelforgeError(
            "a worker process ended without a word, perhaps for lack of memory",
            cure="Run the same command again with fewer --workers: finished shards are kept.",
        ) from error
    finally:
        wait([future for future in futures if not future.cancel()])
    return done


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Leave Ctrl-C to others for a moment: between tasks, and while a worker starts, it is the parent's business."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what signals do
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run_in_worker(task: ShardTask) -> ShardIndex:
    """Run a task so that Ctrl-C ends it, and the worker with it, quietly and without half a file."""
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run_task(task)
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, ignored)
