"""One shard is one task, which can run in this process, a process pool, threads, or a cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from labelforge.converters.base import Converter, Source
from labelforge.converters.engine.sample import SampleEncoder
from labelforge.errors import DatasetError, LabelforgeError
from labelforge.files import json_digest
from labelforge.orphans import end_with_parent
from labelforge.shards import VERSION, EncodedSample, ShardIndex, SkippedSample, escape_key, open_folder, write_shard
from labelforge.shards.index import shard_name

Advance = Callable[[int], None]
"""Told how many more samples are done."""


@dataclass(frozen=True)
class ShardTask:
    """Everything needed to make one shard. Picklable.

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

    @property
    def name(self) -> str:
        """The shard's file name."""
        return shard_name(self.number)


def sorted_sources(converter: Converter, split: str) -> list[Source]:
    """The samples of a split in the order of their escaped keys.

    Raises:
        DatasetError: There is none, or two have the same key.
    """
    sources = converter.sources(split)
    if not sources:
        raise DatasetError(f"the split {split} has no samples", where=converter.root, cure="Unpack it again.")
    counts = Counter(escape_key(source.key) for source in sources)
    bad = [key for key, count in counts.items() if count > 1 or not key]
    if bad:
        images = ", ".join(source.image for source in sources if escape_key(source.key) == bad[0])
        raise DatasetError(
            f"{len(bad)} key{'s' * (len(bad) > 1)} used twice or empty, such as {bad[0]!r} ({images})",
            where=converter.root,
            cure="Keep one image per name.",
        )
    return sorted(sources, key=lambda source: escape_key(source.key))


def make_tasks(
    url: str, sources: Sequence[Source], encoder: SampleEncoder, options: Mapping[str, Any], *, skip_broken: bool
) -> list[ShardTask]:
    """One task per shard; a missing file is an error at once, unless broken samples are skipped.

    Args:
        url: Output folder.
        sources: All samples, sorted (`sorted_sources`).
        encoder: What a sample becomes.
        options: What the conversion was asked for, ``samples_per_shard`` among it.
        skip_broken: Leave broken samples out instead of raising.

    Raises:
        DatasetError: A file is missing.
    """
    options = json.loads(json.dumps(options))  # as an index gives them back
    size = options["samples_per_shard"]
    tasks: list[ShardTask] = []
    for start in range(0, len(sources), size):
        chunk = tuple(sources[start : start + size])
        files = [_file_sizes(encoder.converter, source, must_exist=not skip_broken) for source in chunk]
        inputs = json_digest({"options": options, "palette": encoder.palette, "files": files, "version": VERSION})
        tasks.append(ShardTask(url, len(tasks), chunk, encoder, options, inputs, skip_broken))
    return tasks


def _file_sizes(converter: Converter, source: Source, *, must_exist: bool) -> list[Any]:
    """What shows that a source has changed: its key, meta data and annotations, its files with their lengths."""
    sizes: list[Any] = [source.key, dict(source.meta), source.annotations]
    for path in converter.files(source):
        try:
            sizes.append([path.name, path.stat().st_size])
        except OSError as error:
            if must_exist:
                raise DatasetError(
                    f"sample {source.key} needs this file, and it is missing",
                    where=path,
                    cure=f"Unpack {converter.title} again, or use --on-error skip to leave out such samples.",
                ) from error
            sizes.append([path.name, None])
    return sizes


def run_task(task: ShardTask, advance: Advance | None = None) -> ShardIndex:
    """Write one shard and its index.

    Raises:
        DatasetError: A sample is broken and not skipped; nothing of the shard is left then.
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


_MOMENT = 0.5  # seconds


def run_tasks(
    tasks: Sequence[ShardTask], *, workers: int, executor: Executor | None, advance: Advance
) -> list[ShardIndex]:
    """Make shards, in this process or by an executor.

    Args:
        tasks: The shards to make.
        workers: Size of the process pool if there is no ``executor``; up to 1: no pool.
        executor: Runs the tasks; it stays open.
        advance: Told how many more samples are done: by sample without an executor, by shard with one.

    Returns:
        The indexes of the shards, in any order.

    Raises:
        LabelforgeError: The first error of a task; tasks not begun are cancelled, those running are waited for.
    """
    if executor is not None:
        futures = {executor.submit(run_task, task): task for task in tasks}
        try:
            return _collect(futures, advance)
        finally:
            wait([future for future in futures if not future.cancel()])
    if min(workers, len(tasks)) <= 1:
        return [run_task(task, advance) for task in tasks]
    # Spawned, not forked: a fork would copy the locks of any threads that the calling program has.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _start_worker) as pool:
        try:
            with _interrupts_held():  # workers start as tasks come in
                futures = {pool.submit(_run_in_worker, task): task for task in tasks}
            return _collect(futures, advance)
        finally:
            # Not future.cancel(): where workers have died of an interrupt, the pool's own thread sets these futures.
            pool.shutdown(cancel_futures=True)


def _collect(futures: Mapping[Future[ShardIndex], ShardTask], advance: Advance) -> list[ShardIndex]:
    done = []
    try:
        for future in as_completed(futures):
            done.append(future.result())
            advance(len(futures[future].sources))
    except BrokenExecutor as error:
        time.sleep(_MOMENT)  # workers that died of Ctrl-C may be noticed before it arrives here, and then it comes now
        raise LabelforgeError(
            "a worker process died, perhaps for lack of memory",
            cure="Run the same command again with fewer --workers: finished shards are kept.",
        ) from error
    return done


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: in them it would end an import in the middle, and here leave some running.

    It is handled at the end of the block. Workers inherit that it is held back, and let it through when they are ready.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set what signals do
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    held = _hold_interrupts()
    try:
        yield
    finally:
        if held is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)  # what was held back comes now
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(signal.SIGINT, None)


def _hold_interrupts() -> set[int] | None:
    """Hold Ctrl-C back in this thread, and what it starts; returns what was held back before, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}))


def _start_worker() -> None:
    """What a worker does first: between tasks, only the parent process handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    end_with_parent()


def _run_in_worker(task: ShardTask) -> ShardIndex:
    """Run a task so that Ctrl-C ends it and its worker quietly, without leaving half a file."""
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run_task(task)
    except KeyboardInterrupt:
        os._exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, ignored)
