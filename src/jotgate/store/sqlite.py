"""SQLite for one process beside others: one connection in the event loop's thread, the disk's work in threads.

**Where statements run.** A look-up costs less than a hop to a thread, so statements run in the caller's. A transaction takes its turn,
and its block awaits nothing but the transaction, which never suspends. Should a block suspend all the same, others queue behind it.
A lock that another process holds (the command line beside the server) is waited for without blocking the loop.

**Durability.** The log (WAL) is written with synchronous=NORMAL: a commit survives the death of the process, not yet a power cut.
synchronous=FULL differs from that in one thing: it syncs the log after each commit. Here a durable transaction does that itself: it
returns after an fdatasync of the log that began after its COMMIT, done in a thread, one for everybody who had committed by then.
The rest is as with FULL: a new header of the log is synced when the log starts over, and a checkpoint by anybody syncs the log
before it copies frames into the database, and the database before the log may start over; so a frame that is no more in the log
when the fdatasync comes is in the database, synced. A failed fdatasync may have dropped pages for good: nothing is called durable
again before a checkpoint has brought the whole log into the database and emptied it.

**Locks.** POSIX drops all locks of a process on a file as soon as *any* descriptor of that file is closed. SQLite locks the database
and its -shm file, never the log: the log may be opened once more, the database must not be.

**Checkpoints** run in a thread, on a connection of their own: most of it beside the writers, the rest while they queue, so that the
log starts over under any load.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import TypeVar

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store.ports import Row, Tx, Value

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_OLDEST_SQLITE = (3, 37)
_PATIENCE_SECONDS = 5.0  # for a lock that another process holds
_LOOK_SECONDS = 0.2  # between looks whether the file is still there
_CHECKPOINT_CHANGES = 1000  # rows changed, each a page or a few
_PRAGMAS = ("synchronous = normal", "wal_autocheckpoint = 0", "journal_size_limit = 16777216", "cache_size = -8000")
_AWAY = {
    sqlite3.SQLITE_PERM: "may not be touched",
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked",
    sqlite3.SQLITE_NOMEM: "finds no memory",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_FULL: "finds no space",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "is locked",
    sqlite3.SQLITE_NOTADB: "is not a database",
}


def open_store(path: str | Path) -> "SqliteStore":
    """Open or make a database file (0600, its folder 0700), or `:memory:`. Raises `DatabaseUnusable`."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise DatabaseUnusable(f"SQLite {sqlite3.sqlite_version} is too old: jotgate needs 3.37 or newer")
    return SqliteStore(str(path))


class SqliteStore:
    """Implements `ports.Store`. Made anywhere, then used from one event loop."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._turn = asyncio.Lock()  # of the one who writes
        self._owner: asyncio.Task[object] | None = None  # whose block is open
        self._read, self._swap = _Single(self, writes=False), _Single(self, writes=True)
        self._lost: list[object] = []
        self._opened = 0
        self._closed = False
        self._checkpoint: asyncio.Task[None] | None = None
        self._open()

    def begin(self, *, durable: bool = True) -> "_Transaction":
        """A write transaction; leaving the block commits, an exception rolls back."""
        return _Transaction(self, durable=durable)

    def read(self) -> Tx:
        """For single statements that only read."""
        return self._read

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo."""
        return self._swap

    async def version(self) -> int:
        """Differs whenever another process may have committed since the last call."""
        row = await self._read.one("pragma data_version")
        self.look()
        return (self._opened << 32) + (row[0] if row else 0)

    async def close(self) -> None:
        """Wait for what is under way, then close; whoever comes later gets `Unavailable`."""
        if self._closed:
            return
        self._closed = True
        if self._checkpoint:
            await self._checkpoint
        async with self._turn:
            if self.log:
                await self.log.close()
            self.connection.close()

    # --- for the transactions of this file

    def look(self) -> None:
        """Refuse to write into a file that is not at its path any more; take up another one that was put there whole."""
        if monotonic() < self._look_at or not self.log:
            return
        state = self.log.state()
        if state == "gone":
            raise Unavailable(f"The database {self._path} is gone")
        if state == "mixed":
            raise Unavailable(
                f"{self._path} and its -wal do not belong together any more: stop jotgate and restore both"
            )
        if state == "other":
            self._reopen()
        self._look_at = monotonic() + _LOOK_SECONDS

    async def take_turn(self) -> None:
        """Wait until nobody else writes."""
        if self._owner is not None and self._owner is asyncio.current_task():
            raise RuntimeError("inside a transaction only the transaction may be used")
        await self._turn.acquire()

    def release_turn(self) -> None:
        """The next one, please."""
        self._owner = None
        self._turn.release()

    async def patiently(self, attempt: Callable[[], _T], deadline: float) -> _T:
        """Try until another process gives up its lock, at least once, at most to the deadline. Raises `Unavailable`."""
        pause = 0.001
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                if _primary(error) != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                    raise self.refusal(error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)

    def refusal(self, error: sqlite3.Error) -> Exception:
        """What the caller is told: `Unavailable` when the database is away, the error itself when the statement is wrong."""
        why = "is closed" if self._closed else _AWAY.get(_primary(error))
        return error if why is None else Unavailable(f"The database {self._path} {why}: {error}")

    def tally(self) -> None:
        """After a commit: see whether the log is long enough for a checkpoint."""
        changes = self.connection.total_changes
        if changes - self._checkpointed >= _CHECKPOINT_CHANGES and self.log and not self._checkpoint:
            self._checkpointed = changes
            self._checkpoint = asyncio.get_running_loop().create_task(self._copy_log(self.log))

    async def _copy_log(self, log: "_Log") -> None:
        try:
            await log.in_thread(log.checkpoint)
            async with self._turn:
                await log.in_thread(log.checkpoint)
        except sqlite3.Error as error:
            _log.warning("checkpoint of %s failed: %s", self._path, error)
        finally:
            self._checkpoint = None

    def _open(self) -> None:
        self.connection = _connect(self._path)
        self.log = None if self._path == ":memory:" else _Log(self._path)
        self._opened += 1
        self._checkpointed = 0
        self._look_at = 0.0

    def _reopen(self) -> None:
        # Never closed: the last connection to close deletes the log at its path, which belongs to another file now.
        lost, schema = (self.connection, self.log), _schema(self.connection)
        try:
            self._open()
        except DatabaseUnusable as error:
            raise Unavailable(error.detail) from error
        self._lost.append(lost)
        if _schema(self.connection) != schema:
            raise Unavailable(f"{self._path} was replaced by a database with another schema: start jotgate anew")
        _log.warning("%s was replaced: continuing with the new file", self._path)


class _Single:
    """Single statements, each its own transaction. Implements `ports.Tx`."""

    __slots__ = ("_store", "_writes")

    def __init__(self, store: SqliteStore, *, writes: bool) -> None:
        self._store = store
        self._writes = writes

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        rows = await self._do(sql, args, sqlite3.Cursor.fetchall)
        return rows[0] if rows else None

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        return await self._do(sql, args, sqlite3.Cursor.fetchall)

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return await self._do(sql, args, _rowcount)

    async def _do(self, sql: str, args: tuple[Value, ...], result: Callable[[sqlite3.Cursor], _T]) -> _T:
        store = self._store
        if self._writes:
            store.look()
        try:
            if store._turn.locked() and (self._writes or store.connection.in_transaction):
                return await self._queue(sql, args, result)
            done = result(store.connection.execute(sql, args))
        except sqlite3.Error as error:
            if _primary(error) != sqlite3.SQLITE_BUSY:
                raise store.refusal(error) from error
            return await self._queue(sql, args, result)
        if self._writes:
            store.tally()
        return done

    async def _queue(self, sql: str, args: tuple[Value, ...], result: Callable[[sqlite3.Cursor], _T]) -> _T:
        deadline = monotonic() + _PATIENCE_SECONDS
        await self._store.take_turn()
        try:
            return await self._store.patiently(lambda: result(self._store.connection.execute(sql, args)), deadline)
        finally:
            self._store.release_turn()


class _Transaction:
    """BEGIN IMMEDIATE to COMMIT, then the disk. Any error of the database ends it. Implements `ports.Tx`."""

    __slots__ = ("_durable", "_live", "_store")

    def __init__(self, store: SqliteStore, *, durable: bool) -> None:
        self._store = store
        self._durable = durable
        self._live = False

    async def __aenter__(self) -> Tx:
        store = self._store
        deadline = monotonic() + _PATIENCE_SECONDS
        await store.take_turn()
        try:
            store.look()
            await store.patiently(lambda: store.connection.execute("begin immediate"), deadline)
        except BaseException:
            store.release_turn()
            raise
        store._owner = asyncio.current_task()
        self._live = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store = self._store
        try:
            if kind is None:
                self._execute("commit", ())
            else:
                self._roll_back()
        finally:
            self._live = False
            store.release_turn()
        if kind is None:
            store.tally()
            if self._durable and store.log:
                await store.log.settled()

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        rows = self._execute(sql, args).fetchall()
        return rows[0] if rows else None

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        return self._execute(sql, args).fetchall()

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return self._execute(sql, args).rowcount

    def _execute(self, sql: str, args: tuple[Value, ...]) -> sqlite3.Cursor:
        if not self._live:
            raise RuntimeError("the transaction is over")
        try:
            return self._store.connection.execute(sql, args)
        except sqlite3.Error as error:
            self._roll_back()
            raise self._store.refusal(error) from error

    def _roll_back(self) -> None:
        self._live = False
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            self._store.connection.execute("rollback")


class _Log:
    """The write-ahead log on the disk: when it is synced, when it is copied into the database."""

    def __init__(self, path: str) -> None:
        self._paths = (path, path + "-wal")
        self._descriptor = os.open(path + "-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._identities = tuple(map(_identity, self._paths))
        self._copier = sqlite3.connect(path, isolation_level=None, timeout=1, check_same_thread=False)
        self._copying = threading.Lock()
        self._threads = ThreadPoolExecutor(2, "jotgate-disk")
        self._waiting: list[asyncio.Future[None]] = []
        self._syncing = False
        self._suspect = False  # after a failed sync

    def state(self) -> str:
        """What stands at the paths: the `same` files, none (`gone`), two `other` ones, or a `mixed` pair."""
        database, log = map(_identity, self._paths)
        if (database, log) == self._identities:
            return "same"
        if database is None:
            return "gone"
        return "mixed" if database == self._identities[0] or log == self._identities[1] else "other"

    async def settled(self) -> None:
        """Return once everything that was committed before the call is on the disk. Raises `Unavailable`."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        if not self._syncing:
            self._start(loop)
        await waiter

    async def in_thread(self, work: Callable[[], None]) -> None:
        """Outside of the loop's thread."""
        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def checkpoint(self, mode: str = "passive") -> None:
        """Copy what the log holds into the database, as far as nobody is in the way."""
        with self._copying:
            busy = self._copier.execute(f"pragma wal_checkpoint({mode})").fetchone()[0]
        if busy and mode != "passive":
            raise OSError(f"the log cannot be emptied: {self._paths[0]} is locked")

    async def close(self) -> None:
        """After the last sync."""
        await self.settled()
        self._threads.shutdown()
        self._copier.close()
        os.close(self._descriptor)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._syncing = True
        served, self._waiting = self._waiting, []
        syncing = loop.run_in_executor(self._threads, self._sync)
        syncing.add_done_callback(partial(self._finish, loop, served))

    def _finish(
        self, loop: asyncio.AbstractEventLoop, served: list[asyncio.Future[None]], syncing: asyncio.Future[None]
    ) -> None:
        error = syncing.exception()
        for waiter in served:
            if waiter.done():
                continue
            if error:
                waiter.set_exception(Unavailable(f"The disk refused to keep a change: {error}"))
            else:
                waiter.set_result(None)
        self._syncing = False
        if self._waiting:
            self._start(loop)

    def _sync(self) -> None:
        if self._suspect:
            self.checkpoint("truncate")
        self._suspect = True
        os.fdatasync(self._descriptor)
        if self.state() != "same":
            raise OSError(f"{self._paths[0]} is gone")
        self._suspect = False


def _connect(path: str) -> sqlite3.Connection:
    if path != ":memory:":
        _prepare(Path(path))
    deadline = monotonic() + _PATIENCE_SECONDS
    while True:
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=0, check_same_thread=False, cached_statements=256
        )
        try:
            mode = connection.execute("pragma journal_mode = wal").fetchone()[0]
            for pragma in _PRAGMAS:
                connection.execute(f"pragma {pragma}")
            _schema(connection)  # the first read makes the log
        except sqlite3.Error as error:
            connection.close()
            if _primary(error) != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                why = _AWAY.get(_primary(error), "cannot be used")
                raise DatabaseUnusable(f"The database {path} {why}: {error}") from error
            sleep(0.01)
            continue
        if mode not in {"wal", "memory"}:
            connection.close()
            raise DatabaseUnusable(f"The database {path} lies on a file system without shared memory (a network one?)")
        return connection


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(path.parent)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DatabaseUnusable(f"The folder {path.parent} is not writable for this user")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            _check_owner(path)
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            raise DatabaseUnusable(f"{path} is not a file that this user may read and write")
    except OSError as error:
        raise DatabaseUnusable(f"The database {path} cannot be made: {error.strerror}") from error


def _check_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if owner not in {os.geteuid(), 0}:  # root's is fine where root lets us write (a mounted volume)
        raise DatabaseUnusable(
            f"{path} belongs to user {owner}, and this process runs as {os.geteuid()}: run it as that user"
        )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _schema(connection: sqlite3.Connection) -> list[Row]:
    return connection.execute("select name, sql from sqlite_master order by name").fetchall()


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the module's own complaints have no code


def _rowcount(cursor: sqlite3.Cursor) -> int:
    return cursor.rowcount
