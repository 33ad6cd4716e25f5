"""Whether shards are still what was written, in every respect that can be checked without the dataset.

First the folder (`folder_checks`), then each shard by itself (`shard_checks`), in this process or in several. All
problems are found, not only the first; of one place at most `problems.MOST` are kept, so that a list stays readable.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from labelforge.errors import ShardError
from labelforge.inspection.folder_checks import check_folder
from labelforge.inspection.problems import Findings, Problem
from labelforge.inspection.shard_checks import ShardTask
from labelforge.shards import Manifest, open_folder


@dataclass(frozen=True)
class Verification:
    """What checking a folder of shards found.

    Attributes:
        url: The folder.
        manifest: Its manifest.
        quick: Whether the content of members was left out.
        problems: What is wrong, the folder's first, then shard by shard.
        more: How many further problems there are.
    """

    url: str
    manifest: Manifest
    quick: bool
    problems: tuple[Problem, ...]
    more: int

    def to_dict(self) -> dict[str, Any]:
        """The result, JSON-able."""
        return {
            "shards": self.url,
            "dataset": self.manifest.dataset,
            "split": self.manifest.split,
            "samples": self.manifest.totals.samples,
            "quick": self.quick,
            "problems": [problem.to_dict() for problem in self.problems],
            "more": self.more,
        }


def verify_shards(
    source: str | os.PathLike[str],
    *,
    quick: bool = False,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check a folder of shards.

        >>> import labelforge as lf
        >>> lf.verify_shards("shards/cityscapes-train").problems
        ()

    Checked are the files against the manifest's list; the indexes and the totals against each other; tree, label table
    and their digests; keys that occur twice; each shard's length and SHA-256; every member of the tar file against the
    index, and that there is nothing else in it; and of every sample that image, label map and json are there and of the
    recorded size, that label values lie within the table, and that there are as many of each as recorded.

    Args:
        source: Folder or fsspec URL that ``labelforge convert`` wrote.
        quick: Read no content: sizes, manifest, indexes and the headers of the tar files only.
        workers: Processes that check a shard each; 0 or 1: this process.
        progress: Called with (samples done, samples in all).

    Returns:
        What was found.

    Raises:
        ShardError: There is no manifest, or it is damaged: then nothing says what should be there.
    """
    folder = open_folder(source)
    manifest = Manifest.load(folder)
    found = [check_folder(folder, manifest)]
    tasks = [ShardTask(folder.url, shard, len(manifest.labels), quick) for shard in manifest.shards]
    total = sum(task.record.samples for task in tasks)
    done = 0

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(min(done, total), total)

    advance(0)
    found += _in_processes(tasks, workers, advance) if workers > 1 else [task.run(advance) for task in tasks]
    problems = tuple(problem for findings in found for problem in findings.kept)
    return Verification(folder.url, manifest, quick, problems, sum(findings.more for findings in found))


def _in_processes(tasks: Sequence[ShardTask], workers: int, advance: Callable[[int], None]) -> Iterator[Findings]:
    """The findings of all tasks, in their order."""
    context = multiprocessing.get_context("spawn")
    found: dict[int, Findings] = {}
    try:
        with ProcessPoolExecutor(min(workers, max(len(tasks), 1)), mp_context=context) as pool:
            futures = {pool.submit(task.run): number for number, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    advance(tasks[futures[future]].record.samples)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool as error:
        raise ShardError(
            "a process that checked shards died", cure="Use fewer --workers; memory may be short."
        ) from error
    yield from (found[number] for number in range(len(tasks)))
