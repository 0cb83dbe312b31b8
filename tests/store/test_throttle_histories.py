"""Every throttle decides as `core.throttle` does: generated histories, by a clock that the test moves."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol

import pytest

from jotgate.core.throttle import Limit
from jotgate.store import postgres
from jotgate.store.memory import MemoryThrottle
from jotgate.store.migrate import migrate
from jotgate.store.ports import Guess, Store
from jotgate.store.sqlite import open_store
from jotgate.store.throttle import DatabaseThrottle
from jotgate.store.valkey import Attendance, connect
from jotgate.store.valkey_counts import COUNT
from jotgate.store.valkey_throttle import ValkeyThrottle
from tests.servers.postgres import fresh_database
from tests.servers.valkey import server_url
from tests.store.rows import NOW
from tests.store.valkeys import CROWDED

pytestmark = pytest.mark.anyio

STEPS = 7
AT_ONCE = 20
GAPS = (0, 0, 0, 1, 2, 5, 30, 60, 600, 4000)


class Subject(Protocol):
    async def wait(self, keys: Sequence[Limit]) -> int: ...
    async def attempt(self, keys: Sequence[Limit]) -> Guess | None: ...


class Clock:
    now = NOW

    def __call__(self) -> float:
        return float(self.now)


class Clocked:
    """A client whose scripts go by the test's clock: it is their last argument."""

    def __init__(self, client: Any, sha: str, clock: Clock) -> None:
        self._client = client
        self._sha = sha
        self._clock = clock

    async def evalsha(self, _sha: str, *arguments: Any) -> Any:
        return await self._client.evalsha(self._sha, *arguments, self._clock.now)

    async def aclose(self) -> None:
        await self._client.aclose()


Maker = Callable[[Clock], Subject]


@asynccontextmanager
async def _in_database(store: Store) -> AsyncIterator[Maker]:
    await migrate(store, now=NOW, entropy=bytes)
    yield lambda clock: DatabaseThrottle(store, clock=clock)
    await store.close()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Maker]:
    async with _in_database(open_store(":memory:")) as make:
        yield make


@asynccontextmanager
async def _postgres() -> AsyncIterator[Maker]:
    async with _in_database(await postgres.open_store(fresh_database())) as make:
        yield make


@asynccontextmanager
async def _valkey() -> AsyncIterator[Maker]:
    store = open_store(":memory:")
    await migrate(store, now=NOW, entropy=bytes)
    client, database, made = connect(server_url()), DatabaseThrottle(store), []
    name = os.urandom(8).hex()
    await client.set(f"jotgate:{{{name}}}", 1, ex=600)
    sha = await client.script_load(COUNT.replace("redis.call('TIME')", "{ARGV[#ARGV], 0}"))

    def make(clock: Clock) -> Subject:
        throttle = ValkeyThrottle(
            Clocked(client, sha, clock), name, database=database, attendance=Attendance(), patience=CROWDED
        )
        made.append(throttle)
        return throttle

    yield make
    assert all(throttle._there for throttle in made), "they decided, nothing stood in for them"
    for throttle in made:
        await throttle.close()
    await store.close()


# how many histories: what asks a server takes longer
SUBJECTS = {"sqlite": (_sqlite, 2000), "postgres": (_postgres, 200), "valkey": (_valkey, 2000)}


def limits(random: Random, history: int) -> list[Limit]:
    """As those of a login: keys that are shared and keys that are not, one asked only after another."""
    keys = [f"{history} {letter}".encode() for letter in "abcdef"]
    some = [Limit(key, random.randint(1, 4), float(random.choice((1, 2, 5, 60, 900)))) for key in keys]
    some[-1] = Limit(keys[-1], random.randint(1, 4), 30.0, only_after=keys[0])
    return [some[0], *random.sample(some[1:], random.randint(0, 5))]


async def step(subject: Subject, what: int, keys: Sequence[Limit]) -> int:
    """One of: ask, fail, be right."""
    if what == 0:
        return await subject.wait(keys)
    guess = await subject.attempt(keys)
    if guess is None:
        return await subject.wait(keys)
    await (guess.right() if what == 1 else guess.wrong())
    return 0


async def live(make: Maker, history: int) -> None:
    """One history, told and as it should be."""
    clock, random = Clock(), Random(history)
    judged, truth, told = make(clock), _Truth(clock), []
    for _ in range(STEPS):
        clock.now += random.choice(GAPS)
        what, keys = random.choice((0, 1, 2, 2, 2)), limits(random, history)
        told.append((await step(judged, what, keys), await step(truth, what, keys)))

    assert [ours for ours, _ in told] == [right for _, right in told], history


@pytest.mark.parametrize("name", SUBJECTS)
async def test_histories_end_as_in_one_process(name: str) -> None:
    opened, histories = SUBJECTS[name]
    async with opened() as make:
        for start in range(0, histories, AT_ONCE):
            await asyncio.gather(*(live(make, history) for history in range(start, start + AT_ONCE)))


class _Truth(MemoryThrottle):
    """What one process counts, by `core.throttle` itself."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)

    async def attempt(self, keys: Sequence[Limit]) -> Guess | None:
        return None if await self.wait(keys) else await self.admit(keys)
