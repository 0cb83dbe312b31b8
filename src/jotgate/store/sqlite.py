"""SQLite for one process beside others: one connection, in the event loop's thread.

A look-up costs less than a hop to a thread, so statements run in the caller's. A transaction takes its turn, and its
block awaits nothing but the transaction, which never suspends; should a block suspend all the same, others queue behind
it. A lock that another process holds (the command line beside the server) is waited for without blocking the loop.

    the database is                            answer
    ---------------                            ------
    locked by another process, up to 5 s       done when the lock is given up
    locked longer, full, read-only, damaged    Unavailable; nothing was changed
    not kept by the disk                       Unavailable; nobody knows whether it was changed
    gone, or replaced under our feet           Unavailable for whoever writes; as before once it is back
    no database, not ours, unwritable          DatabaseUnusable, when it is opened
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TypeVar

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store.ports import Dialect, Row, Tx, Value
from jotgate.store.sqlite_file import away, busy, connect, no_room
from jotgate.store.sqlite_wal import Wal

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_LOOK_SECONDS = 0.2  # between looks whether the file is still there
_COPIES_BESIDE = 4  # of the log beside the writers, before those who write wait for the rest
_SOON_COPIED = 0.01  # seconds
_CHECKPOINT_CHANGES = 4000  # rows changed, each a page or a few; writers queue for the end of each copying


def open_store(path: str | Path, *, patience_seconds: float = 5.0) -> "SqliteStore":
    """Open or make a database file (0600, its folder 0700), or `:memory:`. Raises `DatabaseUnusable`.

    `patience_seconds`: how long a lock of another process is waited for.
    """
    connection = connect(str(path), patience_seconds=patience_seconds)
    try:
        wal = None if str(path) == ":memory:" else Wal(str(path))
        return SqliteStore(str(path), connection, wal, patience_seconds=patience_seconds)
    except (OSError, sqlite3.Error) as error:
        connection.close()
        raise DatabaseUnusable(f"The log of the database {path} cannot be opened: {error}") from error


class SqliteStore:
    """Implements `ports.Store`. Made by `open_store` anywhere, then used from one event loop."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str, connection: sqlite3.Connection, wal: Wal | None, *, patience_seconds: float) -> None:
        self.connection = connection
        self.wal = wal
        self.turn = asyncio.Lock()  # of the one who writes
        self.owner: asyncio.Task[object] | None = None  # whose block is open
        self.patience_seconds = patience_seconds
        self._path = path
        self._read, self._swap = _Single(self, writes=False), _Single(self, writes=True)
        self._keep = _Single(self, writes=True, durable=True)
        self._looked_at = -_LOOK_SECONDS
        self._copied = -_CHECKPOINT_CHANGES  # with the first commit what earlier lives left in the log is copied
        self._copying: asyncio.Task[None] | None = None
        self._closed = False

    def begin(self, *, durable: bool = True) -> "_Transaction":
        """A write transaction; leaving the block commits, an exception rolls back."""
        return _Transaction(self, durable=durable)

    async def write(self, work: Callable[[Tx], Awaitable[_T]], *, durable: bool = True) -> _T:
        """What `work` gives; there is one writer, so nothing is done twice."""
        async with self.begin(durable=durable) as tx:
            return await work(tx)

    async def upgrade(self, work: Callable[[Tx], Awaitable[_T]]) -> _T:
        """What `work`, which changes the schema, gives."""
        return await self.write(work)

    def read(self) -> Tx:
        """For single statements that only read."""
        return self._read

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo."""
        return self._swap

    def keep(self) -> Tx:
        """For single writing statements that a power cut cannot undo."""
        return self._keep

    async def version(self) -> int:
        """Differs whenever another process may have committed since the last call."""
        row = await self._read.one("pragma data_version")
        self.look()
        return int(row[0]) if row else 0

    async def tables(self) -> frozenset[str]:
        """The names of the tables that are there."""
        rows = await self._read.all("select name from sqlite_master where type = 'table'")
        return frozenset(name for (name,) in rows)

    async def close(self) -> None:
        """Wait for what is under way, then close; whoever comes later gets `Unavailable`."""
        if self._closed:
            return
        self._closed = True
        if self._copying:
            await self._copying
        async with self.turn:
            if self.wal:
                await self.wal.close()
            self.connection.close()

    # --- for the transactions below

    def look(self) -> None:
        """Refuse to write into a file that is not at its path any more."""
        now = monotonic()
        if now - self._looked_at < _LOOK_SECONDS or not self.wal:
            return
        if complaint := self.wal.complaint():
            raise Unavailable(complaint)
        self._looked_at = now

    async def take_turn(self) -> None:
        """Wait until nobody else writes."""
        if self.owner is not None and self.owner is asyncio.current_task():
            raise RuntimeError("inside a transaction only the transaction may be used")
        await self.turn.acquire()

    async def patiently(self, attempt: Callable[[], _T], deadline: float) -> _T:
        """Try until another process gives up its lock, at most until the deadline. Raises `Unavailable`."""
        pause = 0.001
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                if not busy(error) or monotonic() >= deadline:
                    raise self.refusal(error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)

    def refusal(self, error: sqlite3.Error) -> Exception:
        """What the caller is told: `Unavailable` when the database is away; a wrong statement's error as it is."""
        why = "is closed" if self._closed else away(error)
        if no_room(error):  # perhaps it is the log that took it: no commit would ever have it copied again
            self._begin_copying()
        return error if why is None else Unavailable(f"The database {self._path} {why}: {error}")

    def tally(self) -> None:
        """After a commit: when the log has grown long, have it copied into the database."""
        changes = self.connection.total_changes
        if changes - self._copied >= _CHECKPOINT_CHANGES:
            self._begin_copying()

    def _begin_copying(self) -> None:
        if self.wal and not (self._copying or self._closed):
            self._copied = self.connection.total_changes
            self._copying = asyncio.get_running_loop().create_task(self._copy(self.wal))

    async def _copy(self, wal: Wal) -> None:
        try:
            for _ in range(_COPIES_BESIDE):
                began = monotonic()
                await wal.copy_beside()
                if monotonic() - began < _SOON_COPIED:  # what was written meanwhile is less still
                    break
            async with self.turn:
                await wal.copy()
        except (sqlite3.Error, OSError) as error:
            _log.warning("checkpoint of %s failed: %s", self._path, error)
        finally:
            self._copying = None


class _Single:
    """Single statements, each its own transaction. Implements `ports.Tx`."""

    __slots__ = ("_durable", "_store", "_writes")
    shared = ""

    def __init__(self, store: SqliteStore, *, writes: bool, durable: bool = False) -> None:
        self._store = store
        self._writes = writes
        self._durable = durable

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
            if store.turn.locked() and (self._writes or store.connection.in_transaction):
                done = await self._queue(sql, args, result)
            else:
                done = result(store.connection.execute(sql, args))
        except sqlite3.Error as error:
            if not busy(error):
                raise store.refusal(error) from error
            done = await self._queue(sql, args, result)
        if self._writes:
            store.tally()
        if self._durable and store.wal:
            await store.wal.settled()
        return done

    async def _queue(self, sql: str, args: tuple[Value, ...], result: Callable[[sqlite3.Cursor], _T]) -> _T:
        store = self._store
        deadline = monotonic() + store.patience_seconds
        await store.take_turn()
        try:
            return await store.patiently(lambda: result(store.connection.execute(sql, args)), deadline)
        finally:
            store.turn.release()


class _Transaction:
    """BEGIN IMMEDIATE to COMMIT, then the disk. Any error of the database ends it. Implements `ports.Tx`."""

    __slots__ = ("_durable", "_live", "_store")
    shared = ""

    def __init__(self, store: SqliteStore, *, durable: bool) -> None:
        self._store = store
        self._durable = durable
        self._live = False

    async def __aenter__(self) -> Tx:
        store = self._store
        deadline = monotonic() + store.patience_seconds
        await store.take_turn()
        try:
            store.look()
            await store.patiently(lambda: store.connection.execute("begin immediate"), deadline)
        except BaseException:
            store.turn.release()
            raise
        store.owner = asyncio.current_task()
        self._live = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store = self._store
        try:
            if kind is None:
                self._execute("commit", ())
            elif self._live:
                self._roll_back()
        finally:
            self._live = False
            store.owner = None
            store.turn.release()
        if kind is None:
            store.tally()
            if self._durable and store.wal:
                await store.wal.settled()

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
        with contextlib.suppress(sqlite3.Error):  # SQLite may have done it by itself
            self._store.connection.execute("rollback")


def _rowcount(cursor: sqlite3.Cursor) -> int:
    return cursor.rowcount
