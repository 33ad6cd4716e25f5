"""Makes the shards on a Dask cluster: ``convert --dask ADDRESS``.

Before anything is given out, every worker is asked whether it runs this labelforge with the same packages and sees the
dataset and the output folder. A shard whose worker dies is made by another one, as Dask has it; one that ends several
workers in turn is an error. Workers tell how many samples they have done by Dask's events, which may come late or
never: the count is put right when a shard is done.
"""

from __future__ import annotations

import logging
import pickle
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import labelforge
from labelforge import deflate
from labelforge.converters.engine.crew import Follower, collect
from labelforge.converters.engine.tasks import Plan, ShardTask, run_task
from labelforge.errors import ConfigError, LabelforgeError, ShardError, counted, listed
from labelforge.shards import ShardSummary, open_folder
from labelforge.shards.claim import check_token

if TYPE_CHECKING:
    from distributed import Client

ANSWERED_WITHIN: Final = 10.0
"""Seconds in which a scheduler must answer."""
WORKERS_WITHIN: Final = 60.0
"""Seconds that a conversion waits for a first worker, and for another one when all are gone."""

_AHEAD: Final = 2  # tasks given out per thread of the workers: one in work, one waiting
_LOOK: Final = 2.0  # seconds between two looks at which workers there are
_TOLD: Final = 1.0  # seconds between two events of one task
_SEEN_AFTER: Final = (0.0, 1.0, 4.0, 10.0)  # seconds; a disk of the network may show new files a little later


def make_on_dask(address: str, plan: Plan, tasks: Sequence[ShardTask], follower: Follower) -> None:
    """Make the shards on the cluster of a scheduler.

    Args:
        address: The scheduler's address, such as ``tcp://10.0.0.1:8786``.
        plan: What all tasks have in common; its output folder and its dataset are where workers find them.
        tasks: The shards to make.
        follower: Told what is done.

    Raises:
        ConfigError: Dask is not installed, the scheduler does not answer, or a worker cannot take part.
        LabelforgeError: The first error of a task, or workers died; tasks not begun are given up, and what is in work
            is finished for nothing.
    """
    with connected(address) as client:
        check_workers(client, address, plan)
        done = [0] * (tasks[-1].number + 1)
        topic = f"labelforge-{plan.token}"

        def hear(event: tuple[float, list[int]]) -> None:
            number, samples = event[1]
            done[number] = max(done[number], samples)

        client.subscribe_topic(topic, hear)
        executor = client.get_executor(pure=False)
        given_out: set[Future[ShardSummary]] = set()
        packed = pickle.dumps(plan)

        def submit(task: ShardTask) -> Future[ShardSummary]:
            future: Future[ShardSummary] = executor.submit(_make, packed, pickle.dumps(task), topic)
            given_out.add(future)
            future.add_done_callback(given_out.discard)
            return future

        try:
            with _dask_faults(address):
                collect(submit, tasks, _Threads(client, address), done, follower)
        finally:
            for future in list(given_out):
                future.cancel()


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A connection to a scheduler.

    Raises:
        ConfigError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("--dask needs the package distributed", cure="Install labelforge[dask].") from error
    try:
        client = Client(address, timeout=ANSWERED_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no Dask scheduler answers here ({error})",
            where=address,
            cure="Start 'dask scheduler' and give the address that it prints, such as tcp://10.0.0.1:8786.",
        ) from error
    with _without_what_closing_breaks_off(), client:
        yield client


@contextmanager
def _without_what_closing_breaks_off() -> Iterator[None]:
    """Within this, tornado does not log that a result was still on its way when the connection was closed."""

    def tells(record: logging.LogRecord) -> bool:
        return "CommClosedError" not in record.getMessage()

    log = logging.getLogger("tornado.application")
    log.addFilter(tells)
    try:
        yield
    finally:
        log.removeFilter(tells)


def check_workers(client: Client, address: str, plan: Plan) -> None:
    """Make sure that all workers there are can take part.

    Raises:
        ConfigError: There is none, or one of them has another labelforge, or does not see dataset or output folder.
    """
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN)
    except TimeoutError as error:
        raise ConfigError("has no workers", where=address, cure=f"Start some: dask worker {address}") from error
    root = plan.encoder.converter.root
    for pause in _SEEN_AFTER:
        time.sleep(pause)
        answers = client.run(_look, plan.url, str(root), plan.token, on_error="return")
        blind = [worker for worker, answer in answers.items() if isinstance(answer, dict) and not answer["output"]]
        if not blind:
            break
    failed = {worker: answer for worker, answer in answers.items() if not isinstance(answer, dict)}
    for worker, fault in failed.items():
        raise ConfigError(
            f"this worker cannot run labelforge ({fault})", where=worker, cure="Install the same labelforge there."
        )
    for worker, answer in answers.items():
        if answer["packages"] != _packages():
            what = f"this worker has {answer['packages']}, and here is {_packages()}"
            raise ConfigError(what, where=worker, cure="Install the same there, or the shards differ.")
    if blind:
        raise ConfigError(
            f"{counted(len(blind), 'worker')} of {len(answers)} cannot see this output folder: {listed(blind)}",
            where=plan.url,
            cure="Give a folder on a disk that all workers share, or a URL such as s3://bucket/shards.",
        )
    blind = [worker for worker, answer in answers.items() if not answer["dataset"]]
    if blind:
        raise ConfigError(
            f"{counted(len(blind), 'worker')} of {len(answers)} cannot see this dataset: {listed(blind)}",
            where=root,
            cure="Put it on a disk that all workers share, under the same path.",
        )


def _look(url: str, root: str, token: str) -> dict[str, Any]:
    """What a worker sees."""
    try:
        check_token(open_folder(url), token, 0.0)
    except ShardError:
        output = False
    else:
        output = True
    return {"packages": _packages(), "output": output, "dataset": Path(root).is_dir()}


def _packages() -> str:
    """What decides the bytes of shards."""
    return f"labelforge {labelforge.__version__} with {'zlib' if deflate.library is zlib else 'zlib-ng'}"


class _Threads:
    """How many tasks may be given out: some per thread of the workers that there are now.

    Raises:
        LabelforgeError: When called: there has been no worker for long.
    """

    def __init__(self, client: Client, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._address, self._clock = client, address, clock
        self._looked = self._seen = clock()
        self._threads = self._count()

    def _count(self) -> int:
        return sum(self._client.nthreads().values())

    def __call__(self) -> int:
        now = self._clock()
        if now - self._looked > _LOOK:
            self._threads, self._looked = self._count(), now
        if self._threads:
            self._seen = now
        elif now - self._seen > WORKERS_WITHIN:
            raise LabelforgeError(
                f"all workers are gone, for {WORKERS_WITHIN:.0f} seconds now",
                where=self._address,
                cure="Start workers and run the same command again.",
            )
        return max(1, _AHEAD * self._threads)


@contextmanager
def _dask_faults(address: str) -> Iterator[None]:
    """Say it in one line if workers die or the connection is lost."""
    from distributed import KilledWorker

    again = "Run the same command again."
    try:
        yield
    except KilledWorker as error:
        raise LabelforgeError(
            "a shard ended several workers in turn, perhaps for lack of memory",
            where=str(error.last_worker.address),
            cure=f"Look into that worker's log; give workers more memory, or fewer threads. {again}",
        ) from error
    except (CancelledError, OSError) as error:
        raise LabelforgeError("the connection to the Dask scheduler was lost", where=address, cure=again) from error


def _make(plan: bytes, task: bytes, topic: str) -> ShardSummary:
    """Make a shard in a worker."""
    shard: ShardTask = pickle.loads(task)
    return run_task(_unpacked(plan), shard, _teller(topic, shard.number))


@lru_cache(maxsize=2)
def _unpacked(plan: bytes) -> Plan:
    """The plan, which comes with every task, unpacked once."""
    unpacked: Plan = pickle.loads(plan)
    return unpacked


def _teller(topic: str, number: int) -> Callable[[], None]:
    """Tells how many samples of a shard are done, now and then."""
    from distributed import get_worker

    worker = get_worker()
    samples, told = 0, time.monotonic()

    def advance() -> None:
        nonlocal samples, told
        samples += 1
        now = time.monotonic()
        if now - told > _TOLD:
            told = now
            with suppress(Exception):  # whatever it is, a shard is worth more than a message
                worker.log_event(topic, [number, samples])

    return advance
