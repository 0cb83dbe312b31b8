"""SQLite: single statements, each its own transaction, or together with others of the same round of the event loop.

Locks, the frames of the log and its index cost three times what the `update` of a refresh does, and under load a round
has many refreshes. Nobody goes on before the commit: what one has seen of another's change is not undone after.

    who in a round           what
    --------------           ----
    the first                by itself, as if nobody else came; has the loop call for the end
    the second               takes the turn and begins; its statement
    whoever comes after it   the statement, in the same transaction
    the end                  commits, gives the turn back, lets all of them go on

    what fails                              who is told
    ----------                              -----------
    the beginning, a statement by itself    its caller; the others go on
    the commit, or SQLite rolled back       all in the transaction: nothing was changed
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol, TypeVar

from jotgate.store.ports import Row, Value
from jotgate.store.sqlite_file import busy
from jotgate.store.sqlite_wal import Wal

_T = TypeVar("_T")


class Turns(Protocol):
    """What is needed of the store."""

    connection: sqlite3.Connection
    turn: asyncio.Lock
    wal: Wal | None
    patience_seconds: float

    def look(self) -> None:
        """Refuse to write into a file that is not at its path any more."""

    async def take_turn(self) -> None:
        """Wait until nobody else writes."""

    async def patiently(self, attempt: Callable[[], _T], deadline: float) -> _T:
        """Try until another process gives up its lock, at most until the deadline. Raises `Unavailable`."""
        ...

    def refusal(self, error: sqlite3.Error) -> Exception:
        """What the caller is told."""
        ...

    def tally(self) -> None:
        """After a commit."""


class Single:
    """Single statements, each its own transaction. Implements `ports.Tx`."""

    __slots__ = ("_durable", "_store", "_writes")
    shared = ""

    def __init__(self, store: Turns, *, writes: bool, durable: bool = False) -> None:
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


class Shared(Single):
    """The same, but those of one round of the event loop share one, as the table above says."""

    __slots__ = ("_loop", "_open", "_undone", "_waiting")

    def __init__(self, store: Turns, *, writes: bool) -> None:
        super().__init__(store, writes=writes)
        self._loop: asyncio.AbstractEventLoop | None = None  # in whose round there was a first; None: there was none
        self._waiting: list[asyncio.Future[None]] = []
        self._open = False
        self._undone: sqlite3.Error | None = None  # by what SQLite has rolled the transaction back

    async def _do(self, sql: str, args: tuple[Value, ...], result: Callable[[sqlite3.Cursor], _T]) -> _T:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._end)
            return await super()._do(sql, args, result)
        store = self._store
        store.look()
        if not self._open:
            await self._begin()
        if self._undone is not None:
            raise store.refusal(self._undone)
        try:
            done = result(store.connection.execute(sql, args))
        except sqlite3.Error as error:
            if not store.connection.in_transaction:
                self._undone = error
            raise store.refusal(error) from error
        committed = self._loop.create_future()  # one for each: who is cancelled cancels what he waits for
        self._waiting.append(committed)
        await committed
        return done

    async def _begin(self) -> None:
        store = self._store
        deadline = monotonic() + store.patience_seconds
        await store.take_turn()
        try:
            await store.patiently(lambda: store.connection.execute("begin immediate"), deadline)
        except BaseException:
            store.turn.release()
            raise
        self._open = True
        if self._loop is None:  # it waited: this is another round
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        self._loop = None
        if self._open:
            self._open = False
            self._commit()

    def _commit(self) -> None:
        store = self._store
        (waiting, failed), (self._waiting, self._undone) = (self._waiting, self._undone), ([], None)
        try:
            if failed is None:
                store.connection.execute("commit")
        except sqlite3.Error as error:
            failed = error
            with contextlib.suppress(sqlite3.Error):  # SQLite may have done it by itself
                store.connection.execute("rollback")
        store.turn.release()
        for one in waiting:
            if one.done():  # cancelled meanwhile
                continue
            if failed is None:
                one.set_result(None)
            else:
                one.set_exception(store.refusal(failed))
        if failed is None:
            store.tally()


def _rowcount(cursor: sqlite3.Cursor) -> int:
    return cursor.rowcount
