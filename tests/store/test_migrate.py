"""Migrations: once each, all or nothing, never backwards."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jotgate.core.ids import new_id
from jotgate.errors import DatabaseUnusable
from jotgate.store import feed, sessions, users
from jotgate.store.migrate import Step, check, migrate, steps
from jotgate.store.ports import Store
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.conftest import STORES
from tests.store.rows import (
    ADA,
    BOB,
    BOB_AGAIN,
    NOW,
    S1,
    S1_AGAIN,
    S2,
    S3,
    SEED_HASH,
    put_before_numbers,
    session,
    user,
)
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio

NEXT = Step(steps("sqlite")[-1].number + 1, "later", ("create table later (id integer primary key)",))
BROKEN = Step(NEXT.number + 1, "broken", ("create table half (id integer primary key)", "create nonsense"))


async def bring_up(store: SqliteStore, *more: Step) -> int:
    return await migrate(store, now=NOW, entropy=bytes, known=(*steps("sqlite"), *more))


async def tables(store: SqliteStore) -> set[str]:
    return {row[0] for row in await store.read().all("select name from sqlite_master where type = 'table'")}


async def test_steps_are_numbered_from_one_without_a_gap() -> None:
    assert [step.number for step in steps("sqlite")] == list(range(1, len(steps("sqlite")) + 1))


async def test_a_new_database_gets_every_step_once() -> None:
    store = open_store(":memory:")

    assert not await check(store)
    assert await bring_up(store) == len(steps("sqlite"))
    assert await check(store)
    assert await bring_up(store) == 0

    await store.close()


async def test_an_older_database_gets_what_is_missing_and_keeps_its_feed() -> None:
    store = open_store(":memory:")
    await migrate(store, now=NOW, entropy=bytes)

    assert await migrate(store, now=NOW, entropy=lambda size: b"x" * size, known=(*steps("sqlite"), NEXT)) == 1

    assert "later" in await tables(store)
    assert await feed.head(store.read()) == (0, bytes(8).hex())
    await store.close()


@pytest.fixture(params=STORES)
async def older(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Before rows had numbers."""
    opened = await STORES[request.param](tmp_path)
    before = tuple(step for step in steps(opened.dialect) if step.name != "numbers")
    await migrate(opened, now=NOW, entropy=bytes, known=before)
    yield opened
    await opened.close()


async def test_sessions_of_an_older_database_are_found_when_they_have_numbers(older: Store) -> None:
    bobs, adas = session(new_id(NOW * 1000, b"0123456789"), user_id=BOB), session(S1)
    closed = session(S3, closed_at=NOW, closed_by="logout")
    async with older.begin() as tx:
        await put_before_numbers(tx, [user(), user(BOB)], [adas, bobs, closed])

    await migrate(older, now=NOW, entropy=bytes)

    assert [await sessions.by_id(older.read(), one.id) for one in (adas, bobs, closed)] == [adas, bobs, closed]
    assert await sessions.of_user(older.read(), ADA, NOW) == (adas,)
    granted = await sessions.rotate(
        older.swap(), session_id=bobs.id, generation=0, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
    )
    assert granted
    assert (granted.user_id, granted.username) == (BOB, "user02")
    async with older.begin() as tx:
        assert await sessions.close_all(tx, ADA, "admin", NOW) == (S1,)
        assert await users.remove(tx, ADA)
    assert await sessions.by_id(older.read(), S3) is None


async def test_who_shares_a_number_in_an_older_database_stays_whole_or_logs_in_again(older: Store) -> None:
    twin = user(BOB_AGAIN, email="twin@example.com", username="twin")
    twins, late, nobodys = session(S2, user_id=BOB_AGAIN), session(S1_AGAIN), session(S3, user_id="gone")
    async with older.begin() as tx:
        await put_before_numbers(tx, [user(), twin, user(BOB)], [session(S1), late, twins, nobodys])

    await migrate(older, now=NOW, entropy=bytes)

    assert [one.id for one in await users.page(older.read())] == [ADA, BOB, BOB_AGAIN]
    granted = await sessions.grant(older.read(), S2, NOW)
    assert granted
    assert (granted.user_id, granted.username) == (BOB_AGAIN, "twin")
    assert await sessions.by_id(older.read(), S1) == session(S1)
    assert await sessions.by_id(older.read(), S1_AGAIN) is None
    assert await sessions.by_id(older.read(), S3) is None


async def test_a_step_that_fails_leaves_nothing() -> None:
    store = open_store(":memory:")
    await bring_up(store)

    with pytest.raises(sqlite3.OperationalError):
        await bring_up(store, NEXT, BROKEN)

    assert not await tables(store) & {"later", "half"}
    assert await check(store)
    await store.close()


async def test_a_newer_database_is_refused(database: Path) -> None:
    store = open_store(database)
    await bring_up(store, NEXT)

    with pytest.raises(DatabaseUnusable, match="newer"):
        await migrate(store, now=NOW, entropy=bytes)
    with pytest.raises(DatabaseUnusable, match="newer"):
        await check(store)

    await store.close()


async def test_another_applications_database_is_refused_and_left_alone() -> None:
    store = open_store(":memory:")
    async with store.begin() as tx:
        await tx.run("create table users (id integer primary key)")

    with pytest.raises(DatabaseUnusable, match="users"):
        await migrate(store, now=NOW, entropy=bytes)

    assert await tables(store) == {"users"}
    await store.close()


async def test_processes_that_start_together_migrate_once(database: Path) -> None:
    with (
        working("bring_up", database) as one,
        working("bring_up", database) as two,
        working("bring_up", database) as three,
    ):
        together = (one, two, three)
        assert [says(process) for process in together] == ["ready"] * 3
        for process in together:
            tell(process)

        taken = sorted(int(says(process)) for process in together)

    assert taken == [0, 0, len(steps("sqlite"))]
