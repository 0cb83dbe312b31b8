"""SQLite in trouble: locks of other processes, full disks, files that go away."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from jotgate.errors import JotgateError, Unavailable
from jotgate.store.migrate import migrate
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import INSERT, NOW, lines, write
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio


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
    await write(store, 2000)
    await store.close()
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2))

    store = open_store(database)
    with pytest.raises(JotgateError, match="damaged"):
        await store.read().all("select * from audit")
    await store.close()
