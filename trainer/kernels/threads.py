"""How numba kernels are run: arrays as they read them, and one pool of threads, since they leave Python's lock.

numba's own threads are not used: with OpenMP below, a process that has run a parallel kernel cannot fork workers that
run one. A thread pool of Python's is made when it is first needed, in the process that needs it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_all(function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
    """The function's results, in the order of the tasks, on as many threads as PyTorch may use here."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [function(task) for task in tasks]
    return list(_pool(os.getpid(), threads).map(function, tasks))


def channels_last(logits_nchw: Tensor) -> npt.NDArray[np.float32]:
    """(N, h, w, C) of (N, C, h, w) float32 logits, without a copy where that is how they lie in memory."""
    return logits_nchw.permute(0, 2, 3, 1).contiguous().numpy()


@functools.lru_cache(maxsize=2)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The pool of a process: a forked child inherits the object, but not its threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix="labelforge-kernel")
