"""PostgreSQL in trouble: cut off, killed, crowded, in the middle of something; whoever asks hears so, and soon."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from jotgate.errors import Invalid, Unavailable
from jotgate.store import sessions
from jotgate.store.migrate import migrate
from jotgate.store.ports import Tx
from jotgate.store.postgres import PostgresStore, open_store
from tests.servers.postgres import fresh_database, running_postgres
from tests.servers.relay import Relay, relaying
from tests.store.rows import INSERT, NOW, S1, lines, put_session, put_user, session, write

pytestmark = pytest.mark.anyio

BACK_SECONDS = 2.0  # from the fault's end to normal service
PATIENCE = 6.0  # the longest that anybody waits: for a connection, then for an answer, on a busy machine


@pytest.fixture
async def url() -> str:
    """A database with our tables and one session."""
    url = fresh_database()
    store = await open_store(url)
    await migrate(store, now=NOW, entropy=bytes)
    await put_user(store)
    await put_session(store)
    await store.close()
    return url


@pytest.fixture
async def relayed(url: str) -> AsyncIterator[tuple[PostgresStore, Relay]]:
    with relaying(url) as relay:
        store = await open_store(relay.url, pool=4)
        yield store, relay
        await store.close()


async def connections(url: str) -> list[str]:
    """What each connection of ours is doing, as the server sees it."""
    watcher = await asyncpg.connect(url)
    rows = await watcher.fetch(
        "select state from pg_stat_activity where datname = current_database() and application_name = 'jotgate'"
    )
    await watcher.close()
    return [row["state"] for row in rows]


async def outcomes(store: PostgresStore, count: int) -> list[BaseException | None]:
    return await asyncio.gather(*(write(store) for _ in range(count)), return_exceptions=True)


async def seconds_until_normal(store: PostgresStore) -> float:
    """Until as many as there are connections, and more, are served."""
    began = time.monotonic()
    while any(await outcomes(store, 8)):
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.02)
    return time.monotonic() - began


# --- the network


@pytest.mark.alone
@pytest.mark.parametrize("cut_seconds", [1.0, 3.5])
async def test_service_is_normal_2_s_after_a_cut(relayed: tuple[PostgresStore, Relay], cut_seconds: float) -> None:
    store, relay = relayed
    await outcomes(store, 8)
    relay.cut()
    under_way = [asyncio.create_task(outcomes(store, 8)) for _ in range(3)]
    await asyncio.sleep(cut_seconds)

    relay.heal()
    took = await seconds_until_normal(store)

    for errors in await asyncio.gather(*under_way):
        assert {type(error) for error in errors} <= {Unavailable, type(None)}
    assert took < BACK_SECONDS


async def test_nobody_waits_long_while_the_network_is_cut(relayed: tuple[PostgresStore, Relay]) -> None:
    store, relay = relayed
    await lines(store)
    relay.cut()

    began = time.monotonic()
    errors = await outcomes(store, 50)

    assert {type(error) for error in errors} == {Unavailable}
    assert time.monotonic() - began < PATIENCE


async def test_nobody_knows_of_a_commit_whose_answer_is_lost(relayed: tuple[PostgresStore, Relay]) -> None:
    store, relay = relayed

    async def close(tx: Tx) -> bool:
        return await sessions.close(tx, S1, "logout", NOW)

    relay.lose(b"COMMIT")
    with pytest.raises(Unavailable):
        await store.write(close)

    assert await store.write(close) is False  # it was done: to repeat it is safe


async def test_of_several_hosts_one_that_is_silent_hides_no_other(url: str) -> None:
    with relaying(url) as relay:
        store = await open_store(url.replace("@", f"@127.0.0.1:{relay.port},"), pool=4)
        relay.cut()
        await outcomes(store, 4)

        took = await seconds_until_normal(store)

        assert took < PATIENCE
        await store.close()


# --- the server


@pytest.mark.alone
async def test_service_is_normal_2_s_after_a_kill_9_and_until_then_everybody_hears_so_at_once() -> None:
    with running_postgres() as server:
        store = await open_store(server.url, pool=4)
        await migrate(store, now=NOW, entropy=bytes)
        for _ in range(2):
            await seconds_until_normal(store)
            server.kill()
            await outcomes(store, 8)
            began = time.monotonic()
            errors = await outcomes(store, 200)
            assert time.monotonic() - began < 1
            assert {type(error) for error in errors} == {Unavailable}

            server.start()
            assert await seconds_until_normal(store) < BACK_SECONDS
        await store.close()


async def test_a_connection_that_the_server_ends_is_not_used_again(url: str) -> None:
    store = await open_store(url)
    await lines(store)
    watcher = await asyncpg.connect(url)
    await watcher.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'jotgate'"""
    )
    await watcher.close()

    await asyncio.sleep(0.2)
    await write(store)

    assert await lines(store) == 1
    await store.close()


async def test_a_database_that_may_not_be_written_is_unavailable_until_it_may(url: str) -> None:
    watcher = await asyncpg.connect(url)
    name = await watcher.fetchval("select current_database()")
    await watcher.execute(f"alter database {name} set default_transaction_read_only = on")
    store = await open_store(url)

    with pytest.raises(Unavailable, match="read-only"):
        await write(store)
    with pytest.raises(Unavailable, match="read-only"):
        await store.swap().run("update sessions set amr = amr where id = ?", S1)
    assert await lines(store) == 0

    with pytest.raises(Unavailable, match="read-only"):
        await asyncio.gather(write(store), write(store), write(store))
    await watcher.execute("set default_transaction_read_only = off")
    await watcher.execute(f"alter database {name} set default_transaction_read_only = off")
    await write(store)
    await watcher.close()
    await store.close()


async def test_more_connections_than_the_server_has_are_no_error(url: str) -> None:
    watcher, few = await asyncpg.connect(url), f"few_{urlsplit(url).path[1:]}"
    await watcher.execute(f"create role {few} login connection limit 3 in role pg_write_all_data, pg_read_all_data")
    await watcher.close()
    store = await open_store(url.replace("postgres@", f"{few}@"), pool=40)

    assert {type(error) for error in await outcomes(store, 60)} == {type(None)}

    assert len(store._pool) == 3
    await store.close()


# --- each other


async def test_who_finds_every_connection_in_use_waits_2_s(url: str) -> None:
    store = await open_store(url, pool=2)

    async def hold(until: asyncio.Event) -> None:
        async with store.begin() as tx:
            while not until.is_set():
                await tx.one("select pg_sleep(0.05)")

    over = asyncio.Event()
    holding = [asyncio.create_task(hold(over)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable, match="2 are in use"):
        await lines(store)
    waiting = asyncio.create_task(lines(store))
    await asyncio.sleep(0.1)
    over.set()

    assert await waiting == 0
    await asyncio.gather(*holding)
    await store.close()


async def test_who_waits_for_a_lock_too_long_is_told_and_the_connection_is_none_the_worse(url: str) -> None:
    store = await open_store(url, pool=1)
    other = await asyncpg.connect(url)
    lock = other.transaction()
    await lock.start()
    await other.execute("update sessions set amr = amr")

    with pytest.raises(Unavailable, match="lock"):
        await store.swap().run("update sessions set amr = amr where id = ?", S1)

    await lock.rollback()
    assert await store.swap().run("update sessions set amr = amr where id = ?", S1) == 1
    await other.close()
    await store.close()


async def test_who_goes_silent_in_a_transaction_holds_nobody_up(relayed: tuple[PostgresStore, Relay], url: str) -> None:
    store, relay = relayed
    other = await open_store(url)

    async def stop_in_the_middle() -> None:
        async with store.begin() as tx:
            await tx.run("update sessions set amr = amr where id = ?", S1)
            relay.cut()
            await tx.run(INSERT)

    with pytest.raises(Unavailable):
        await stop_in_the_middle()
    await asyncio.sleep(0.5)

    assert await other.swap().run("update sessions set amr = amr where id = ?", S1) == 1
    assert await lines(other) == 0
    await other.close()


async def test_two_that_lock_crosswise_are_both_done(url: str) -> None:
    store = await open_store(url)
    await put_session(store, session(f"{2:032x}"))
    attempts = 0

    def touch(*ids: str) -> asyncio.Task[None]:
        async def work(tx: Tx) -> None:
            nonlocal attempts
            attempts += 1
            for one in ids:
                await tx.run("update sessions set generation = generation + 1 where id = ?", one)
                await tx.one("select pg_sleep(0.1)")

        return asyncio.create_task(store.write(work))

    await asyncio.gather(touch(S1, f"{2:032x}"), touch(f"{2:032x}", S1))

    rows = await store.read().all("select generation from sessions")
    assert [row[0] for row in rows] == [2, 2]
    assert attempts > 2
    await store.close()


# --- who is cancelled, or errs


@pytest.mark.parametrize("statement", ["begin", "work", "commit", "rollback", "single", "queue"])
async def test_who_is_cancelled_leaves_no_transaction_open(url: str, statement: str) -> None:
    with relaying(url) as relay:
        store = await open_store(relay.url, pool=1)
        await lines(store)
        await write(store)

        async def work() -> None:
            if statement == "single":
                relay.cut()
                await lines(store)
            if statement == "begin":
                relay.cut()
            async with store.begin() as tx:
                if statement == "work":
                    relay.cut()
                await tx.run(INSERT)
                if statement in {"commit", "rollback"}:
                    relay.cut()
                if statement == "rollback":
                    raise LookupError
                if statement == "queue":
                    queued = asyncio.create_task(lines(store))
                    await asyncio.sleep(0.05)
                    queued.cancel()
                    await asyncio.wait((queued,))

        task = asyncio.create_task(work())
        await asyncio.sleep(0.2)
        task.cancel()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        relay.heal()

        assert isinstance(done, asyncio.CancelledError) is (statement != "queue")
        await write(store)
        assert await lines(store) == (3 if statement == "queue" else 2)
        assert len(store._pool) == 1
        await store.close()
    await asyncio.sleep(0.2)
    assert await connections(url) == []


async def test_an_error_of_the_work_rolls_back_and_keeps_the_connection(url: str) -> None:
    store = await open_store(url, pool=1)

    async def work(tx: Tx) -> None:
        await tx.run(INSERT)
        raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        await store.write(work)
    with pytest.raises(asyncpg.UndefinedTableError):
        await store.write(lambda tx: tx.run("delete from nothing"))
    with pytest.raises(asyncpg.UndefinedTableError):
        await store.read().one("select * from nothing")

    assert await lines(store) == 0
    assert await connections(url) == ["idle"]
    await store.close()


async def test_an_error_that_the_work_swallows_is_no_commit(url: str) -> None:
    store = await open_store(url, pool=1)

    async def work(tx: Tx) -> None:
        await tx.run(INSERT)
        with pytest.raises(asyncpg.UndefinedTableError):
            await tx.run("delete from nothing")

    with pytest.raises(RuntimeError, match="nothing to commit"):
        await store.write(work)

    assert await lines(store) == 0
    await store.close()


async def test_a_transaction_that_is_over_does_nothing_more(url: str) -> None:
    store = await open_store(url, pool=1)
    async with store.begin() as tx:
        await tx.run(INSERT)

    with pytest.raises(RuntimeError, match="over"):
        await tx.run(INSERT)

    assert await lines(store) == 1
    await store.close()


async def test_what_is_there_twice_is_raised_as_it_is_once_repeating_has_not_helped(url: str) -> None:
    store = await open_store(url)

    with pytest.raises(asyncpg.UniqueViolationError):
        await store.write(lambda tx: tx.run("insert into roles (name, permissions) values ('admin', '')"))

    await store.close()


async def test_text_that_postgresql_cannot_keep_is_invalid(url: str) -> None:
    store = await open_store(url)

    with pytest.raises(Invalid):
        await sessions.by_id(store.read(), "nobody\0")

    await store.close()


async def test_a_closed_store_is_unavailable(url: str) -> None:
    store = await open_store(url)
    busy = asyncio.create_task(store.read().one("select pg_sleep(0.3)"))
    await asyncio.sleep(0.1)

    await asyncio.gather(store.close(), store.close())

    assert await busy is not None  # it was waited for
    with pytest.raises(Unavailable, match="closed"):
        await lines(store)
    assert await connections(url) == []
