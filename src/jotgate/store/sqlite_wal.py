"""SQLite's write-ahead log on its way to the disk: one sync for all who wait, checkpoints outside of the loop.

**Durability.** With synchronous=NORMAL a commit survives the death of the process, not yet a power cut.
synchronous=FULL differs in one thing: it syncs the log after each commit. Here a durable transaction does that itself:
it returns after an fdatasync of the log that began after its COMMIT, done in a thread, one for everybody who had
committed by then. All else is as with FULL: the header is synced when the log starts over, and a checkpoint, whoever
makes it, syncs the log before it copies frames into the database, and the database before the log may start over. So a
frame that is no more in the log when our sync comes is in the database, synced. A failed sync may have dropped pages
for good: from then on nothing is called durable until a checkpoint has brought the whole log into the database and
emptied it.

**Locks.** POSIX drops all locks of a process on a file as soon as *any* of its descriptors of that file is closed.
SQLite locks the database and its -shm file, never the log: the log may be opened once more, the database must not be.

**Checkpoints** have a connection of their own. Most of the copying is done beside the writers, the rest while they
queue: otherwise the log would never start over under load. SQLite syncs the database with that rest, for all of it;
what was copied beside the writers is therefore synced beside them too. That takes a descriptor that SQLite has open
already, but not the one of the checkpoints: a sync that fails is told to each descriptor once, and SQLite has to hear.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from jotgate.errors import Unavailable

Loop = asyncio.AbstractEventLoop
Waiter = asyncio.Future[None]

_to_disk: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has the second only


class Wal:
    """The log of one open database; a connection must have read once, so that the log is there."""

    def __init__(self, path: str) -> None:
        """Opens the log beside `path`. Raises `OSError`, `sqlite3.Error`."""
        self._database, self._log = Path(path), Path(path + "-wal")
        _sync_folder(self._database.parent)
        self._sqlites = _opened_already(self._database)
        self._copier = sqlite3.connect(path, isolation_level=None, timeout=1, check_same_thread=False)
        try:
            self._descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._copier.close()
            raise
        self._identity = self._found()
        self._copying = threading.Lock()
        self._threads = ThreadPoolExecutor(2, "jotgate-disk")
        self._waiting: list[Waiter] = []
        self._syncing = False
        self._suspect = False

    def complaint(self) -> str | None:
        """Why no commit may be trusted to the files at our paths; None: they are ours."""
        found = self._found()
        if found == self._identity:
            return None
        if found[0] is None:
            return f"The database {self._database} is gone"
        return f"{self._database} or its -wal was replaced while jotgate was running: start it anew"

    async def settled(self) -> None:
        """Return once a power cut cannot undo what was committed before this call. Raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        if not self._syncing:
            self._syncing = True
            loop.call_soon(self._start, loop)  # with all who commit in this round of the loop
        await waiter

    async def copy(self) -> None:
        """Copy the log into the database in a thread, as far as nobody is in the way. Raises `sqlite3.Error`."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._copy)

    async def copy_beside(self) -> None:
        """Copy while others write, so that little is left. Raises `sqlite3.Error`, `OSError`."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._copy_and_sync)

    async def close(self) -> None:
        """Serve who waits, then let go."""
        with suppress(Unavailable):
            await self.settled()
        self._threads.shutdown()
        self._copier.close()
        os.close(self._descriptor)

    def _start(self, loop: Loop) -> None:
        self._syncing = True
        served, self._waiting = self._waiting, []
        self._threads.submit(self._serve, loop, served)  # less than half the work of the loop's run_in_executor

    def _serve(self, loop: Loop, served: list[Waiter]) -> None:
        error = None
        try:
            self._sync()
        except (OSError, sqlite3.Error) as failure:
            error = failure
        with suppress(RuntimeError):  # the loop has ended, and with it who waited
            loop.call_soon_threadsafe(self._finish, loop, served, error)

    def _finish(self, loop: Loop, served: list[Waiter], error: Exception | None) -> None:
        for waiter in served:
            if waiter.done():  # cancelled meanwhile
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(Unavailable(f"The disk did not keep a change: {error}"))
        self._syncing = False
        if self._waiting:
            self._start(loop)

    def _sync(self) -> None:
        if self._suspect and self._copy("truncate"):
            raise OSError("the log cannot be emptied after a failed sync, another process holds it")
        self._suspect = True
        _to_disk(self._descriptor)
        if complaint := self.complaint():
            raise OSError(complaint)
        self._suspect = False

    def _copy(self, mode: str = "passive") -> bool:
        with self._copying:
            return bool(self._copier.execute(f"pragma wal_checkpoint({mode})").fetchone()[0])

    def _copy_and_sync(self) -> None:
        self._copy()
        if self._sqlites is not None and _opened(self._sqlites) == self._identity[0]:
            _to_disk(self._sqlites)

    def _found(self) -> tuple[tuple[int, int] | None, ...]:
        return _identity(self._database), _identity(self._log)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - with each durable commit, and at a third of the cost
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _opened_already(path: Path) -> int | None:
    """A descriptor of this process for the file."""
    wanted = _identity(path)
    descriptors: list[int] = []
    with suppress(OSError):  # not every system shows them
        descriptors = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - names, no paths
    return next((one for one in descriptors if _opened(one) == wanted), None)


def _opened(descriptor: int) -> tuple[int, int] | None:
    """What it is of; None: it is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
