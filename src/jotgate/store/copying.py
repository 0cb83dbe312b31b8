"""All of one database into another, whichever dialects they have: table by table, in order, some thousand rows at once.

    copied as it is    every column that both have
    counted anew       numbers that mean nothing elsewhere: of feed entries and of lines of the audit; their order stays
    not copied         migrations (each database has its own) and leases (of nodes that are at work)

Rows are read by the primary key, so that each batch begins where the last one ended, however many there are.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jotgate.errors import DatabaseUnusable
from jotgate.store.ports import Dialect, Row, Tx, Value

COPIED = (
    "installation", "roles", "users", "user_roles", "signing_keys", "mac_keys", "sessions", "feed_head", "feed_entries",
    "setup_links", "throttle_counts", "restores", "audit",
)  # fmt: skip
NOT_COPIED = ("jotgate_migrations", "leases")
_OWN_NUMBERS = frozenset({"feed_entries.id", "audit.id"})
_BATCH = 5000  # rows read at once
_PARAMETERS = 1500  # of one insert: more take longer to prepare than they save
_MOVED = 999_999  # the number of a step that no jotgate will ever know
_COLUMNS: Mapping[Dialect, str] = {
    "sqlite": "select name from pragma_table_info(?) order by cid",
    "postgres": """select column_name from information_schema.columns
        where table_schema = current_schema() and table_name = ? order by ordinal_position""",
}
_KEYS: Mapping[Dialect, str] = {
    "sqlite": "select name from pragma_table_info(?) where pk > 0 order by pk",
    "postgres": """select parts.column_name from information_schema.key_column_usage as parts
        join information_schema.table_constraints as whole on whole.constraint_name = parts.constraint_name
            and whole.table_schema = parts.table_schema and whole.table_name = parts.table_name
        where whole.constraint_type = 'PRIMARY KEY' and whole.table_schema = current_schema() and whole.table_name = ?
        order by parts.ordinal_position""",
}
_SAME = (  # what tells whether one installation is as another one is, without reading all of it
    "select count(*), max(epoch) from users",
    "select count(*) from user_roles",
    "select count(*) from roles",
    "select count(*), count(closed_at), sum(generation), max(rotated_at) from sessions",
    "select count(*), max(created_at), count(revoked_at), count(gone_at) from signing_keys",
    "select count(*), max(id) from mac_keys",
    "select secret_check from installation where id = 1",
    "select incarnation, seq from feed_head where id = 1",
    "select count(*), count(seq) from feed_entries",
    "select count(*) from audit",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two databases, in a transaction."""

    dialect: Dialect
    tx: Tx


async def copy(old: Side, new: Side) -> dict[str, int]:
    """Put all of `old` in the place of what `new` has; rows copied, by table. Both stay in their transactions.

    Raises `DatabaseUnusable` when what has arrived is not what was sent.
    """
    await empty(new)
    copied = {}
    for table in COPIED:
        there = await _names(new, _COLUMNS, table)
        columns = [name for name in await _names(old, _COLUMNS, table) if name in there]
        columns = [name for name in columns if f"{table}.{name}" not in _OWN_NUMBERS]
        copied[table] = 0
        async for rows in _rows(old, table, columns=columns):
            await _put(new.tx, table, columns=columns, rows=rows)
            copied[table] += len(rows)
    if await likeness(old.tx) != await likeness(new.tx):
        raise DatabaseUnusable("What was copied differs from what was read: nothing of it was kept; try again")
    return copied


async def empty(side: Side) -> None:
    """Nothing is left but the tables."""
    if side.dialect == "postgres":
        await side.tx.run(f"truncate {', '.join(COPIED)}")
        return
    for table in COPIED:
        await side.tx.run(f"delete from {table}")


async def likeness(tx: Tx) -> tuple[tuple[Value, ...], ...]:
    """The same for two databases that hold the same installation at the same moment."""
    return tuple([tuple(map(_plain, await tx.one(sql) or ())) for sql in _SAME])


# --- of PostgreSQL alone


async def one_moment(side: Side) -> None:
    """All that this transaction reads is of one moment, beside whoever writes. The first statement of it."""
    if side.dialect == "postgres":
        await side.tx.run("set transaction isolation level repeatable read, read only")


async def keep_out(side: Side, *, readers: bool) -> None:
    """Nobody else writes (nor reads) until the commit. The first statement: it may cross others."""
    if side.dialect == "postgres":
        mode = "access exclusive" if readers else "share row exclusive"
        await side.tx.run(f"lock table {', '.join(COPIED)} in {mode} mode")


async def others(side: Side) -> int:
    """Who else has this database open as the user that we are (of a SQLite file that is ours alone: nobody)."""
    if side.dialect == "sqlite":
        return 0
    row = await side.tx.one(
        """select count(*) from pg_stat_activity
        where datname = current_database() and usename = current_user and pid <> pg_backend_pid()"""
    )
    return int(row[0]) if row else 0


# --- the one that is left behind


async def leave(tx: Tx, name: str, *, now: int) -> None:
    """From now on no jotgate of any version works on this database: the installation lives at `name`."""
    sql = "insert into jotgate_migrations (number, name, applied_at) values (?, ?, ?)"
    await tx.run(sql, _MOVED, f"moved to {name}", now)


# ---


async def _names(side: Side, of: Mapping[Dialect, str], table: str) -> list[str]:
    return [name for (name,) in await side.tx.all(of[side.dialect], table)]


async def _rows(side: Side, table: str, *, columns: Sequence[str]) -> AsyncIterator[list[Row]]:
    keys = await _names(side, _KEYS, table)
    start = f"select {', '.join([*columns, *keys])} from {table}"
    order = f"order by {', '.join(keys)} limit {_BATCH}"
    following = f"{start} where ({', '.join(keys)}) > ({', '.join('?' * len(keys))}) {order}"
    found = await side.tx.all(f"{start} {order}")
    while found:
        yield [tuple(row)[: len(columns)] for row in found]
        if len(found) < _BATCH:
            return
        found = await side.tx.all(following, *tuple(found[-1])[len(columns) :])


async def _put(tx: Tx, table: str, *, columns: Sequence[str], rows: Sequence[Row]) -> None:
    one = f"({', '.join('?' * len(columns))})"
    most = _PARAMETERS // len(columns)
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        values = [value for row in some for value in row]
        await tx.run(f"insert into {table} ({', '.join(columns)}) values {', '.join([one] * len(some))}", *values)


def _plain(value: Any) -> Value:
    """PostgreSQL sums up integers to decimals."""
    return value if value is None or isinstance(value, str | bytes) else int(value)
