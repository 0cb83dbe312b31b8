"""What every throttle counts: in memory, in each database, and in Valkey before a database."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path

import pytest

from jotgate.core.throttle import Limit
from jotgate.store import postgres
from jotgate.store.memory import MemoryThrottle
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store, Throttle
from jotgate.store.sqlite import open_store
from jotgate.store.throttle import DatabaseThrottle
from jotgate.store.valkey import Attendance, connect
from jotgate.store.valkey_throttle import ValkeyThrottle
from tests.servers.postgres import fresh_database
from tests.servers.valkey import cluster_url, server_url
from tests.store.guesses import right, wrong
from tests.store.rows import NOW
from tests.store.valkeys import CROWDED, until_told

pytestmark = pytest.mark.anyio

SOON = 0.5  # seconds after which a count has leaked away for which no test should wait


@asynccontextmanager
async def _migrated(store: Store) -> AsyncIterator[Throttle]:
    await migrate(store, now=NOW, entropy=bytes)
    await store.write(lambda tx: tx.run("delete from throttle_counts"))
    yield DatabaseThrottle(store)
    await store.close()


@cache
def _shared(isolation: str | None = None) -> str:
    """A database for all tests of this file: making one takes longer than a test."""
    return fresh_database(isolation=isolation)


@asynccontextmanager
async def _memory(_folder: Path) -> AsyncIterator[Throttle]:
    yield MemoryThrottle()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Throttle]:
    async with _migrated(open_store(folder / "jotgate.db")) as throttle:
        yield throttle


@asynccontextmanager
async def _postgres(_folder: Path) -> AsyncIterator[Throttle]:
    async with _migrated(await postgres.open_store(_shared())) as throttle:
        yield throttle


@asynccontextmanager
async def _serializable(_folder: Path) -> AsyncIterator[Throttle]:
    async with _migrated(await postgres.open_store(_shared("serializable"))) as throttle:
        yield throttle


@asynccontextmanager
async def _valkey_before(url: str) -> AsyncIterator[Throttle]:
    store = open_store(":memory:")
    await migrate(store, now=NOW, entropy=bytes)
    name = os.urandom(8).hex()
    throttle = ValkeyThrottle(
        connect(url), name, database=DatabaseThrottle(store), attendance=Attendance(), patience=CROWDED
    )
    await until_told(throttle)
    yield throttle
    assert throttle._there, "it decided, nothing stood in for it"
    await store.close()


@asynccontextmanager
async def _valkey(_folder: Path) -> AsyncIterator[Throttle]:
    async with _valkey_before(server_url()) as throttle:
        yield throttle


@asynccontextmanager
async def _cluster(_folder: Path) -> AsyncIterator[Throttle]:
    async with _valkey_before(cluster_url()) as throttle:
        yield throttle


THROTTLES: dict[str, Callable[[Path], AbstractAsyncContextManager[Throttle]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgres": _postgres,
    "serializable": _serializable,
    "valkey": _valkey,
    "cluster": _cluster,
}


@pytest.fixture(params=THROTTLES)
async def throttle(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Throttle]:
    async with THROTTLES[request.param](tmp_path) as opened:
        yield opened
        await opened.close()


def limit(key: bytes = b"key", *, burst: int = 1, seconds: float = 1000.0, only_after: bytes | None = None) -> Limit:
    return Limit(key, burst, seconds, only_after)


async def at_once(count: int, work: Callable[[], Awaitable[int]]) -> list[int]:
    return await asyncio.gather(*(work() for _ in range(count)))


async def test_nobody_waits_who_never_failed(throttle: Throttle) -> None:
    assert await throttle.wait([limit()]) == 0
    assert await throttle.wait([]) == 0


async def test_nothing_to_count_is_fine(throttle: Throttle) -> None:
    assert await wrong(throttle, []) == 0
    assert await right(throttle, []) == 0


async def test_failures_are_counted_by_key(throttle: Throttle) -> None:
    assert await wrong(throttle, [limit(b"a")]) == 0

    assert 990 <= await throttle.wait([limit(b"a")]) <= 1000
    assert await throttle.wait([limit(b"b")]) == 0


async def test_so_many_are_free(throttle: Throttle) -> None:
    limits = [limit(b"a", burst=3), limit(b"b", burst=5)]

    assert [await wrong(throttle, limits) for _ in range(3)] == [0, 0, 0]

    assert 990 <= await throttle.wait(limits) <= 1000
    assert await throttle.wait(limits[1:]) == 0


async def test_the_longest_wait_counts(throttle: Throttle) -> None:
    limits = [limit(b"a"), limit(b"b", seconds=60.0)]

    await wrong(throttle, limits)

    assert 990 <= await throttle.wait(limits) <= 1000
    assert 50 <= await throttle.wait(limits[1:]) <= 60


async def test_who_comes_too_late_is_told_how_long_and_is_not_counted(throttle: Throttle) -> None:
    limits = [limit(b"a"), limit(b"b", burst=3)]
    await wrong(throttle, limits)

    assert 990 <= await wrong(throttle, limits) <= 1000

    assert 990 <= await throttle.wait(limits) <= 1000
    assert [await wrong(throttle, limits[1:]) for _ in range(2)] == [0, 0]
    assert await wrong(throttle, limits[1:]) > 0


async def test_what_is_forgiven_was_not_counted(throttle: Throttle) -> None:
    limits = [limit(b"a"), limit(b"b", burst=3)]

    assert [await right(throttle, limits) for _ in range(10)] == [0] * 10

    assert await throttle.wait(limits) == 0


async def test_what_is_right_leaves_the_failures(throttle: Throttle) -> None:
    limits = [limit(burst=3)]
    for _ in range(2):
        await wrong(throttle, limits)

    assert [await right(throttle, limits) for _ in range(10)] == [0] * 10

    assert await wrong(throttle, limits) == 0
    assert await right(throttle, limits) > 0


async def test_time_heals(throttle: Throttle) -> None:
    limits = [limit(burst=2, seconds=SOON)]
    for _ in range(2):
        await wrong(throttle, limits)

    await asyncio.sleep(SOON)

    assert await throttle.wait(limits) == 0


async def test_another_s_count_is_asked_only_after_an_own_failure(throttle: Throttle) -> None:
    mine, account = limit(b"mine", burst=9), limit(b"account", only_after=b"mine")
    await wrong(throttle, [limit(b"account")])

    assert await throttle.wait([mine, account]) == 0

    await wrong(throttle, [mine])

    assert await throttle.wait([mine, account]) > 0


async def test_of_many_at_once_only_so_many_are_heard(throttle: Throttle) -> None:
    limits = [limit(b"a", burst=5), limit(b"b", burst=30), limit(b"c", burst=100)]

    waits = await at_once(40, lambda: wrong(throttle, limits))

    assert waits.count(0) == 5
    assert all(990 <= wait <= 1000 for wait in waits if wait)
    assert [await throttle.wait([one]) for one in limits[1:]] == [0, 0]


async def test_many_failures_at_once_are_all_counted(throttle: Throttle) -> None:
    await at_once(60, lambda: wrong(throttle, [limit(b"a", burst=1000), limit(b"b", burst=1000)]))

    assert 59_000 <= await throttle.wait([limit(b"a")]) <= 60_000


async def test_any_number_of_right_guesses_at_once_gets_in(throttle: Throttle) -> None:
    limits = [limit(burst=5)]

    for _ in range(10):
        assert await at_once(8, lambda: right(throttle, limits)) == [0] * 8


async def test_lists_of_keys_that_cross_do_not_stop_each_other(throttle: Throttle) -> None:
    keys = [limit(bytes([number]), burst=10_000) for number in range(6)]

    async with asyncio.timeout(20):
        await asyncio.gather(*(wrong(throttle, keys[turn % 6 :] + keys[: turn % 6]) for turn in range(60)))

    assert 59_000 <= await throttle.wait([limit(bytes([3]))]) <= 60_000
