"""SQLite: turns, rollbacks, closing."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from jotgate.errors import Unavailable
from jotgate.store import audit
from jotgate.store.migrate import migrate
from jotgate.store.ports import Tx
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import COUNT, INSERT, NOW, lines, write

pytestmark = pytest.mark.anyio


async def test_what_is_committed_is_read(sqlite: SqliteStore) -> None:
    await write(sqlite)
    await write(sqlite, durable=False)
    await sqlite.swap().run(INSERT)

    assert await lines(sqlite) == 3


async def test_statements_answer_alike_inside_and_outside_of_a_transaction(sqlite: SqliteStore) -> None:
    async def ask(tx: Tx) -> None:
        assert await tx.one("select event from audit where at = ?", 5) is None
        assert await tx.run("insert into audit (at, event) values (?, ?), (?, ?)", 5, "a", 5, "b") == 2
        assert await tx.one("select event from audit where at = ? order by event", 5) == ("a",)
        assert await tx.all("select event from audit where at = ? order by event", 5) == [("a",), ("b",)]
        assert await tx.one("delete from audit where at = ? and event = 'a' returning event", 5) == ("a",)
        assert await tx.run("delete from audit where at = ?", 5) == 1
        assert await tx.run("delete from audit where at = ?", 5) == 0

    await ask(sqlite.swap())
    async with sqlite.begin() as tx:
        await ask(tx)


async def test_an_exception_rolls_back(sqlite: SqliteStore) -> None:
    async def fail() -> None:
        async with sqlite.begin() as tx:
            await audit.append(tx, "line", now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await lines(sqlite) == 0
    await write(sqlite)


async def test_an_error_of_the_database_ends_the_transaction(sqlite: SqliteStore) -> None:
    async with sqlite.begin() as tx:
        await tx.run("insert into audit (id, at, event) values (1, 1, 'there')")

    async def fail() -> None:
        async with sqlite.begin() as tx:
            await tx.run(INSERT)
            with pytest.raises(sqlite3.IntegrityError):
                await tx.run("insert into audit (id, at, event) values (1, 1, 'twice')")
            with pytest.raises(RuntimeError, match="over"):
                await tx.run(INSERT)

    with pytest.raises(RuntimeError, match="over"):
        await fail()

    assert await lines(sqlite) == 1


async def test_a_wrong_statement_is_no_matter_of_availability(sqlite: SqliteStore) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await sqlite.read().one("select nonsense")
    with pytest.raises(sqlite3.OperationalError):
        await sqlite.swap().run("update nowhere set x = 1")


async def test_a_transaction_is_over_when_its_block_is(sqlite: SqliteStore) -> None:
    async with sqlite.begin() as tx:
        pass

    with pytest.raises(RuntimeError, match="over"):
        await tx.one(COUNT)


async def test_inside_a_transaction_only_the_transaction_may_be_used(sqlite: SqliteStore) -> None:
    async with sqlite.begin() as tx:
        with pytest.raises(RuntimeError, match="inside"):
            await sqlite.read().one(COUNT)
        with pytest.raises(RuntimeError, match="inside"):
            await sqlite.swap().run(INSERT)
        with pytest.raises(RuntimeError, match="inside"):
            await sqlite.begin().__aenter__()
        await tx.run(INSERT)

    assert await lines(sqlite) == 1


async def test_others_wait_for_a_block_that_suspends(sqlite: SqliteStore) -> None:
    order = []
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def suspend() -> None:
        async with sqlite.begin() as tx:
            await tx.run(INSERT)
            inside.set()
            await go_on.wait()
            order.append("first")

    async def note(name: str, seen: int) -> None:
        order.append(f"{name} sees {seen}")

    async def begin_another() -> None:
        async with sqlite.begin() as tx:
            await note("second", len(await tx.all("select 1 from audit")))

    async def swap() -> None:
        await note("swap", await sqlite.swap().run(INSERT))

    async def read() -> None:
        await note("read", await lines(sqlite))

    first = asyncio.create_task(suspend())
    await inside.wait()
    others = [asyncio.create_task(work()) for work in (begin_another, swap, read)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)

    assert order == ["first", "second sees 1", "swap sees 1", "read sees 2"]


async def test_whoever_is_cancelled_while_waiting_holds_nobody_up(sqlite: SqliteStore) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def suspend() -> None:
        async with sqlite.begin():
            inside.set()
            await go_on.wait()

    first = asyncio.create_task(suspend())
    await inside.wait()
    waiting = asyncio.create_task(write(sqlite))
    await asyncio.sleep(0)
    waiting.cancel()
    go_on.set()
    await first

    await write(sqlite)
    assert await lines(sqlite) == 1
    assert waiting.cancelled()


async def test_a_cancelled_block_rolls_back(sqlite: SqliteStore) -> None:
    inside = asyncio.Event()

    async def suspend() -> None:
        async with sqlite.begin() as tx:
            await tx.run(INSERT)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(suspend())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await lines(sqlite) == 0
    await write(sqlite)


async def test_many_writers_at_once_all_get_through(sqlite: SqliteStore) -> None:
    await asyncio.gather(*(write(sqlite) for _ in range(200)))

    assert await lines(sqlite) == 200


# --- closing


async def test_a_closed_store_is_unavailable(sqlite: SqliteStore) -> None:
    await sqlite.close()
    await sqlite.close()

    for work in (write(sqlite), sqlite.swap().run(INSERT), sqlite.read().one(COUNT), sqlite.version()):
        with pytest.raises(Unavailable, match="closed"):
            await work


async def test_closing_waits_for_what_is_under_way(database: Path) -> None:
    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)
    under_way = [asyncio.create_task(write(store)) for _ in range(20)]
    await asyncio.sleep(0)

    await store.close()
    await asyncio.gather(*under_way)

    again = open_store(database)
    assert await lines(again) == 20
    await again.close()
