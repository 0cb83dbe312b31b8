"""Opening a SQLite file: every way in which it can be the wrong one."""

import os
import resource
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from jotgate.errors import DatabaseUnusable
from jotgate.store import audit
from jotgate.store.migrate import migrate
from jotgate.store.sqlite import open_store
from jotgate.store.sqlite_file import refuse_old
from tests.store.rows import NOW
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


async def made(database: Path) -> None:
    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)
    async with store.begin() as tx:
        for number in range(100):
            await audit.append(tx, "line", now=number, detail="x" * 400)
    await store.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="jotgate-test-"))
    yield folder
    shutil.rmtree(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "data" / "jotgate.db"

    store = open_store(database)
    await migrate(store, now=NOW, entropy=bytes)

    assert mode(database.parent) == 0o700
    assert sorted(path.name for path in database.parent.iterdir()) == ["jotgate.db", "jotgate.db-shm", "jotgate.db-wal"]
    assert {mode(path) for path in database.parent.iterdir()} == {0o600}
    await store.close()
    assert [path.name for path in database.parent.iterdir()] == ["jotgate.db"]


async def test_an_empty_file_is_a_new_database(database: Path) -> None:
    database.parent.mkdir()
    database.touch()

    await made(database)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(database: Path) -> None:
    database.parent.mkdir()
    database.write_bytes(b"Dear diary, " * 1000)

    with pytest.raises(DatabaseUnusable, match="is not a database"):
        open_store(database)

    assert database.read_bytes() == b"Dear diary, " * 1000


async def test_a_truncated_database_is_refused(database: Path) -> None:
    await made(database)
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2)

    with pytest.raises(DatabaseUnusable, match="is damaged"):
        open_store(database)


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="not a file"):
        open_store(tmp_path)


async def test_a_file_holds_no_database(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DatabaseUnusable, match="cannot be made"):
        open_store(tmp_path / "file" / "jotgate.db")


async def test_a_log_that_is_no_file_is_refused(database: Path) -> None:
    database.parent.mkdir()
    Path(f"{database}-wal").mkdir()

    with pytest.raises(DatabaseUnusable, match="cannot be read or written"):
        open_store(database)


@as_root
@pytest.mark.parametrize("what", ["folder", "file"])
async def test_another_users_place_is_refused(database: Path, what: str) -> None:
    await made(database)
    os.chown(database.parent if what == "folder" else database, 12345, 12345)

    with pytest.raises(DatabaseUnusable, match="another user"):
        open_store(database)


@as_root
@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "complaint"),
    [
        (0o755, None, "read and written"),
        (0o777, 0o444, "read and written"),
        (0o777, 0o200, "read and written"),
        (0o777, None, None),
    ],
    ids=["folder not writable", "file not writable", "file not readable", "root's folder, writable for all"],
)
async def test_who_may_not_write_is_told(
    open_folder: Path, folder_mode: int, file_mode: int | None, complaint: str | None
) -> None:
    database = open_folder / "jotgate.db"
    if file_mode is not None:
        await made(database)
        os.chown(database, NOBODY, NOBODY)
        database.chmod(file_mode)
    open_folder.chmod(folder_mode)

    os.seteuid(NOBODY)
    try:
        if complaint:
            with pytest.raises(DatabaseUnusable, match=complaint):
                open_store(database)
        else:
            await open_store(database).close()
    finally:
        os.seteuid(0)


async def test_opening_waits_for_another_process_that_opens_it_too(database: Path) -> None:
    database.parent.mkdir()
    with sqlite3.connect(database) as old:
        old.execute("create table jotgate_migrations (number integer)")
    old.close()

    with working("hold", database, "exclusive") as other:
        assert says(other) == "held"
        with pytest.raises(DatabaseUnusable, match="locked by another process"):
            open_store(database, patience_seconds=0.05)

        timer = threading.Timer(0.05, tell, [other])
        timer.start()
        store = open_store(database, patience_seconds=60)
        timer.join()

    await store.close()


@pytest.mark.parametrize(("version", "too_old"), [((3, 36, 9), True), ((3, 37, 0), False)])
def test_an_old_sqlite_is_refused(version: tuple[int, int, int], too_old: bool) -> None:  # noqa: FBT001
    with pytest.raises(DatabaseUnusable, match="too old") if too_old else nullcontext():
        refuse_old(version)


async def test_running_out_of_descriptors_is_said_wherever_it_happens(database: Path) -> None:
    await made(database)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)

    outcomes = []
    for spare in range(100):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + spare, limits[1]))
        try:
            store = open_store(database)
        except DatabaseUnusable:
            outcomes.append("refused")
        else:
            outcomes.append("opened")
            await store.close()
            break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert outcomes[0] == "refused"
    assert outcomes[-1] == "opened"
