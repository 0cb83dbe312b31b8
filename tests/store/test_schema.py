"""The tables: no statement reads through one that grows, and a session is small."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from jotgate.core.ids import new_id
from jotgate.core.model import Session
from jotgate.store import audit, feed, roles, sessions, users
from jotgate.store.migrate import migrate
from jotgate.store.ports import Tx
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import ADA, NOW, S1, SEED_HASH, put_session, put_user, session, user

pytestmark = pytest.mark.anyio

GROWING = re.compile(r"SCAN (users|user_roles|sessions|feed_entries|audit)\b")
THE_OLDEST = "select id from audit order by id limit"  # reads no further than the limit
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

STATEMENTS: dict[str, Callable[[Tx], Awaitable[object]]] = {
    "users.by_identifier email": lambda tx: users.by_identifier(tx, "email", "01@example.com"),
    "users.by_identifier username": lambda tx: users.by_identifier(tx, "username", "user01"),
    "users.by_id": lambda tx: users.by_id(tx, ADA),
    "users.page": users.page,
    "users.set_password": lambda tx: users.set_password(tx, ADA, "$new"),
    "users.set_roles": lambda tx: users.set_roles(tx, ADA, ("member",)),
    "users.set_disabled": lambda tx: users.set_disabled(tx, ADA, NOW),
    "users.raise_epoch": lambda tx: users.raise_epoch(tx, ADA, NOW),
    "users.remove": lambda tx: users.remove(tx, ADA),
    "roles.holders": lambda tx: roles.holders(tx, "member"),
    "roles.remove": lambda tx: roles.remove(tx, "member"),
    "roles.permissions": lambda tx: roles.permissions(tx, ("member",)),
    "sessions.by_id": lambda tx: sessions.by_id(tx, S1),
    "sessions.rotate": lambda tx: sessions.rotate(
        tx, session_id=S1, generation=0, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
    ),
    "sessions.swap": lambda tx: sessions.swap(tx, session(), generation=1, parent=0, now=NOW),
    "sessions.grant": lambda tx: sessions.grant(tx, S1, NOW),
    "sessions.close": lambda tx: sessions.close(tx, S1, "logout", NOW),
    "sessions.close_all": lambda tx: sessions.close_all(tx, ADA, "admin", NOW),
    "sessions.of_user": lambda tx: sessions.of_user(tx, ADA, NOW),
    "sessions.sweep": lambda tx: sessions.sweep(tx, NOW),
    "feed.pending": feed.pending,
    "feed.sequence": feed.sequence,
    "feed.after": lambda tx: feed.after(tx, 0, 100, NOW),
    "feed.forget": lambda tx: feed.forget(tx, NOW),
    "audit.page": audit.page,
    "audit.sweep": lambda tx: audit.sweep(tx, NOW),
}


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    opened = open_store(":memory:")
    await migrate(opened, now=NOW, entropy=bytes)
    await put_user(opened)
    await put_session(opened)
    yield opened
    await opened.close()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_statement_reads_through_a_table_that_grows(store: SqliteStore, name: str) -> None:
    said: list[str] = []
    store.connection.set_trace_callback(said.append)
    await STATEMENTS[name](store.swap())
    store.connection.set_trace_callback(None)

    plans = [
        step
        for sql in said
        for (*_, step) in store.connection.execute(f"explain query plan {sql}").fetchall()
        if GROWING.search(step) and THE_OLDEST not in sql
    ]

    assert said
    assert not plans


def opened_at(number: int) -> Session:
    """One of many: its id as in life, which decides how full the pages are."""
    return session(
        new_id((NOW + number) * 1000, os.urandom(10)),
        user_id=f"{number % 1000:032x}",
        audience=("https://auth.example.com",),
        seed_hash=os.urandom(32),
        device=AGENT,
        address="192.168.100.123",
        expires_at=NOW + number,
    )


async def test_a_session_takes_at_most_400_bytes(database: Path) -> None:
    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)
    await put_user(store, *(user(f"{number:032x}", email=None, username=f"u{number}") for number in range(1000)))
    assert store.wal
    await store.wal.copy()
    before = database.stat().st_size

    for start in range(0, 10_000, 100):
        await put_session(store, *map(opened_at, range(start, start + 100)))
    await store.close()

    assert (database.stat().st_size - before) / 10_000 <= 400
