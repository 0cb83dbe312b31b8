"""Migrations on PostgreSQL: nodes that start together, tables of others in the same schema, steps that fail."""

import asyncio
from contextlib import ExitStack

import asyncpg
import pytest

from jotgate.errors import DatabaseUnusable
from jotgate.store import feed
from jotgate.store.migrate import Step, check, migrate, steps
from jotgate.store.ports import Tx
from jotgate.store.postgres import PostgresStore, open_store
from tests.servers.postgres import fresh_database
from tests.store.rows import NOW, S1, put_session, put_user
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio

NODES = 8
KNOWN = steps("postgres")
LAST = KNOWN[-1].number
NEXT = Step(LAST + 1, "later", ("create table later (id text)",))


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def together(url: str, *arguments: str) -> list[str]:
    """What nodes say that bring up one database at the same time, some of them newer than others."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(working("bring_up", url, argument)) for argument in arguments]
        assert [says(node) for node in nodes] == ["ready"] * len(nodes)
        for node in nodes:
            tell(node)
        return sorted(says(node) for node in nodes)


@pytest.mark.parametrize("isolation", [None, "serializable"])
async def test_of_nodes_that_start_together_on_an_empty_database_one_makes_it(isolation: str | None) -> None:
    url = fresh_database(isolation=isolation)

    taken = together(url, *[""] * NODES)

    assert taken == ["0"] * (NODES - 1) + [str(len(KNOWN))]
    store = await open_store(url)
    assert await check(store)
    assert len((await feed.head(store.read()))[1]) == 16
    await store.close()


async def test_of_newer_nodes_that_start_together_one_takes_the_new_steps() -> None:
    url = fresh_database()
    store = await open_store(url)
    await migrate(store, now=NOW, entropy=bytes)
    await put_user(store)
    await put_session(store)
    rotating = store.swap().run("update sessions set generation = 1 where id = ?", S1)

    taken, rotated = together(url, "2", "2", "2"), await rotating

    assert taken == ["0", "0", "2"]
    assert rotated == 1
    assert {"later_1", "later_2"} <= await store.tables()
    with pytest.raises(DatabaseUnusable, match="newer"):
        await check(store)
    await store.close()


async def test_many_in_one_process_at_once_are_one() -> None:
    url = fresh_database()
    stores = [await open_store(url, pool=1) for _ in range(NODES)]

    taken = await asyncio.gather(*(migrate(store, now=NOW, entropy=bytes) for store in stores))

    assert sorted(taken) == [0] * (NODES - 1) + [len(KNOWN)]
    for store in stores:
        await store.close()


async def test_who_waits_for_the_one_that_migrates_waits_as_long_as_it_takes() -> None:
    url = fresh_database()
    one, other = await open_store(url), await open_store(url)
    slow = Step(NEXT.number, "slow", ("select pg_sleep(3)", *NEXT.statements))

    taken = await asyncio.gather(
        *(migrate(store, now=NOW, entropy=bytes, known=(*KNOWN, slow)) for store in (one, other))
    )

    assert sorted(taken) == [0, len(KNOWN) + 1]
    await one.close()
    await other.close()


async def test_a_statement_that_was_prepared_before_a_step_is_prepared_anew() -> None:
    store = await open_store(fresh_database(), pool=1)
    await migrate(store, now=NOW, entropy=bytes)
    everything = "select * from roles"
    assert len((await store.read().all(everything))[0]) == 2
    wider = Step(NEXT.number, "wider", ("alter table roles add column note text",))
    await migrate(store, now=NOW, entropy=bytes, known=(*KNOWN, wider))

    async def work(tx: Tx) -> int:
        return len((await tx.all(everything))[0])

    assert await store.write(work) == 3
    assert len((await store.read().all(everything))[0]) == 3
    await store.close()


async def test_tables_of_others_may_stand_beside_ours() -> None:
    url = fresh_database()
    await execute(url, "create table orders (id int)", "create table invoices (id int)")
    store = await open_store(url)

    assert await migrate(store, now=NOW, entropy=bytes) == len(KNOWN)
    assert {"orders", "invoices", "users"} <= await store.tables()
    await store.close()


@pytest.mark.parametrize(
    "theirs", ["create table users (id int)", "create view sessions as select 1", "create table roles (name text)"]
)
async def test_a_table_of_others_with_one_of_our_names_is_refused_and_left_alone(theirs: str) -> None:
    url = fresh_database()
    await execute(url, theirs)
    store = await open_store(url)

    with pytest.raises(DatabaseUnusable, match=theirs.split()[2]):
        await migrate(store, now=NOW, entropy=bytes)
    with pytest.raises(DatabaseUnusable, match="search_path"):
        await check(store)

    assert len(await store.tables()) == 1
    await store.close()


async def test_a_schema_of_our_own_is_named_by_the_url() -> None:
    url = fresh_database()
    await execute(url, "create table users (id int)", "create schema jotgate")
    store = await open_store(f"{url}?search_path=jotgate")

    assert await migrate(store, now=NOW, entropy=bytes) == len(KNOWN)
    await put_user(store)

    await store.close()


async def test_a_table_in_the_way_of_a_later_step_is_refused() -> None:
    url = fresh_database()
    store = await open_store(url)
    await migrate(store, now=NOW, entropy=bytes)
    await execute(url, "create table later (other int)")

    with pytest.raises(DatabaseUnusable, match="later"):
        await migrate(store, now=NOW, entropy=bytes, known=(*KNOWN, NEXT))

    assert await check(store)
    await store.close()


async def test_a_step_that_fails_leaves_nothing() -> None:
    store = await _migrated()
    broken = Step(NEXT.number, "broken", (*NEXT.statements, "create nonsense"))

    with pytest.raises(DatabaseUnusable, match="nonsense"):
        await migrate(store, now=NOW, entropy=bytes, known=(*KNOWN, broken))

    assert "later" not in await store.tables()
    assert await check(store)
    await store.close()


async def _migrated() -> PostgresStore:
    store = await open_store(fresh_database())
    await migrate(store, now=NOW, entropy=bytes)
    return store
