"""A whole issuer without HTTP: a real store, real keys, a real pool with cheap hashes, and a clock that tests move."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jotgate.core.model import Origin, TokenPair, User
from jotgate.core.passwords import Argon2
from jotgate.core.policy import policy_for
from jotgate.flows import feed, keys, login, refresh, users
from jotgate.flows.env import Env, FeedBell, KeysInUse, Secrets
from jotgate.flows.hashing import HashingPool
from jotgate.jose import Claims, Expect, jwt
from jotgate.store import audit, postgres
from jotgate.store.memory import MemoryThrottle
from jotgate.store.migrate import migrate
from jotgate.store.ports import Store
from jotgate.store.sqlite import open_store
from jotgate.wire.feed import Page, digest

ISSUER = "https://auth.example.com"
PASSWORD = "four geese over the mill"
START = 1_800_000_000
CHEAP = Argon2(memory_kib=8, passes=1)
MASTER = b"the master secret of these tests"
HS256 = b"kR2v8Qm1xZt6Wb3nYp9Lc4Hd7Jf0Gs5A-Ue_o"
HOME = Origin("192.0.2.1", "Firefox")
AWAY = Origin("198.51.100.7", "curl")


@dataclass
class Clock:
    """Seconds since 1970, as the test says."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class CountingPool:
    """The real pool; `calls` says what it was asked to do, by what each call costs."""

    pool: HashingPool = field(default_factory=lambda: HashingPool(CHEAP, threads=1))
    calls: list[str] = field(default_factory=list)

    async def hash(self, password: str, network: str) -> str:
        self.calls.append("hash")
        return await self.pool.hash(password, network)

    async def verify(self, phc: str | None, password: str, network: str) -> bool:
        self.calls.append("verify")
        return await self.pool.verify(phc, password, network)

    def outdated(self, phc: str) -> bool:
        return self.pool.outdated(phc)

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        self.calls.append("afterwards")
        self.pool.afterwards(work)

    async def close(self) -> None:
        await self.pool.close()


class Meddler(CountingPool):
    """The real pool; while it checks a password somebody changes the user, as often as `times` says."""

    def __init__(self, meddle: Callable[[], Awaitable[object]], times: int = 1) -> None:
        super().__init__()
        self.meddle, self.times = meddle, times

    async def verify(self, phc: str | None, password: str, network: str) -> bool:
        right = await super().verify(phc, password, network)
        if self.times:
            self.times -= 1
            await self.meddle()
        return right


@dataclass
class World:
    """An issuer that is open, and what tests do with it again and again."""

    env: Env
    clock: Clock
    hasher: CountingPool

    async def add(self, email: str = "ada@example.com", **facts: Any) -> User:
        return await users.add(self.env, email=email, **{"password": PASSWORD, **facts})

    async def login(self, email: str = "ada@example.com", *, origin: Origin = HOME, **wanted: Any) -> TokenPair:
        password = wanted.pop("password", PASSWORD)
        return await login.login(self.env, "email", email, password=password, origin=origin, **wanted)

    async def by_username(self, username: str = "ada") -> TokenPair:
        return await login.login(self.env, "username", username, password=PASSWORD, origin=HOME)

    async def refresh(self, pair: TokenPair, *, origin: Origin = HOME) -> TokenPair:
        assert pair.refresh_token is not None
        return await refresh.refresh(self.env, pair.refresh_token, origin=origin)

    def claims(self, pair: TokenPair, *, audience: str = ISSUER) -> Claims:
        """What the access token says, once verified at this moment."""
        expect = Expect(ISSUER, audience, leeway=0)
        return jwt.decode(pair.access_token, self.env.keyring.current.public, expect, now=int(self.clock.now))

    async def news(self, cursor: str | None = None) -> Page:
        return await feed.page(self.env, cursor)

    async def is_told(self, kind: str, name: str) -> bool:
        """Whether the feed speaks of this session, user or key."""
        return digest(ISSUER, kind, name) in {entry.digest for entry in (await self.news()).entries}

    async def events(self) -> list[str]:
        """The audit, oldest first."""
        return [record.event for record in reversed(await audit.page(self.env.store.read()))]

    async def count(self, table: str) -> int:
        row = await self.env.store.read().one(f"select count(*) from {table}")
        assert row is not None
        return int(row[0])


async def _opened(path: str) -> Store:
    return await postgres.open_store(path) if path.startswith("postgresql:") else open_store(path)


@asynccontextmanager
async def open_world(
    path: str | Path = ":memory:",
    *,
    profile: str = "standard",
    clock: Clock | None = None,
    secrets: Secrets | None = None,
    find: Callable[[], Secrets] | None = None,
    upkeep: bool = True,
    entropy: Callable[[int], bytes] = os.urandom,
    **chosen: Any,
) -> AsyncIterator[World]:
    """Open it, on a new database or on one that is there; `path` may be the URL of a PostgreSQL database."""
    clock, hasher = clock or Clock(), CountingPool()
    policy = policy_for(ISSUER, profile, **chosen)
    store = await _opened(str(path))
    try:
        await migrate(store, now=int(clock.now), entropy=entropy)
        env = Env(
            issuer=ISSUER,
            policy=policy,
            store=store,
            throttle=MemoryThrottle(clock=clock),
            feed=FeedBell(),
            keyring=KeysInUse(secrets or Secrets(MASTER, (), HS256), find=find),
            hasher=hasher,
            clock=clock,
            entropy=entropy,
        )
        await keys.load(env, upkeep=upkeep)
        yield World(env, clock, hasher)
    finally:
        await hasher.close()
        await store.close()
