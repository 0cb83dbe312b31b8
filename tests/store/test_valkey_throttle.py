"""The throttle by Valkey, and the database behind it: what happens while Valkey comes and goes."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from jotgate.core.throttle import Limit
from jotgate.errors import Unavailable
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store
from jotgate.store.sqlite import SqliteStore, open_store
from jotgate.store.throttle import DatabaseThrottle
from jotgate.store.valkey import connect
from jotgate.store.valkey_throttle import PATIENCE, ValkeyThrottle
from tests.servers.valkey import Valkey, running_valkey
from tests.store.guesses import right, wrong
from tests.store.rows import NOW
from tests.store.valkeys import node, until, until_there, until_told

pytestmark = pytest.mark.anyio

LIMITS = (Limit(b"pair", 3, 1000.0), Limit(b"network", 30, 1000.0))


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "jotgate.db")
    await migrate(opened, now=NOW, entropy=bytes)
    yield opened
    await opened.close()


async def used_up(*nodes: ValkeyThrottle) -> None:
    """All that is free, each at the next node."""
    for turn in range(3):
        assert await wrong(nodes[turn % len(nodes)], LIMITS) == 0


async def in_database(store: Store) -> float:
    """Seconds of failures: a thousand each."""
    return (await DatabaseThrottle(store).counted(LIMITS)).get(b"pair", 0.0)


async def test_nodes_count_together(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as one, node(store, valkey.url) as another:
        await used_up(one, another)

        for throttle in (one, another):
            assert 990 < await throttle.wait(LIMITS) <= 1000
            assert 990 < await wrong(throttle, LIMITS) <= 1000


async def test_what_the_database_is_still_counting_counts_when_valkey_is_back(
    valkey: Valkey, store: SqliteStore
) -> None:
    async with node(store, valkey.url) as one, node(store, valkey.url) as another:
        async with store.turn:  # the database is busy
            first = asyncio.create_task(wrong(one, LIMITS))  # before Valkey has been told of anything
            await until(lambda: one._looking is not None and one._looking.done())
            assert not first.done()
        assert await first == 0
        for _ in range(2):
            assert await wrong(one, LIMITS) == 0

        for throttle in (one, another):
            assert 980 < await throttle.wait(LIMITS) <= 1000
            assert 980 < await wrong(throttle, LIMITS) <= 1000


async def test_installations_do_not_meet(valkey: Valkey, store: Store, tmp_path: Path) -> None:
    elsewhere = open_store(":memory:")
    await migrate(elsewhere, now=NOW, entropy=bytes)
    async with node(store, valkey.url, "ours") as ours, node(elsewhere, valkey.url, "theirs") as theirs:
        await used_up(ours)

        assert await theirs.wait(LIMITS) == 0
    await elsewhere.close()


async def test_the_database_has_a_failure_before_it_is_heard_and_nothing_else(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)

        for failures in (1, 2):
            for _ in range(10):
                assert await right(throttle, LIMITS) == 0
            assert await wrong(throttle, LIMITS) == 0
            assert await in_database(store) == pytest.approx(failures * 1000, abs=20)


async def test_what_the_database_does_not_have_is_not_heard(valkey: Valkey, tmp_path: Path) -> None:
    closed = open_store(tmp_path / "closed.db")
    await migrate(closed, now=NOW, entropy=bytes)
    async with node(closed, valkey.url) as throttle:
        await until_told(throttle)
        await closed.close()

        assert await right(throttle, LIMITS) == 0
        with pytest.raises(Unavailable):
            await wrong(throttle, LIMITS)


async def test_counts_vanish_by_themselves(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        await wrong(throttle, [Limit(b"short", 1, 0.2), Limit(b"long", 1, 100.0)])

        left = connect(valkey.url)
        assert 0 < await left.pttl(b"jotgate:{name}:short") <= 200
        assert 99_000 < await left.pttl(b"jotgate:{name}:long") <= 100_000
        await left.aclose()


async def test_a_flush_frees_nobody(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as one, node(store, valkey.url) as another:
        await until_told(one)
        await used_up(one, another)

        valkey.flush()

        for throttle in (one, another):
            assert 980 < await throttle.wait(LIMITS) <= 1000
            await until_there(throttle)
            assert 980 < await throttle.wait(LIMITS) <= 1000
            assert 980 < await wrong(throttle, LIMITS) <= 1000


@pytest.mark.parametrize("stale", [False, True])
async def test_a_restart_frees_nobody(valkey: Valkey, store: Store, stale: bool) -> None:  # noqa: FBT001
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        await wrong(throttle, LIMITS)
        if stale:  # it comes back with what it had then
            keeper = connect(valkey.url)
            await keeper.save()
            await keeper.aclose()
        for _ in range(2):
            await wrong(throttle, LIMITS)

        valkey.kill()
        valkey.start()

        assert 980 < await throttle.wait(LIMITS) <= 1000
        await until_there(throttle)
        assert 980 < await throttle.wait(LIMITS) <= 1000
        assert 980 < await wrong(throttle, LIMITS) <= 1000


async def test_what_was_counted_without_it_counts_when_it_is_back(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        await wrong(throttle, LIMITS)
        valkey.kill()

        assert [await wrong(throttle, LIMITS) for _ in range(2)] == [0, 0]
        assert await wrong(throttle, LIMITS) > 0

        valkey.start()
        await until_there(throttle)
        assert 980 < await throttle.wait(LIMITS) <= 1000


async def test_its_absence_and_its_return_are_said_once(
    valkey: Valkey, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jotgate.valkey")
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        assert caplog.messages == []

        valkey.kill()
        for _ in range(20):
            await throttle.wait(LIMITS)
        await asyncio.sleep(1.5)
        valkey.start()
        await until_there(throttle)
        await asyncio.sleep(0)

    assert [message.split(",")[0] for message in caplog.messages] == ["Valkey is away", "Valkey is back"]


@pytest.mark.alone
async def test_one_that_hangs_is_waited_for_once(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url, patience=PATIENCE) as throttle:
        await until_told(throttle)
        await used_up(throttle)
        valkey.hang()
        began = time.monotonic()
        for _ in range(50):
            assert await throttle.wait(LIMITS) > 0
        took = time.monotonic() - began
        valkey.go_on()

        assert took < 1.0
        await until_there(throttle)
        assert await wrong(throttle, LIMITS) > 0


TROUBLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "another password": (("CONFIG", "SET", "requirepass", "secret"), ("CONFIG", "SET", "requirepass", "")),
    "forbidden": (("ACL", "SETUSER", "default", "-evalsha"), ("ACL", "SETUSER", "default", "+evalsha")),
}


@pytest.mark.parametrize(("begins", "ends"), TROUBLES.values(), ids=TROUBLES)
async def test_whatever_is_wrong_with_it_the_database_counts(
    valkey: Valkey, store: Store, begins: tuple[str, ...], ends: tuple[str, ...]
) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        await wrong(throttle, LIMITS)
        with valkey.client() as operator:
            operator.execute_command(*begins)
            operator.execute_command("CLIENT", "KILL", "TYPE", "normal")

            assert [await wrong(throttle, LIMITS) for _ in range(2)] == [0, 0]
            assert 980 < await wrong(throttle, LIMITS) <= 1000
            assert not throttle._there

            operator.execute_command(*ends)
        await until_there(throttle)
        assert 980 < await throttle.wait(LIMITS) <= 1000


async def test_while_it_reads_its_file_the_database_counts(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        valkey.ask("CONFIG", "SET", "rdbcompression", "no")
        valkey.ask("EVAL", "for i = 1, 500 do redis.call('SET', i, string.rep('x', 2000)) end", 0)
        valkey.ask("SAVE")
        valkey.kill()
        valkey.options = ("--key-load-delay", "2500", "--loading-process-events-interval-bytes", "1024")
        starting = asyncio.create_task(asyncio.to_thread(valkey.start))
        await until(lambda: reads_its_file(valkey))

        assert [await wrong(throttle, LIMITS) for _ in range(3)] == [0, 0, 0]
        assert reads_its_file(valkey)

        await starting
        await until_there(throttle)
        assert await wrong(throttle, LIMITS) > 0


def reads_its_file(valkey: Valkey) -> bool:
    try:
        with valkey.client() as client:
            return bool(client.info("persistence")["loading"])
    except redis.ConnectionError:
        return False


async def test_a_failure_is_counted_once_whoever_counts_it(valkey: Valkey, store: Store) -> None:
    many = [Limit(b"pair", 10_000, 1000.0)]
    async with node(store, valkey.url) as one, node(store, valkey.url) as another:
        await until_told(one)
        for turn in range(300):
            if turn == 100:
                valkey.kill()
            if turn == 200:
                valkey.start()
                await until_there(one)
            assert await wrong((one, another)[turn % 2], many) == 0
        await until_there(another)

        assert await DatabaseThrottle(store).wait([Limit(b"pair", 1, 1000.0)]) == pytest.approx(300_000, rel=0.01)
        assert await one.wait([Limit(b"pair", 1, 1000.0)]) == pytest.approx(300_000, rel=0.01)


async def test_a_right_guess_is_not_counted_while_it_is_away(valkey: Valkey, store: Store) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        valkey.kill()

        assert [await right(throttle, LIMITS) for _ in range(10)] == [0] * 10

        assert await throttle.wait(LIMITS) == 0


@pytest.mark.parametrize("is_right", [True, False])
async def test_a_guess_under_way_when_it_goes_away_is_what_it_was(
    valkey: Valkey,
    store: Store,
    is_right: bool,  # noqa: FBT001
) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        guess = await throttle.admit(LIMITS)
        valkey.kill()
        await throttle.wait(LIMITS)

        await (guess.right() if is_right else guess.wrong())

        assert await in_database(store) == pytest.approx(0 if is_right else 1000, abs=20)


@pytest.mark.parametrize("is_right", [True, False])
async def test_a_guess_under_way_when_it_comes_back_is_what_it_was(
    valkey: Valkey,
    store: Store,
    is_right: bool,  # noqa: FBT001
) -> None:
    async with node(store, valkey.url) as throttle:
        await until_told(throttle)
        valkey.kill()
        guess = await throttle.admit(LIMITS)
        valkey.start()
        await until_there(throttle)

        await (guess.right() if is_right else guess.wrong())

        assert await in_database(store) == pytest.approx(0 if is_right else 1000, abs=20)
        assert await throttle.wait([Limit(b"pair", 1, 1000.0)]) == pytest.approx(0 if is_right else 1000, abs=20)


async def test_while_both_are_away_it_is_said(valkey: Valkey, tmp_path: Path) -> None:
    closed = open_store(tmp_path / "closed.db")
    await migrate(closed, now=NOW, entropy=bytes)
    async with node(closed, valkey.url) as throttle:
        await until_told(throttle)
        await closed.close()
        valkey.kill()

        with pytest.raises(Unavailable):
            await throttle.wait(LIMITS)
