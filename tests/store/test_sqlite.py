"""SQLite: turns, rollbacks, locks, full disks, files that go away."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jotgate.errors import JotgateError, Unavailable
from jotgate.store import audit
from jotgate.store.migrate import migrate
from jotgate.store.ports import Tx
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import NOW
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio

COUNT = "select count(*) from audit"
INSERT = "insert into audit (at, event) values (1, 'line')"


@pytest.fixture(params=["memory", "file"])
async def sqlite(request: pytest.FixtureRequest, database: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(database if request.param == "file" else ":memory:", patience_seconds=0.2)
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@pytest.fixture
async def filed(database: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(database, patience_seconds=0.2)
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


async def write(store: SqliteStore, *, durable: bool = True) -> None:
    async with store.begin(durable=durable) as tx:
        await audit.append(tx, "line", now=NOW)


async def lines(store: SqliteStore) -> int:
    row = await store.read().one(COUNT)
    assert row
    return int(row[0])


# --- transactions


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


# --- other processes


async def test_a_lock_of_another_process_is_waited_for_without_blocking_the_loop(database: Path) -> None:
    store = open_store(database, patience_seconds=60)
    await migrate(store, now=NOW, entropy=bytes)

    with working("hold", database) as other:
        assert says(other) == "held"
        waiting = [
            asyncio.create_task(write(store)),
            asyncio.create_task(write(store, durable=False)),
            asyncio.create_task(store.swap().run(INSERT)),
        ]
        turns = 0
        for _ in range(30):
            await asyncio.sleep(0.01)
            turns += 1
            assert await lines(store) == 0
        assert not any(task.done() for task in waiting)
        tell(other)
        await asyncio.gather(*waiting)

    assert turns == 30
    assert await lines(store) == 3
    await store.close()


async def test_a_swap_alone_waits_for_a_lock_too(database: Path) -> None:
    store = open_store(database, patience_seconds=60)
    await migrate(store, now=NOW, entropy=bytes)

    with working("hold", database) as other:
        assert says(other) == "held"
        waiting = asyncio.create_task(store.swap().run(INSERT))
        await asyncio.sleep(0.02)
        tell(other)
        assert await waiting == 1

    await store.close()


async def test_patience_ends(filed: SqliteStore, database: Path) -> None:
    with working("hold", database) as other:
        assert says(other) == "held"

        answers = await asyncio.gather(
            write(filed), write(filed), filed.swap().run(INSERT), lines(filed), return_exceptions=True
        )

        assert [type(answer) for answer in answers] == [Unavailable, Unavailable, Unavailable, int]
        tell(other)
        assert says(other) == "released"

    await write(filed)
    assert await lines(filed) == 1


async def test_the_version_tells_of_other_processes_alone(filed: SqliteStore, database: Path) -> None:
    version = await filed.version()

    await write(filed)
    assert filed.wal
    await filed.wal.copy()
    await filed.swap().run(INSERT)
    assert await filed.version() == version

    with sqlite3.connect(database) as other:
        other.execute(INSERT)
    other.close()
    assert await filed.version() != version


# --- trouble with the disk


async def test_a_full_database_is_unavailable_and_recovers(sqlite: SqliteStore) -> None:
    (pages,) = sqlite.connection.execute("pragma page_count").fetchone()
    (most,) = sqlite.connection.execute("pragma max_page_count").fetchone()
    sqlite.connection.execute(f"pragma max_page_count = {pages + 1}")
    big = ("insert into audit (at, event, detail) values (1, 'big', ?)", "x" * 100_000)

    async def fill() -> None:
        async with sqlite.begin() as tx:
            await tx.run(INSERT)
            await tx.run(*big)

    with pytest.raises(Unavailable, match="no space"):
        await fill()
    with pytest.raises(Unavailable, match="no space"):
        await sqlite.swap().run(*big)

    assert await lines(sqlite) == 0
    sqlite.connection.execute(f"pragma max_page_count = {most}")
    await fill()
    assert await lines(sqlite) == 2


async def test_a_disk_that_is_full_is_unavailable_and_recovers(database: Path) -> None:
    with working("fill", database) as process:
        assert says(process) == "full"
        assert says(process) == "all there"


async def test_a_file_that_is_gone_is_unavailable_until_it_is_back(filed: SqliteStore, database: Path) -> None:
    folder, elsewhere = database.parent, database.parent.with_name("elsewhere")
    await write(filed)
    folder.rename(elsewhere)

    for _ in range(2):
        filed._looked_at = 0.0
        for work in (write(filed), filed.swap().run(INSERT), filed.version()):
            with pytest.raises(Unavailable, match="gone"):
                await work
    assert await lines(filed) == 1

    elsewhere.rename(folder)
    await write(filed)
    await filed.swap().run(INSERT)
    assert await lines(filed) == 3


async def test_a_file_that_goes_away_during_a_commit_is_not_called_durable(filed: SqliteStore, database: Path) -> None:
    await write(filed)
    await filed.version()
    database.rename(database.with_name("elsewhere"))

    with pytest.raises(Unavailable, match="gone"):
        await write(filed)

    database.with_name("elsewhere").rename(database)
    await write(filed)
    assert await lines(filed) >= 2


async def test_a_file_that_was_replaced_is_not_written_to(filed: SqliteStore, database: Path) -> None:
    await write(filed)
    database.rename(database.with_name("elsewhere"))
    database.write_bytes(database.with_name("elsewhere").read_bytes())
    filed._looked_at = 0.0

    for work in (write(filed), filed.swap().run(INSERT)):
        with pytest.raises(Unavailable, match="start it anew"):
            await work

    database.with_name("elsewhere").replace(database)


async def test_a_damaged_file_is_unavailable(database: Path) -> None:
    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)
    async with store.begin() as tx:
        for number in range(2000):
            await audit.append(tx, "line", now=number, detail="x" * 400)
    await store.close()
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2))

    store = open_store(database)
    with pytest.raises(JotgateError, match="damaged"):
        await store.read().all("select * from audit")
    await store.close()
