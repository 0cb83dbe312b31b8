"""SQLite: single statements that share a transaction."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jotgate.errors import Unavailable
from jotgate.store.migrate import migrate
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import COUNT, INSERT, NOW, lines, write
from tests.store.worker import says, working

pytestmark = pytest.mark.anyio
SAME = "insert into audit (id, at, event) values (1, 1, 'line')"
LAST = "insert or rollback into audit (id, at, event) values (1, 1, 'line')"  # takes the whole transaction with it


@pytest.fixture
async def memory() -> AsyncIterator[SqliteStore]:
    """In a file the log is copied now and then, for which a round has to wait: here who shares is certain."""
    opened = open_store(":memory:")
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@pytest.fixture
def said(memory: SqliteStore) -> Iterator[list[str]]:
    """Statements as SQLite hears them, each by its first word."""
    said: list[str] = []
    memory.connection.set_trace_callback(lambda sql: said.append(sql.split()[0]))
    yield said
    memory.connection.set_trace_callback(None)


async def at_once(store: SqliteStore, *statements: str) -> list[int | BaseException]:
    return await asyncio.gather(*(store.swap().run(sql) for sql in statements), return_exceptions=True)


async def test_who_comes_alone_pays_for_nothing_more(memory: SqliteStore, said: list[str]) -> None:
    await memory.swap().run(INSERT)
    await asyncio.sleep(0)  # the next round
    await memory.swap().run(INSERT)

    assert said == ["insert", "insert"]


async def test_whoever_comes_in_the_same_round_shares(memory: SqliteStore, said: list[str]) -> None:
    assert await at_once(memory, INSERT, INSERT, INSERT, INSERT) == [1, 1, 1, 1]

    assert said == ["insert", "begin", "insert", "insert", "insert", "commit"]
    assert await lines(memory) == 4


async def test_all_three_ways_to_ask(sqlite: SqliteStore) -> None:
    tx = sqlite.swap()

    first, one, none, rows = await asyncio.gather(
        tx.run(INSERT),
        tx.one(f"{INSERT} returning event"),
        tx.one("delete from audit where at = -1 returning event"),
        tx.all("update audit set event = 'new' returning event"),
    )

    assert (first, one, none) == (1, ("line",), None)
    assert rows == [("new",), ("new",)]


async def test_others_see_nothing_before_the_commit(memory: SqliteStore) -> None:
    *_, seen = await asyncio.gather(*(memory.swap().run(INSERT) for _ in range(3)), memory.read().one(COUNT))

    assert seen == (3,)


async def test_a_transaction_waits_for_the_round_and_a_round_for_a_transaction(sqlite: SqliteStore) -> None:
    changes = [
        *(sqlite.swap().run(INSERT) for _ in range(3)),
        write(sqlite),
        *(sqlite.swap().run(INSERT) for _ in range(2)),
    ]

    await asyncio.gather(*changes)

    assert await lines(sqlite) == 6


async def test_who_comes_while_a_block_is_open_gets_a_round_later(memory: SqliteStore, said: list[str]) -> None:
    async with memory.begin():
        waiting = [asyncio.create_task(memory.swap().run(INSERT)) for _ in range(3)]
        await asyncio.sleep(0.001)

    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert said.count("begin") == said.count("commit")
    assert await lines(memory) == 3


async def test_a_statement_that_fails_by_itself_takes_nobody_with_it(memory: SqliteStore) -> None:
    first, second, third, fourth = await at_once(memory, SAME, INSERT, SAME, INSERT)

    assert (first, second, fourth) == (1, 1, 1)
    assert isinstance(third, sqlite3.IntegrityError)
    assert await lines(memory) == 3


async def test_what_sqlite_rolls_back_is_told_to_all_of_the_transaction(memory: SqliteStore) -> None:
    first, *others = await at_once(memory, SAME, INSERT, INSERT, LAST, INSERT)

    assert first == 1
    assert all(isinstance(one, sqlite3.IntegrityError) for one in others)
    assert await lines(memory) == 1
    assert await at_once(memory, INSERT, INSERT, INSERT) == [1, 1, 1]


async def test_a_commit_that_fails_is_told_to_all_of_the_transaction(memory: SqliteStore) -> None:
    await memory.swap().run("create table parents (id integer primary key)")
    await memory.swap().run("create table children (of integer references parents deferrable initially deferred)")
    await memory.swap().run("pragma foreign_keys = on")

    first, *others = await at_once(memory, INSERT, INSERT, "insert into children values (7)", INSERT)

    assert first == 1
    assert all(isinstance(one, sqlite3.IntegrityError) for one in others)
    assert await lines(memory) == 1
    await write(memory)


async def test_whoever_is_cancelled_takes_nobody_with_him(memory: SqliteStore) -> None:
    tasks = [asyncio.create_task(memory.swap().run(INSERT)) for _ in range(4)]
    asyncio.get_running_loop().call_soon(tasks[2].cancel)

    first, second, third, fourth = await asyncio.gather(*tasks, return_exceptions=True)

    assert (first, second, fourth) == (1, 1, 1)
    assert isinstance(third, asyncio.CancelledError)
    assert await lines(memory) == 4


async def test_a_store_that_is_closed_meanwhile(sqlite: SqliteStore) -> None:
    tasks = [asyncio.create_task(sqlite.swap().run(INSERT)) for _ in range(3)]
    await asyncio.sleep(0)
    await sqlite.close()

    assert await asyncio.gather(*tasks) == [1, 1, 1]
    for late in await at_once(sqlite, INSERT, INSERT, INSERT):
        assert isinstance(late, Unavailable)


async def test_who_waits_for_another_process_waits_no_longer_than_alone(database: Path) -> None:
    store = open_store(database, patience_seconds=0.2)
    await migrate(store, now=NOW, entropy=bytes)

    with working("hold", database) as other:
        assert says(other) == "held"
        answers = await at_once(store, INSERT, INSERT, INSERT)

    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert await at_once(store, INSERT, INSERT, INSERT) == [1, 1, 1]
    await store.close()
