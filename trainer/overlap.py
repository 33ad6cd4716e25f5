"""Work that goes on while the network computes: reading what comes next, and writing what is done.

Decoding and encoding leave Python's lock, so one thread for each is enough to keep them off the network's way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_DEPTH = 4
"""Results that may wait to be used, or to be written: as many pictures are in memory."""


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Callable[[], Result], None, None]:
    """Read items in another thread, a few before they are used.

        >>> from labelforge.trainer.overlap import read_ahead
        >>> [found() for found in read_ahead(abs, [-1, 2])]
        [1, 2]

    Args:
        read: Reads one; may raise.
        items: In order.

    Yields:
        Per item, a function that returns what was read, or raises what reading it raised.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="labelforge-read") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > _DEPTH:
                    yield waiting.popleft().result
            while waiting:
                yield waiting.popleft().result
        finally:
            pool.shutdown(cancel_futures=True)


class WriteBehind:
    """Writes in another thread, in order; whoever submits waits when too much is unwritten.

    A context manager: at its end everything is written. What writing raises is raised at the next submission, or at the
    end.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="labelforge-write")
        self._waiting: deque[Future[None]] = deque()

    def submit(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write later."""
        self._waiting.append(self._pool.submit(write, *arguments))
        if len(self._waiting) > _DEPTH:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
