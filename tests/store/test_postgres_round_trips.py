"""What is sent to PostgreSQL: how often one waits for it, and which commits wait for its disk."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from jotgate.errors import Unavailable
from jotgate.store import sessions
from jotgate.store.migrate import migrate
from jotgate.store.postgres import PostgresStore, open_store
from tests.servers.postgres import fresh_database, running_postgres
from tests.servers.relay import Relay, relaying
from tests.store.rows import NOW, S1, S2, SEED_HASH, lines, put_session, put_user, session, write

pytestmark = pytest.mark.anyio


@pytest.fixture
async def relayed() -> AsyncIterator[tuple[PostgresStore, Relay]]:
    """A store with one connection, and what stands between it and its database."""
    with relaying(fresh_database()) as relay:
        store = await open_store(relay.url, pool=1)
        await migrate(store, now=NOW, entropy=bytes)
        await put_user(store)
        await put_session(store)
        yield store, relay
        await store.close()


async def rotate(store: PostgresStore, generation: int) -> bool:
    facts = await sessions.rotate(
        store.swap(), session_id=S1, generation=generation, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
    )
    return facts is not None


async def test_a_rotation_is_one_round_trip(relayed: tuple[PostgresStore, Relay]) -> None:
    store, relay = relayed
    assert await rotate(store, 0)  # the statement is prepared by its first use
    relay.round_trips()

    for generation in range(1, 21):
        assert await rotate(store, generation)

    assert relay.round_trips() == 20


async def test_nothing_is_sent_between_two_users_of_a_connection(relayed: tuple[PostgresStore, Relay]) -> None:
    store, relay = relayed
    for _ in range(2):
        await write(store)
        await lines(store)
    relay.round_trips()

    for _ in range(10):
        await write(store)
        await lines(store)

    said = b" ".join(relay.sent).lower()
    assert relay.round_trips() == 10 * (3 + 1)  # begin, the line, commit; and what is read
    for word in (b"reset", b"discard", b"listen", b"advisory", b"nextval"):
        assert word not in said


async def test_only_a_rotation_leaves_its_commit_to_the_disk(relayed: tuple[PostgresStore, Relay]) -> None:
    store, _ = relayed
    commits = "select current_setting('synchronous_commit')"
    row = await store.swap().one(f"update sessions set amr = amr where id = ? returning ({commits})", S1)
    assert row is not None

    assert row[0] == "off"
    assert tuple(await store.read().all(commits)) == (("on",),)
    async with store.begin() as tx:
        assert tuple(await tx.all(commits)) == (("on",),)
    async with store.begin(durable=False) as tx:
        assert tuple(await tx.all(commits)) == (("off",),)
    assert tuple(await store.read().all(commits)) == (("on",),)


async def test_a_rotation_waits_for_no_replica_and_what_is_acknowledged_does() -> None:
    with running_postgres("--fsync=off") as server:
        store = await open_store(server.url, pool=2)
        await migrate(store, now=NOW, entropy=bytes)
        await put_user(store)
        await put_session(store, session(S1), session(S2))
        administrator = await asyncpg.connect(server.url)
        await administrator.execute("alter system set synchronous_standby_names = 'nobody'")
        await administrator.execute("select pg_reload_conf()")
        await administrator.close()

        async def write_until_it_has_noticed() -> None:
            while True:
                await write(store)

        with pytest.raises(Unavailable, match="in time"):
            await write_until_it_has_noticed()

        assert await rotate(store, 0)
        assert await rotate(store, 1)
        with pytest.raises(Unavailable, match="in time"):
            await store.write(lambda tx: sessions.close(tx, S2, "logout", NOW))
        with pytest.raises(Unavailable, match="lock"):  # nobody calls done what the replica may never have
            await store.write(lambda tx: sessions.close(tx, S2, "logout", NOW))
        assert await rotate(store, 2)

        await store.close()


async def test_rotations_write_to_no_index() -> None:
    url = fresh_database()
    store = await open_store(url, pool=1)
    await migrate(store, now=NOW, entropy=bytes)
    await put_user(store)
    crowd = [f"{number:032x}" for number in range(400)]
    await put_session(store, *(session(one) for one in crowd))  # side by side, the pages as full as they become

    for generation in range(3):
        for one in crowd:
            assert await sessions.rotate(
                store.swap(), session_id=one, generation=generation, seed_hash=SEED_HASH, client_id="jotgate", now=NOW
            )
    await store.close()

    reader = await asyncpg.connect(url)
    counts = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'sessions'"
    deadline = asyncio.get_running_loop().time() + 10
    while (row := tuple(await reader.fetchrow(counts)))[0] < 3 * len(crowd):
        assert asyncio.get_running_loop().time() < deadline, row
        await asyncio.sleep(0.05)
    await reader.close()
    assert row == (3 * len(crowd), 3 * len(crowd))
