"""The write-ahead log: what is called durable, and how long the log grows."""

import asyncio
import logging
import os
import sqlite3
from pathlib import Path

import pytest

from jotgate.errors import Unavailable
from jotgate.store import audit, sessions
from jotgate.store.sqlite import SqliteStore
from jotgate.store.sqlite_wal import Wal, _opened_already
from tests.store.rows import NOW, S1, SEED_HASH, put_session, put_user, write

pytestmark = pytest.mark.anyio


def wal_of(store: SqliteStore) -> Wal:
    assert store.wal
    return store.wal


def break_disk(wal: Wal) -> None:
    """A descriptor that cannot be synced: what fdatasync gives is a real error."""
    reading, writing = os.pipe()
    os.dup2(writing, wal._descriptor)
    os.close(reading)
    os.close(writing)


def mend_disk(wal: Wal) -> None:
    descriptor = os.open(wal._log, os.O_RDONLY)
    os.dup2(descriptor, wal._descriptor)
    os.close(descriptor)


async def test_who_comes_during_a_sync_waits_for_the_next(filed: SqliteStore) -> None:
    wal = wal_of(filed)

    first = asyncio.create_task(wal.settled())
    await asyncio.sleep(0)
    later = [asyncio.create_task(wal.settled()) for _ in range(3)]
    await asyncio.sleep(0)

    assert wal._syncing
    assert len(wal._waiting) == 3
    await asyncio.gather(first, *later)
    assert not wal._syncing


async def test_who_is_cancelled_during_a_sync_spoils_it_for_nobody(filed: SqliteStore) -> None:
    wal = wal_of(filed)

    waiting = [asyncio.create_task(wal.settled()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None), asyncio.CancelledError, type(None)]


async def test_a_failed_sync_is_told_to_everybody_who_waits(filed: SqliteStore) -> None:
    break_disk(wal_of(filed))

    answers = await asyncio.gather(*(write(filed) for _ in range(3)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unavailable] * 3


async def test_a_single_statement_that_is_kept_waits_for_the_disk_and_one_that_is_not_does_not(
    filed: SqliteStore,
) -> None:
    line = "insert into audit (at, event) values (1, 'x')"
    assert await filed.keep().run(line) == 1
    break_disk(wal_of(filed))

    assert await filed.swap().run(line) == 1
    with pytest.raises(Unavailable):
        await filed.keep().run(line)


async def test_after_a_failed_sync_the_whole_log_goes_into_the_database_first(
    filed: SqliteStore, database: Path
) -> None:
    break_disk(wal_of(filed))
    with pytest.raises(Unavailable):
        await write(filed)
    mend_disk(wal_of(filed))

    await write(filed)

    # The log was emptied on the way: the database alone holds both lines.
    alone = database.with_name("alone.db")
    alone.write_bytes(database.read_bytes())
    with sqlite3.connect(alone) as copy:
        assert copy.execute("select count(*) from audit").fetchone() == (2,)
    copy.close()
    assert Path(f"{database}-wal").stat().st_size == 0


async def test_after_a_failed_sync_nothing_is_durable_while_a_reader_holds_the_log(
    filed: SqliteStore, database: Path
) -> None:
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("begin")
    reader.execute("select * from audit").fetchall()
    break_disk(wal_of(filed))
    with pytest.raises(Unavailable):
        await write(filed)
    mend_disk(wal_of(filed))

    with pytest.raises(Unavailable, match="cannot be emptied"):
        await write(filed)
    reader.close()

    await write(filed)


async def test_the_log_starts_over_under_load(filed: SqliteStore, database: Path) -> None:
    await put_user(filed)
    await put_session(filed)
    tx = filed.swap()

    for generation in range(16_000):
        assert await sessions.rotate(
            tx, session_id=S1, generation=generation, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
        )
        await asyncio.sleep(0)

    frames = Path(f"{database}-wal").stat().st_size / 4120
    assert frames < 8000


async def test_writers_that_queue_at_a_checkpoint_all_get_through(filed: SqliteStore) -> None:
    async def many(count: int) -> None:
        for _ in range(count):
            await filed.swap().run("insert into audit (at, event) values (1, 'line')")
            await asyncio.sleep(0)

    await asyncio.gather(*(many(500) for _ in range(10)), write(filed))

    assert await filed.read().one("select count(*) from audit") == (5001,)


async def test_a_checkpoint_that_fails_stops_nobody(filed: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    if filed._copying:  # what the migration wrote
        await filed._copying
    wal_of(filed)._copier.close()

    with caplog.at_level(logging.WARNING):
        async with filed.begin(durable=False) as tx:
            for number in range(4500):
                await audit.append(tx, "line", now=number)
        assert filed._copying
        await filed._copying
        await write(filed)

    assert "checkpoint" in caplog.messages[0]
    assert await filed.read().one("select count(*) from audit") == (4501,)


async def test_what_is_copied_beside_the_writers_is_synced_by_a_descriptor_that_is_not_the_checkpoints(
    filed: SqliteStore, database: Path
) -> None:
    wal = wal_of(filed)
    await write(filed)
    descriptor = wal._sqlites
    assert descriptor is not None
    assert os.path.samestat(os.fstat(descriptor), database.stat())

    await wal.copy_beside()

    wal._copier.close()
    assert os.path.samestat(os.fstat(descriptor), database.stat())  # it is open still


async def test_a_descriptor_that_is_of_something_else_meanwhile_is_left_alone(filed: SqliteStore) -> None:
    wal = wal_of(filed)
    await write(filed)
    wal._sqlites, writing = os.pipe()  # a sync of it would fail

    await wal.copy_beside()

    os.close(wal._sqlites)
    os.close(writing)
    await wal.copy_beside()


async def test_without_a_descriptor_the_rest_does_all(filed: SqliteStore, tmp_path: Path) -> None:
    assert _opened_already(tmp_path) is None
    wal = wal_of(filed)
    await write(filed)
    wal._sqlites = None

    await wal.copy_beside()


async def test_a_disk_that_does_not_keep_what_is_copied_beside_stops_nobody(
    filed: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    if filed._copying:
        await filed._copying
    wal = wal_of(filed)
    wal._sqlites, writing = os.pipe()
    wal._identity = (os.fstat(wal._sqlites).st_dev, os.fstat(wal._sqlites).st_ino), wal._identity[1]
    filed._begin_copying()
    assert filed._copying

    with caplog.at_level(logging.WARNING):
        await filed._copying

    assert "checkpoint" in caplog.messages[0]
    os.close(wal._sqlites)
    os.close(writing)
    wal._identity = wal._found()
    await write(filed)
