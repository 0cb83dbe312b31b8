"""Backups of a database in use."""

import asyncio
import os
import resource
import sqlite3
import stat
from pathlib import Path

import pytest

from jotgate.errors import DatabaseUnusable, Invalid, Unavailable
from jotgate.store.backup import backup
from jotgate.store.migrate import check, migrate
from jotgate.store.sqlite import SqliteStore, open_store
from tests.store.rows import NOW, write

pytestmark = pytest.mark.anyio


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


async def test_a_backup_holds_everything_in_one_private_file(filed: SqliteStore, database: Path, target: Path) -> None:
    await write(filed, 10)

    backup(database, target, now=NOW)
    await write(filed)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in target.parent.iterdir()) == ["backup.db", "data"]
    copy = open_store(target)
    assert await check(copy)
    assert await copy.read().one("select count(*) from audit") == (10,)
    await copy.close()


async def test_a_backup_is_one_moment_of_a_database_that_is_written_to(
    filed: SqliteStore, database: Path, target: Path
) -> None:
    await write(filed, 2000)
    copying = asyncio.create_task(asyncio.to_thread(backup, database, target, now=NOW))
    written = 0
    while not copying.done():
        await write(filed, 3)
        written += 3
    await copying

    with sqlite3.connect(target) as copy:
        (lines,) = copy.execute("select count(*) from audit").fetchone()
    copy.close()
    assert 2000 <= lines <= 2000 + written
    assert (lines - 2000) % 3 == 0


async def test_a_backup_never_overwrites(filed: SqliteStore, database: Path, target: Path) -> None:
    target.write_text("precious")

    with pytest.raises(Invalid, match="exists"):
        backup(database, target, now=NOW)

    assert target.read_text() == "precious"


async def test_a_place_that_is_not_there_is_named(filed: SqliteStore, database: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be made"):
        backup(database, tmp_path / "nowhere" / "backup.db", now=NOW)


async def test_no_database_no_backup(database: Path, target: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="no database"):
        backup(database, target, now=NOW)

    assert not target.exists()


async def test_no_space_leaves_nothing(filed: SqliteStore, database: Path, target: Path) -> None:
    await write(filed, 2000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(Unavailable, match="could not be copied"):
            backup(database, target, now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert not target.exists()


async def test_a_damaged_database_makes_no_backup(database: Path, target: Path) -> None:
    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)
    await write(store, 2000)
    await store.close()
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 4))

    with pytest.raises(DatabaseUnusable, match="damaged"):
        backup(database, target, now=NOW)

    assert not target.exists()
