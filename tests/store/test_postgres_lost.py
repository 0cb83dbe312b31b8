"""A connection that is lost in the middle of a statement: PostgreSQL waits for the rest of it, and holds locks."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from jotgate.errors import Unavailable
from jotgate.store import sessions
from jotgate.store.migrate import migrate
from jotgate.store.ports import Tx
from jotgate.store.postgres import PostgresStore, open_store
from tests.servers.postgres import fresh_database
from tests.store.rows import NOW, S1, put_session, put_user

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # what a busy machine may take; without a limit the lock would be held for ever


@pytest.fixture
async def store() -> AsyncIterator[PostgresStore]:
    store = await open_store(fresh_database())
    await migrate(store, now=NOW, entropy=bytes)
    await put_user(store)
    await put_session(store)
    yield store
    await store.close()


async def closed(tx: Tx) -> bool:
    return await sessions.close(tx, S1, "logout", NOW)


async def test_a_transaction_that_is_lost_in_mid_statement_gives_its_locks_back(store: PostgresStore) -> None:
    if not await _has_a_limit(store):
        pytest.skip("before version 17 PostgreSQL has no limit that counts in the middle of a statement")

    async def fall_silent(tx: Tx) -> None:
        assert await closed(tx)
        await tx._connection.prepare("select 42")  # type: ignore[attr-defined]  # and its Sync never comes
        done.append(await _once_nobody_is_in_the_way(store))

    done: list[bool] = []
    with pytest.raises(Unavailable):
        await store.write(fall_silent)

    assert done == [True]


async def _has_a_limit(store: PostgresStore) -> bool:
    row = await store.read().one("select current_setting('server_version_num')::int")
    return row is not None and row[0] >= 170_000


async def _once_nobody_is_in_the_way(store: PostgresStore) -> bool:
    began = time.monotonic()
    while True:
        try:
            return await store.write(closed)
        except Unavailable:
            assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(0.05)


async def test_a_transaction_that_takes_too_long_as_a_whole_is_given_up(store: PostgresStore) -> None:
    async def dawdle(tx: Tx) -> None:
        for _ in range(20):
            await tx.one("select pg_sleep(0.2)::text")

    if await _has_a_limit(store):
        with pytest.raises(Unavailable):
            await store.write(dawdle)
        assert await store.write(closed)


async def test_what_changes_the_schema_may_take_its_time(store: PostgresStore) -> None:
    async def dawdle(tx: Tx) -> bool:
        for _ in range(15):
            await tx.one("select pg_sleep(0.2)::text")
        return await closed(tx)

    assert await store.upgrade(dawdle)
