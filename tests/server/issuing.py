"""An issuer in memory behind its ASGI application, with a clock that moves when told and cheap password hashes."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2

from jotgate.core.model import User
from jotgate.core.passwords import Argon2
from jotgate.core.policy import policy_for
from jotgate.flows import keys, roles, users
from jotgate.flows.env import Env, FeedBell, KeysInUse, Secrets
from jotgate.flows.hashing import HashingPool
from jotgate.server.app import Application
from jotgate.server.gate import Edge
from jotgate.store import migrate
from jotgate.store.memory import MemoryThrottle
from jotgate.store.sqlite import open_store

ISSUER = "https://auth.example.com"
PASSWORD = "a slow brown dog 47"
NOW = 1_800_000_000
CHEAP = Argon2(memory_kib=64, passes=1)


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """The issuer, its inside and a client outside of it."""

    app: Application
    env: Env
    clock: Clock
    http: httpx2.AsyncClient
    prefix: str
    people: dict[str, User] = field(default_factory=dict)

    async def user(self, name: str = "ada", *, roles: Iterable[str] = (), password: str | None = PASSWORD) -> User:
        user = await users.add(
            self.env,
            email=f"{name}@example.com",
            username=name,
            name=name.capitalize(),
            password=password,
            roles=roles,
        )
        self.people[name] = user
        return user

    async def login(self, name: str = "ada", **more: Any) -> dict[str, Any]:
        kind = self.env.policy.login_identifiers[0]
        identifier = name if kind == "username" else f"{name}@example.com"
        answer = await self.http.post(f"{self.prefix}/login", json={kind: identifier, "password": PASSWORD} | more)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def bearer(self, name: str = "ada", **more: Any) -> dict[str, str]:
        """The header of somebody who has just logged in."""
        tokens = await self.login(name, **more)
        return {"authorization": f"Bearer {tokens.get('access_token') or tokens['token']}"}

    async def administrator(self) -> dict[str, str]:
        """The header of an administrator called root."""
        await self.user("root", roles=["admin"])
        return await self.bearer("root")


class Opener:
    """Gives an `Env` that is open already, once it has failed as often as it was told to."""

    def __init__(self, env: Env, *failures: Exception) -> None:
        self.env = env
        self.failures = list(failures)
        self.opened = self.closed = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Env]:
        self.opened += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        yield self.env
        self.closed += 1


@asynccontextmanager
async def issuing(
    profile: str = "standard",
    *,
    edge: Edge | None = None,
    issuer: str = ISSUER,
    database: str | Path = ":memory:",
    **chosen: Any,
) -> AsyncIterator[House]:
    """An issuer with a profile and the parts of its policy that are chosen alone."""
    policy = policy_for(issuer, profile, **chosen)
    clock = Clock()
    secrets = Secrets(b"m" * 32, hs256=os.urandom(32) if policy.symmetric else None)
    store = open_store(database)
    await migrate.migrate(store, now=NOW, entropy=os.urandom)
    hasher = HashingPool(CHEAP, threads=2, waiting_for_each=64, nicer=0)
    env = Env(
        issuer=policy.issuer,
        policy=policy,
        store=store,
        throttle=MemoryThrottle(clock=clock),
        feed=FeedBell(),
        keyring=KeysInUse(secrets),
        hasher=hasher,
        clock=clock,
        entropy=os.urandom,
    )
    await keys.load(env)

    app = Application(policy, Opener(env), edge=edge)
    async with client(app, issuer) as http:
        yield House(app, env, clock, http, policy.prefix)
    await app.stop()
    await hasher.close()
    await store.close()


def client(app: Any, base: str = ISSUER, **options: Any) -> httpx2.AsyncClient:
    """A client that talks to an ASGI application."""
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.7", 50_000), **options)
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # a test sends what it says and nothing else
    return httpx2.AsyncClient(transport=transport, base_url=base, cookies=jar)


async def give_role(house: House, name: str, *permissions: str) -> None:
    await roles.set_role(house.env, name, permissions)
