"""Worker processes that end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time


def end_with_parent(patience: float = 0.0) -> None:
    """From now on, end this worker process when the one that started it is gone, killed or not.

    A worker of a pool waits for work at a queue, and would not notice: it would stay for ever.

    Args:
        patience: Seconds to save what there is, which SIGTERM asks for first; 0: end at once.
    """
    threading.Thread(target=_wait_for_parent, args=(patience,), daemon=True).start()


def _wait_for_parent(patience: float) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    if patience:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
    os._exit(1)
