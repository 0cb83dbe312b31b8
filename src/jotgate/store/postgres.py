"""PostgreSQL, and engines that speak its protocol, for any number of processes, by asyncpg.

    the database                                     answer
    ------------                                     ------
    finds that two transactions cross (40001, ...)   done again after a moment, for 5 s at most, then Unavailable
    is away, starting, full, read-only, or late      Unavailable; of a commit under way nobody knows
    no database, not ours, wrong password            DatabaseUnusable, when it is opened

A statement is answered within 2 s or its connection is thrown away, so that a network that comes back finds nobody
waiting for what it has swallowed. PostgreSQL is told to give up a little earlier where it can: waiting for a lock, and
for us in mid-transaction, so that a node that is cut off holds up no other one. Where it waits in the middle of a
statement, for the rest of it, the limit of the whole transaction alone counts, which PostgreSQL has since version 17.
The commit has no limit there: cut short, it would be called done before its replica has it.

Nothing is asked of a session but its statements: no RESET between two users of a connection, no LISTEN, no advisory
lock. Behind PgBouncer in transaction mode no statement is prepared by name, and what a session would be told at its
start each transaction is told.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store.ports import Dialect, Row, Tx, Value
from jotgate.store.postgres_errors import CLASH, CROSSED, given_up, in_doubt, sorted_out, unusable
from jotgate.store.postgres_pool import Connection, Pool
from jotgate.store.postgres_sql import relaxed, translated

_T = TypeVar("_T")
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 2.0
_UPGRADE_SECONDS = 3600.0  # a statement that changes the schema, with all that it waits for
_LIMITS = {"lock_timeout": "1500", "idle_in_transaction_session_timeout": "2000"}
_WHOLE = {"transaction_timeout": "2500"}
_KNOWS_WHOLE = (17, 0)
_PRESENCE = {"application_name": "jotgate", "tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10"}
_REPEATING_SECONDS = 5.0
_CLASHES = 3  # of what a repetition finds otherwise only if it was a crossing
_PAUSE_SECONDS = 0.002  # before the first repetition, on average; twice as long before each next
_LONGEST_PAUSE = 0.03  # not much longer than a transaction: else who has waited long loses to who comes now
_OLDEST = (13, 0)
_FIRST, _ALL, _RUN = asyncpg.Connection.fetchrow, asyncpg.Connection.fetch, asyncpg.Connection.execute


async def open_store(url: str, *, pool: int = 10, pgbouncer: bool = False) -> "PostgresStore":
    """Connect. `pool`: connections of this process at most. Raises `DatabaseUnusable`."""
    try:
        chosen = parse_qs(urlsplit(url).query)
        settings = {name: value for name, value in (_LIMITS | _PRESENCE).items() if name not in chosen}
        connect = partial(
            _connected,
            {} if pgbouncer else {name: value for name, value in _WHOLE.items() if name not in chosen},
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            statement_cache_size=0 if pgbouncer else 500,
            max_cached_statement_lifetime=0,
            server_settings=None if pgbouncer else settings,
        )
        turns = count()
        connections = Pool(lambda: connect(_from_host(url, next(turns))), pool)
        first = _fit(await connections.begin())
        limits = _LIMITS | (_WHOLE if first.get_server_version() >= _KNOWS_WHOLE else {})
        connections.give(first)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unusable(error) from error
    return PostgresStore(connections, limits=limits, each_time=pgbouncer)


async def _connected(settings: dict[str, str], url: str, **options: Any) -> Connection:
    """`settings`: what older servers do not know, and therefore must not be asked for on connecting."""
    connection = await asyncpg.connect(url, **options)
    if settings and connection.get_server_version() >= _KNOWS_WHOLE:
        try:
            await connection.execute(";".join(f"set {name} = {value}" for name, value in settings.items()))
        except BaseException:
            connection.terminate()
            raise
    return connection


def _from_host(url: str, turn: int) -> str:
    """Of several hosts another one is asked first each time: one that is silent hides none of the others."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    names = hosts.split(",")
    first = turn % len(names)
    if not first:
        return url
    return urlunsplit(parts._replace(netloc=user + at + ",".join(names[first:] + names[:first])))


def _fit(connection: Connection) -> Connection:
    version, encoding = connection.get_server_version(), connection.get_settings().server_encoding
    if version < _OLDEST or encoding != "UTF8":
        connection.terminate()
    if version < _OLDEST:
        raise DatabaseUnusable(f"PostgreSQL {version.major} is too old: jotgate needs {_OLDEST[0]} or newer")
    if encoding != "UTF8":
        raise DatabaseUnusable(f"The database keeps text as {encoding}: make one with ENCODING 'UTF8'")
    return connection


class PostgresStore:
    """Implements `ports.Store`. Made by `open_store`, used from one event loop."""

    dialect: Dialect = "postgres"

    def __init__(self, pool: Pool, *, limits: dict[str, str], each_time: bool) -> None:
        """`limits` of every transaction; `each_time`: it must say them itself."""
        self._pool = pool
        told = limits.items() if each_time else ()
        self._begin = ";".join(["begin", *(f"set local {name} = {value}" for name, value in told)])
        self._without_limits = ";".join(["begin", *(f"set local {name} = 0" for name in limits)])
        self._read, self._swap = _Single(pool, translated), _Single(pool, relaxed)
        self._seen: tuple[object, ...] = ()
        self._version = 0

    @asynccontextmanager
    async def begin(self, *, durable: bool = True) -> AsyncIterator[Tx]:
        """A transaction, once; leaving the block commits, an exception rolls back."""
        first = self._begin if durable else f"{self._begin};set local synchronous_commit = off"
        async with _transaction(self._pool, first, seconds=_STATEMENT_SECONDS) as tx:
            yield tx

    async def write(self, work: Callable[[Tx], Awaitable[_T]], *, durable: bool = True) -> _T:
        """What `work` gives; done again as a whole when it crossed another transaction."""

        async def attempt() -> _T:
            async with self.begin(durable=durable) as tx:
                return await work(tx)

        return await _again(attempt)

    async def upgrade(self, work: Callable[[Tx], Awaitable[_T]]) -> _T:
        """What `work`, which changes the schema, gives: in a transaction that may take its time."""
        first = self._without_limits

        async def attempt() -> _T:
            async with _transaction(self._pool, first, seconds=_UPGRADE_SECONDS) as tx:
                return await work(tx)

        try:
            return await _again(attempt)
        except (asyncpg.PostgresError, Unavailable) as error:
            raise unusable(error.__cause__ or error) from error

    def read(self) -> Tx:
        """For single statements that only read."""
        return self._read

    def swap(self) -> Tx:
        """For single writing statements that a power cut may undo."""
        return self._swap

    def keep(self) -> Tx:
        """For single writing statements that a power cut cannot undo."""
        return self._read  # which leaves the database's own durability as it is

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
        """The names of the tables, and of what stands in their way, in the schema that ours go into."""
        rows = await self._read.all(
            """select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v', 'm', 'f')"""
        )
        return frozenset(name for (name,) in rows)

    async def close(self) -> None:
        """Wait for what is under way, a while, then close."""
        await self._pool.close(patience_seconds=_STATEMENT_SECONDS)


class _Single:
    """Single statements, each its own transaction. Implements `ports.Tx`."""

    __slots__ = ("_pool", "_translate")
    shared = " for share"

    def __init__(self, pool: Pool, translate: Callable[[str], str]) -> None:
        self._pool = pool
        self._translate = translate

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        row: Row | None = await self._do(_FIRST, sql, args)
        return row

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        rows: Sequence[Row] = await self._do(_ALL, sql, args)
        return rows

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return _changed(await self._do(_RUN, sql, args))

    async def _do(self, do: Callable[..., Awaitable[Any]], sql: str, args: tuple[Value, ...]) -> Any:
        pool, text = self._pool, self._translate(sql)
        patience = None
        while True:
            connection = pool.free() or await pool.wait()
            try:
                answer = await do(connection, text, *args)
            except BaseException as error:
                _done_with(pool, connection, error)
                if not isinstance(error, CROSSED):
                    raise sorted_out(error, connection) from error
                patience = patience or _Patience()
                await patience.pause(error)
            else:
                pool.give(connection)
                return answer


@asynccontextmanager
async def _transaction(pool: Pool, first: str, *, seconds: float) -> AsyncIterator["_Transaction"]:
    """From `begin` to its end; each statement within so many seconds."""
    connection = pool.free() or await pool.wait()
    tx = _Transaction(connection, seconds)
    try:
        await connection.execute(first)
        yield tx
        await _commit(connection, seconds)
    except BaseException as error:
        refusal = sorted_out(error, connection)
        await _roll_back(pool, connection, error)
        raise refusal from error
    finally:
        tx.over()
    pool.give(connection)


def _done_with(pool: Pool, connection: Connection, error: BaseException) -> None:
    """After a statement that was not answered as it should."""
    if isinstance(error, TimeoutError):
        pool.doubt(monotonic() - _STATEMENT_SECONDS)
    elif isinstance(error, asyncpg.ReadOnlySQLTransactionError):  # all may lead to what is no primary any more
        pool.doubt(monotonic())
    done_with = pool.drop if in_doubt(error, connection) else pool.give
    done_with(connection)


async def _commit(connection: Connection, seconds: float) -> None:
    if await connection.execute("commit", timeout=seconds) != "COMMIT":  # PostgreSQL then says ROLLBACK
        raise RuntimeError("there was nothing to commit: a statement had failed")


async def _roll_back(pool: Pool, connection: Connection, error: BaseException) -> None:
    if in_doubt(error, connection):
        _done_with(pool, connection, error)
        return
    try:
        await connection.execute("rollback")
    except BaseException as failure:
        pool.drop(connection)
        if not isinstance(failure, Exception):
            raise
    else:
        pool.give(connection)


class _Transaction:
    """Statements between `begin` and its end. Implements `ports.Tx`."""

    __slots__ = ("_connection", "_seconds")
    shared = " for share"

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def over(self) -> None:
        """The connection is somebody else's from now on."""
        self._connection = None

    async def one(self, sql: str, /, *args: Value) -> Row | None:
        """The first row, or None."""
        row: Row | None = await self._open().fetchrow(translated(sql), *args, timeout=self._seconds)
        return row

    async def all(self, sql: str, /, *args: Value) -> Sequence[Row]:
        """All rows."""
        rows: Sequence[Row] = await self._open().fetch(translated(sql), *args, timeout=self._seconds)
        return rows

    async def run(self, sql: str, /, *args: Value) -> int:
        """Rows changed."""
        return _changed(await self._open().execute(translated(sql), *args, timeout=self._seconds))

    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        return self._connection


class _Patience:
    """Repetitions after pauses that keep two from meeting once more."""

    __slots__ = ("_clashes", "_deadline", "_pause")

    def __init__(self) -> None:
        self._deadline = monotonic() + _REPEATING_SECONDS
        self._pause = _PAUSE_SECONDS
        self._clashes = 0

    async def pause(self, error: BaseException) -> None:
        """Before the next repetition. Raises when there have been enough."""
        self._clashes += isinstance(error, CLASH)
        if self._clashes > _CLASHES or monotonic() > self._deadline:
            raise given_up(error) from error
        await asyncio.sleep(self._pause * 2 * random.random())  # noqa: S311 - to be apart, not to be secret
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


async def _again(attempt: Callable[[], Awaitable[_T]]) -> _T:
    """Until it crosses nobody. Raises `Unavailable`."""
    patience = _Patience()
    while True:
        try:
            return await attempt()
        except CROSSED as error:
            await patience.pause(error)


def _changed(tag: str) -> int:
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0
