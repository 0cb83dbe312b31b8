"""Behind PgBouncer in transaction mode: each transaction may have another connection to PostgreSQL than the last."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from jotgate.errors import DatabaseUnusable, Unavailable
from jotgate.store import sessions, users
from jotgate.store.migrate import check, migrate
from jotgate.store.ports import Tx
from jotgate.store.postgres import PostgresStore, open_store
from tests.servers.pgbouncer import PROGRAM, pooling
from tests.servers.postgres import fresh_database
from tests.store.rows import ADA, NOW, S1, SEED_HASH, lines, put_session, put_user, write

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not PROGRAM, reason="needs pgbouncer: apt-get install pgbouncer")]


@pytest.fixture
async def pooled() -> AsyncIterator[tuple[PostgresStore, str]]:
    """A store behind PgBouncer, and the URL of the database itself."""
    url = fresh_database()
    with pooling(url) as pooled_url:
        store = await open_store(pooled_url, pool=6, pgbouncer=True)
        await migrate(store, now=NOW, entropy=bytes)
        await put_user(store)
        await put_session(store)
        yield store, url
        await store.close()


async def test_six_users_share_two_connections_whoever_prepared_what(pooled: tuple[PostgresStore, str]) -> None:
    store, _ = pooled
    assert await check(store)

    async def work(tx: Tx) -> str:
        user = await users.by_id(tx, ADA)
        assert user is not None
        assert await sessions.close_all(tx, "nobody", "logout", NOW) == ()
        return user.id

    for _ in range(5):
        found = await asyncio.gather(
            *(store.write(work) for _ in range(6)),
            *(sessions.by_id(store.read(), S1) for _ in range(6)),
            *(write(store) for _ in range(6)),
        )
        assert [one if isinstance(one, str) else one and one.id for one in found] == [ADA] * 6 + [S1] * 6 + [None] * 6

    assert await lines(store) == 30


async def test_a_rotation_leaves_its_commit_to_the_disk_and_nobody_elses(pooled: tuple[PostgresStore, str]) -> None:
    store, _ = pooled
    commits = "select current_setting('synchronous_commit')"
    for generation in range(20):
        facts = await sessions.rotate(
            store.swap(), session_id=S1, generation=generation, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
        )
        assert facts is not None
        row = await store.swap().one(f"update sessions set amr = amr where id = ? returning ({commits})", S1)
        assert row is not None
        assert row[0] == "off"

        rows = await asyncio.gather(*(store.read().one(commits) for _ in range(6)))
        assert [tuple(row or ()) for row in rows] == [("on",)] * 6


async def test_a_transaction_tells_its_session_how_long_it_may_be_silent(pooled: tuple[PostgresStore, str]) -> None:
    store, url = pooled
    other = await asyncpg.connect(url)
    lock = other.transaction()
    await lock.start()
    await other.execute("update sessions set amr = amr")

    with pytest.raises(Unavailable, match="lock"):
        await store.write(lambda tx: sessions.close(tx, S1, "logout", NOW))

    await lock.rollback()
    assert await other.fetchval("show lock_timeout") == "0"
    assert await store.write(lambda tx: sessions.close(tx, S1, "logout", NOW))
    await other.close()


async def test_without_the_setting_the_start_says_which_one_is_missing() -> None:
    with pooling(fresh_database()) as url, pytest.raises(DatabaseUnusable, match="JOTGATE_DATABASE_PGBOUNCER=on"):
        await open_store(url)
