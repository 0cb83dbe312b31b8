"""Several processes on one database: nothing is skipped, nothing is lost."""

import asyncio
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from jotgate.store import feed, postgres
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store
from jotgate.store.sqlite import open_store
from jotgate.wire.feed import Entry
from tests.servers.postgres import fresh_database
from tests.store.rows import ADA, NOW, put_session, put_user, session
from tests.store.worker import says, tell, working

pytestmark = pytest.mark.anyio

PROCESSES = 8
CLOSINGS = 40  # by each


@pytest.fixture(params=["file", "postgres", "serializable"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where all of them meet: a file, or a URL."""
    if request.param == "file":
        return tmp_path / "data" / "jotgate.db"
    return fresh_database(isolation="serializable" if request.param == "serializable" else None)


async def opened(database: Path | str) -> Store:
    if isinstance(database, Path):
        return open_store(database, patience_seconds=60)
    return await postgres.open_store(database)


async def prepared(database: Path | str, sessions: int) -> Store:
    store = await opened(database)
    await migrate(store, now=NOW, entropy=os.urandom)
    await put_user(store)
    await put_session(store, *(session(f"{number:032x}", user_id=ADA) for number in range(1, sessions + 1)))
    return store


async def poll(store: Store, until: int) -> list[tuple[int, Entry]]:
    """A reader that goes on from the last number it saw, like a guard."""
    told: list[tuple[int, Entry]] = []
    while len(told) < until:
        told += await feed.after(store.read(), told[-1][0] if told else 0, 7, NOW)
        await asyncio.sleep(0)
    return told


async def test_no_reader_ever_skips_an_entry_while_processes_close_sessions(database: Path | str) -> None:
    everything = PROCESSES * CLOSINGS
    store = await prepared(database, everything)
    with ExitStack() as stack:
        closers = [
            stack.enter_context(
                working("close_sessions", database, f"{first * CLOSINGS + 1}-{(first + 1) * CLOSINGS + 1}")
            )
            for first in range(PROCESSES)
        ]
        assert [says(closer) for closer in closers] == ["ready"] * PROCESSES
        for closer in closers:
            tell(closer)

        async with asyncio.timeout(60):
            readers = await asyncio.gather(*(poll(store, everything) for _ in range(3)))

        assert [says(closer) for closer in closers] == ["done"] * PROCESSES

    for told in readers:
        assert [seq for seq, _ in told] == list(range(1, everything + 1))
        assert {entry.digest for _, entry in told} == {n.to_bytes(16, "big") for n in range(1, everything + 1)}
    await store.close()


@pytest.mark.parametrize("database", ["file", "postgres"], indirect=True)
async def test_of_several_processes_one_wins_each_rotation(database: Path | str) -> None:
    rounds = 300
    store = await prepared(database, 1)
    with ExitStack() as stack:
        rotators = [stack.enter_context(working("rotate", database, str(rounds))) for _ in range(4)]
        assert [says(rotator) for rotator in rotators] == ["ready"] * 4
        for rotator in rotators:
            tell(rotator)
        won = sum([int(says(rotator)) for rotator in rotators])

    row = await store.read().one("select generation from sessions")
    assert row == (won,)
    await store.close()


@pytest.mark.parametrize("database", ["file", "postgres"], indirect=True)
async def test_kill_9_loses_no_acknowledged_write(database: Path | str) -> None:
    store = await prepared(database, 0)
    await store.close()
    for _ in range(5):
        with working("write", database) as writer:
            acknowledged = [int(says(writer)) for _ in range(50)]
            writer.kill()
            assert writer.stdout
            acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]

        store = await opened(database)
        async with store.begin() as tx:
            kept = {at for (at,) in await tx.all("select at from audit")}
            await tx.run("delete from audit")
        await store.close()

        assert kept >= set(acknowledged)
