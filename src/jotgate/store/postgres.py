"""PostgreSQL, and engines that speak its protocol, for any number of processes: a pool of connections by asyncpg.

    the database                                     answer
    ------------                                     ------
    finds that two transactions cross (40001, 40P01) done again after a moment, a few times, then Unavailable
    is away, starting, full, read-only, or late      Unavailable; of a commit under way nobody knows
    no database, not ours, wrong password            DatabaseUnusable, when it is opened

Nothing is asked of a session but its statements: no RESET between two users of a connection, no LISTEN, no advisory
lock. Behind PgBouncer in transaction mode no statement is prepared by name.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store.ports import Dialect, Row, Tx, Value
from jotgate.store.postgres_sql import relaxed, translated

_T = TypeVar("_T")
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.002  # before the first repetition, on average; twice as long before each next
_LONGEST_PAUSE = 0.1
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 5.0
_CROSSED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
)
_Pool = Any  # asyncpg has no types
_Connection = Any


async def open_store(url: str, *, pool: int = 10, pgbouncer: bool = False) -> "PostgresStore":
    """Connect. `pool`: connections of this process at most. Raises `DatabaseUnusable`."""
    try:
        connections = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool,
            reset=_nothing,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            statement_cache_size=0 if pgbouncer else 200,
            server_settings=None if pgbouncer else {"application_name": "jotgate"},
        )
    except (*_AWAY, asyncpg.PostgresError, ValueError) as error:
        raise DatabaseUnusable(f"PostgreSQL cannot be used: {error}") from error
    return PostgresStore(connections)


class PostgresStore:
    """Implements `ports.Store`. Made by `open_store`, used from one event loop."""

    dialect: Dialect = "postgres"

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._read, self._swap = _Single(pool, translated), _Single(pool, relaxed)
        self._seen: tuple[object, ...] = ()
        self._version = 0

    @asynccontextmanager
    async def begin(self, *, durable: bool = True) -> AsyncIterator[Tx]:
        """A transaction, once; leaving the block commits, an exception rolls back."""
        try:
            async with self._pool.acquire() as connection:
                await connection.execute("begin" if durable else "begin; set local synchronous_commit = off")
                try:
                    yield _Transaction(connection)
                except BaseException:
                    await connection.execute("rollback")
                    raise
                await connection.execute("commit")
        except _AWAY as error:
            raise _unavailable(error) from error

    async def write(self, work: Callable[[Tx], Awaitable[_T]], *, durable: bool = True) -> _T:
        """What `work` gives; done again as a whole when it crossed another transaction."""

        async def attempt() -> _T:
            async with self.begin(durable=durable) as tx:
                return await work(tx)

        return await _again(attempt)

    def read(self) -> Tx:
        """For single statements that only read."""
        return self._read

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo."""
        return self._swap

    async def version(self) -> int:
        """Differs whenever another process may have told news or changed keys since the last call."""
        seen = await self._read.one(
            """select keyring_version, seq, incarnation, exists (select 1 from feed_entries where seq is null)
            from installation, feed_head"""
        )
        if tuple(seen or ()) != self._seen:
            self._seen = tuple(seen or ())
            self._version += 1
        return self._version

    async def tables(self) -> frozenset[str]:
        """The names of the tables that are there, in the schema that ours go into."""
        rows = await self._read.all(
            "select table_name from information_schema.tables where table_schema = current_schema()"
        )
        return frozenset(name for (name,) in rows)

    async def close(self) -> None:
        """Wait for what is under way, a while, then close."""
        try:
            async with asyncio.timeout(_STATEMENT_SECONDS):
                await self._pool.close()
        except (TimeoutError, *_AWAY):
            self._pool.terminate()


class _Single:
    """Single statements, each its own transaction. Implements `ports.Tx`."""

    shared = " for share"

    def __init__(self, pool: _Pool, translate: Callable[[str], str]) -> None:
        self._pool = pool
        self._translate = translate

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        return await self._do(sql, args, _first)

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        return await self._do(sql, args, _rows)

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return await self._do(sql, args, _changed)

    async def _do(
        self, sql: str, args: tuple[Value, ...], do: Callable[[_Connection, str, tuple[Value, ...]], Awaitable[_T]]
    ) -> _T:
        async def attempt() -> _T:
            try:
                async with self._pool.acquire() as connection:
                    return await do(connection, self._translate(sql), args)
            except _AWAY as error:
                raise _unavailable(error) from error

        return await _again(attempt)


class _Transaction:
    """Statements between `begin` and its end. Implements `ports.Tx`."""

    shared = " for share"

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        return await _first(self._connection, translated(sql), args)

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        return await _rows(self._connection, translated(sql), args)

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return await _changed(self._connection, translated(sql), args)


async def _again(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Until it crosses nobody, with pauses that keep two from meeting once more. Raises `Unavailable`."""
    pause = _PAUSE_SECONDS
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except _CROSSED:
            await asyncio.sleep(pause * 2 * random.random())  # noqa: S311 - to be apart, not to be secret
            pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        return await attempt()
    except _CROSSED as error:
        raise _unavailable(error) from error


async def _first(connection: _Connection, sql: str, args: tuple[Value, ...]) -> Row | None:
    row: Row | None = await connection.fetchrow(sql, *args)
    return row


async def _rows(connection: _Connection, sql: str, args: tuple[Value, ...]) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(sql, *args)
    return rows


async def _changed(connection: _Connection, sql: str, args: tuple[Value, ...]) -> int:
    tag: str = await connection.execute(sql, *args)
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


async def _nothing(_connection: object) -> None:
    """What a connection needs between two users: we leave nothing behind."""


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(f"PostgreSQL: {type(error).__name__}: {error}")
