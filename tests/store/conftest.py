"""The stores that the conformance tests run on: another database is one more row of STORES."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from jotgate.store import postgres
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store
from jotgate.store.sqlite import SqliteStore, open_store
from tests.servers.postgres import fresh_database
from tests.store.rows import NOW


async def _memory(_folder: Path) -> Store:
    return open_store(":memory:")


async def _file(folder: Path) -> Store:
    return open_store(folder / "data" / "jotgate.db")


async def _postgres(_folder: Path) -> Store:
    return await postgres.open_store(fresh_database())


async def _serializable(_folder: Path) -> Store:
    return await postgres.open_store(fresh_database(isolation="serializable"))


STORES: dict[str, Callable[[Path], Awaitable[Store]]] = {
    "memory": _memory,
    "file": _file,
    "postgres": _postgres,
    "serializable": _serializable,
}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await STORES[request.param](tmp_path)
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where a test that is about files has its own."""
    return tmp_path / "data" / "jotgate.db"


@pytest.fixture(params=["memory", "file"])
async def sqlite(request: pytest.FixtureRequest, database: Path) -> AsyncIterator[SqliteStore]:
    """For what is SQLite's own; without patience for locks."""
    opened = open_store(database if request.param == "file" else ":memory:", patience_seconds=0.2)
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


@pytest.fixture
async def filed(database: Path) -> AsyncIterator[SqliteStore]:
    """For what needs a file; without patience for locks."""
    opened = open_store(database, patience_seconds=0.2)
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()
