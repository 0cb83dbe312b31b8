"""Migrations: once each, all or nothing, never backwards."""

import sqlite3
from pathlib import Path

import pytest

from jotgate.errors import DatabaseUnusable
from jotgate.store import feed, sessions, users
from jotgate.store.migrate import Step, check, migrate, steps
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.conftest import STORES
from tests.store.rows import ADA, BOB, NOW, S1, S2, S3, put_session, put_user, session, user
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio

SMALLER_SESSIONS = 3
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


@pytest.mark.parametrize("kind", STORES)
async def test_sessions_of_an_older_database_are_found_after_they_have_become_smaller(
    kind: str, tmp_path: Path
) -> None:
    store = await STORES[kind](tmp_path)
    before = tuple(step for step in steps(store.dialect) if step.number < SMALLER_SESSIONS)
    await migrate(store, now=NOW, entropy=bytes, known=before)
    await put_user(store, user(), user(BOB))
    await put_session(store, session(S1), session(S2, user_id=BOB), session(S3, closed_at=NOW, closed_by="logout"))

    await migrate(store, now=NOW, entropy=bytes)

    assert await sessions.of_user(store.read(), ADA, NOW) == (session(S1),)
    async with store.begin() as tx:
        assert await sessions.close_all(tx, ADA, "admin", NOW) == (S1,)
        assert await users.remove(tx, ADA)
    assert await sessions.by_id(store.read(), S3) is None
    assert await sessions.by_id(store.read(), S2) == session(S2, user_id=BOB)
    await store.close()


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
