"""Who may write into a folder of shards: one conversion at a time, on whatever machine.

The conversion that writes is named by a small file ``.writing`` in the folder: the process, its machine, since when,
and a token that no other conversion has.

- *On a disk*, what counts is a lock on the file ``.writing.lock``. The system lifts it when the process ends, even
  killed, so a lock is never left behind.
- *Behind a URL* there are no locks. ``.writing`` is created only if it is not there, in one step where the service can
  (S3 does), and renewed every `RENEWED` seconds. One that has not been renewed for `FORGOTTEN` seconds, or is of a
  process of this machine that is gone, is nobody's any more. The clocks of the machines must agree to a minute. Where
  two have taken a folder over at the same moment, one of them finds the other's token there and stops.

A worker on another machine may outlive the conversion that it works for. Before it starts a shard and before the shard
gets its name, it looks for its conversion's token (`check_token`); so a conversion that was killed cannot disturb the
one that is started in its place.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from labelforge.errors import LabelforgeError, ShardError
from labelforge.shards.folder import Folder
from labelforge.shards.local_folder import LocalFolder
from labelforge.shards.remote_folder import RemoteFolder

OWNER_NAME: Final = ".writing"
LOCK_NAME: Final = ".writing.lock"
RENEWED: Final = 20.0
"""Seconds from one renewal to the next."""
FORGOTTEN: Final = 180.0
"""Seconds without a renewal after which a conversion counts as gone."""

_AT_THE_END: Final = 5.0  # seconds to wait for a renewal that a dead connection holds up
_OTHER_FOLDER: Final = "Wait until it has finished, or give another folder."


@dataclass(frozen=True)
class Owner:
    """A conversion that writes into a folder.

    Attributes:
        token: What no other conversion has.
        process: Its process id.
        host: The machine's name.
        machine: What tells machines of one name apart.
        started: When it started, in seconds since 1970.
        renewed: When it was last known to run.
    """

    token: str
    process: int
    host: str
    machine: str
    started: float
    renewed: float

    @classmethod
    def new(cls) -> Owner:
        """This process, now."""
        now = time.time()
        return cls(secrets.token_hex(8), os.getpid(), socket.gethostname(), _machine(), now, now)

    @classmethod
    def of(cls, folder: Folder) -> Owner | None:
        """Who writes into a folder, as it says; None if it does not."""
        (content,) = folder.read_several([OWNER_NAME])
        if isinstance(content, ShardError):
            return None
        try:
            return cls(**json.loads(bytes(content)))
        except (ValueError, TypeError):
            return None

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return (json.dumps(asdict(self)) + "\n").encode()

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.started))
        return f"another labelforge convert (process {self.process} on {self.host}, started {since})"

    @property
    def gone(self) -> bool:
        """Whether it has not been heard of for long, or was of this machine and runs no more."""
        here = (self.host, self.machine) == (socket.gethostname(), _machine())
        return time.time() - self.renewed > FORGOTTEN or (here and not _runs(self.process))


class Claim:
    """The right to write into a folder.

    Attributes:
        token: What names this conversion.
    """

    def __init__(self, folder: Folder, owner: Owner) -> None:
        self.token = owner.token
        self._folder = folder
        self._lost = threading.Event()

    def lose(self) -> None:
        """Note that another conversion has the right now."""
        self._lost.set()

    def check(self) -> None:
        """Make sure that it is still there.

        Raises:
            ShardError: Another conversion has taken the folder over.
        """
        if self._lost.is_set():
            raise ShardError(
                f"another conversion has taken over here, since {OWNER_NAME} was removed or not renewed in time",
                where=self._folder.url,
                cure=_OTHER_FOLDER,
            )


def check_unclaimed(folder: Folder) -> None:
    """Make sure that nobody writes into a folder, without touching it.

    Raises:
        ShardError: Another conversion does.
    """
    if isinstance(folder, LocalFolder):
        if (folder.path / LOCK_NAME).exists():
            lock = _locked(folder)
            lock.release()
    else:
        owner = Owner.of(folder)
        if owner is not None and not owner.gone:
            raise _busy(folder, owner)


@contextmanager
def only_writer(folder: Folder) -> Iterator[Claim]:
    """Be the only one who writes into a folder, for the length of a block.

    A folder that this makes is removed again if the block fails and leaves it empty.

    Raises:
        ShardError: Another conversion writes into it, or it cannot be written to.
    """
    owner = Owner.new()
    claim = Claim(folder, owner)
    claimed = _on_disk(folder, owner) if isinstance(folder, LocalFolder) else _behind_url(folder, owner, claim)
    with folder.making(), claimed:
        yield claim


def check_token(folder: Folder, token: str, patience: float) -> None:
    """Make sure that a conversion still has the right to write into a folder.

    Args:
        folder: The folder.
        token: What names the conversion.
        patience: Seconds to wait until the folder says so: a disk of the network may show an older state for a while.

    Raises:
        ShardError: The folder names another conversion, or none.
    """
    deadline = time.monotonic() + patience
    while (owner := Owner.of(folder)) is None or owner.token != token:
        if time.monotonic() > deadline:
            raise ShardError(
                f"{OWNER_NAME} of this conversion is not here: it has ended, or this worker sees another folder",
                where=folder.url,
                cure="All workers must reach the same output folder; memory:// needs workers=0.",
            )
        time.sleep(min(1.0, patience / 10))


@contextmanager
def _on_disk(folder: LocalFolder, owner: Owner) -> Iterator[None]:
    lock = _locked(folder)
    try:
        folder.write(OWNER_NAME, owner.to_bytes())
        yield
    finally:
        with suppress(LabelforgeError):
            folder.remove(OWNER_NAME)
        with suppress(OSError):  # while it is locked: who has opened it meanwhile sees that it has no name any more
            (folder.path / LOCK_NAME).unlink()
        lock.release()


def _locked(folder: LocalFolder) -> FileLock:
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.path / LOCK_NAME, thread_local=False)
        lock.acquire(blocking=False)
    except Timeout:
        raise _busy(folder, Owner.of(folder)) from None
    except OSError as error:
        what = f"cannot be written ({error.strerror or error})"
        raise ShardError(what, where=folder.url, cure="Give an output folder that you may write to.") from error
    return lock


@contextmanager
def _behind_url(folder: Folder, owner: Owner, claim: Claim) -> Iterator[None]:
    assert isinstance(folder, RemoteFolder)
    check_unclaimed(folder)
    folder.remove(OWNER_NAME)  # of one that is gone, if any
    created = folder.create_new(OWNER_NAME, owner.to_bytes())
    there = Owner.of(folder)
    if not created or there is None or there.token != owner.token:
        raise _busy(folder, there)
    end = threading.Event()
    renewal = threading.Thread(target=_renew, args=(folder, owner, claim, end), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        end.set()
        renewal.join(_AT_THE_END)
        with suppress(LabelforgeError):
            there = Owner.of(folder)
            if there is not None and there.token == owner.token:
                folder.remove(OWNER_NAME)


def _renew(folder: RemoteFolder, owner: Owner, claim: Claim, end: threading.Event) -> None:
    """Say again and again that a conversion runs; what cannot be reached now is tried again."""
    while not end.wait(RENEWED):
        with suppress(LabelforgeError):
            there = Owner.of(folder)
            if there is not None and there.token != owner.token:
                claim.lose()
                return
            folder.write(OWNER_NAME, replace(owner, renewed=time.time()).to_bytes())


def _busy(folder: Folder, owner: Owner | None) -> ShardError:
    cure = _OTHER_FOLDER
    if not isinstance(folder, LocalFolder):
        cure += f" If it was killed on another machine, this command works again after {FORGOTTEN / 60:.0f} minutes."
    return ShardError(f"{owner or 'another labelforge convert'} is writing here", where=folder.url, cure=cure)


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return boot.read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"


def _runs(process: int) -> bool:
    """Whether a process of this machine runs, as far as can be told."""
    if os.name != "posix":
        return True  # os.kill would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
