"""Assembly: Settings -> Env -> the ASGI application; the only file that knows every concrete class."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from jotgate import datadir
from jotgate.errors import DatabaseUnusable, SettingsError
from jotgate.flows import keys
from jotgate.flows.env import Env, FeedBell, Hasher, KeysInUse, Secrets
from jotgate.flows.hashing import HashingPool, cores
from jotgate.server.app import Application
from jotgate.server.gate import Edge
from jotgate.settings import Settings, load
from jotgate.store import migrate, sqlite
from jotgate.store.memory import MemoryThrottle
from jotgate.store.nats import NatsSpread
from jotgate.store.ports import Spread, Store, Throttle
from jotgate.store.throttle import DatabaseThrottle


def create_app(settings: Settings | None = None) -> Application:
    """The issuer as an ASGI application, to run or to mount; settings come from the environment unless they are given.

    Nothing is opened before the start (or the first request). Raises `SettingsError`.
    """
    return application(settings or load(os.environ))


def application(settings: Settings, env: Env | None = None) -> Application:
    """The application; with `env`, on what is open already and stays open after it."""
    edge = Edge(settings.cors_origins, settings.trusted_proxies, settings.feed_token)
    return Application(
        settings.policy, partial(opened, settings) if env is None else partial(_as_it_is, env), edge=edge
    )


@asynccontextmanager
async def opened(settings: Settings, *, upkeep: bool = True) -> AsyncIterator[Env]:
    """Open the database, bring it up to date, unseal the keys; and give all of it back. Raises `StartError`.

    `upkeep`: make, promote and retire keys as the settings say; a command leaves that to its server.
    """
    secrets = find_secrets(settings)
    async with AsyncExitStack() as stack:
        store = await open_store(settings)
        stack.push_async_callback(store.close)
        await migrate.migrate(store, now=int(time.time()), entropy=os.urandom)
        hasher = HashingPool(threads=max(1, cores() // settings.workers))  # the cores are shared with the other workers
        env = env_on(store, settings, secrets=secrets, hasher=hasher)
        for close in (env.throttle.close, *(spread.close for spread in env.feed.spreads), env.hasher.close):
            stack.push_async_callback(close)
        await keys.load(env, upkeep=upkeep)
        yield env


async def open_store(settings: Settings) -> Store:
    """The database, as it is. Raises `DatabaseUnusable`."""
    if settings.postgres is None:
        return sqlite.open_store(settings.database_path or ":memory:")
    try:
        from jotgate.store import postgres
    except ImportError as error:
        raise DatabaseUnusable(f"PostgreSQL needs asyncpg: pip install 'jotgate[postgres]' ({error})") from error
    return await postgres.open_store(
        settings.postgres, pool=settings.database_pool, pgbouncer=settings.database_pgbouncer
    )


def env_on(store: Store, settings: Settings, *, secrets: Secrets, hasher: Hasher) -> Env:
    """What flows need, on a store that is open; its keys are not opened yet."""
    in_use = KeysInUse(secrets, find=partial(find_secrets, settings))
    throttle, wakers = _by_valkey(store, settings, in_use)
    return Env(
        issuer=settings.policy.issuer,
        policy=settings.policy,
        store=store,
        throttle=throttle,
        feed=FeedBell(spreads=(*wakers, *_spreads(store, settings, in_use))),
        keyring=in_use,
        hasher=hasher,
        clock=time.time,
        entropy=os.urandom,
    )


def _by_valkey(store: Store, settings: Settings, in_use: KeysInUse) -> tuple[Throttle, tuple[Spread, ...]]:
    """What Valkey does where it is set, and what does it where it is not. Raises `StartError`."""
    if settings.redis_url is None:
        alone = settings.postgres is None and settings.workers == 1
        return MemoryThrottle() if alone else DatabaseThrottle(store), ()
    try:
        from jotgate.store import valkey, valkey_spread, valkey_throttle
    except ImportError as error:
        raise SettingsError((f"JOTGATE_REDIS_URL needs redis: pip install 'jotgate[redis]' ({error})",)) from error
    url, name, attendance = settings.redis_url, in_use.blind("valkey").hex(), valkey.Attendance()
    throttle = valkey_throttle.ValkeyThrottle(
        valkey.connect(url), name, database=DatabaseThrottle(store), attendance=attendance
    )
    waker = valkey_spread.ValkeySpread(url, f"jotgate:{name}", node=os.urandom(8).hex(), attendance=attendance)
    return throttle, (waker,) if settings.policy.revocation else ()


def _spreads(store: Store, settings: Settings, in_use: KeysInUse) -> Iterator[Spread]:
    """The fast ways between nodes. Raises `StartError`."""
    if settings.nats_url and settings.policy.revocation:
        yield NatsSpread(
            settings.nats_url,
            issuer=settings.policy.issuer,
            store=store,
            signing=lambda: in_use.current.signing,
            clock=time.time,
        )


def find_secrets(settings: Settings) -> Secrets:
    """What was given, else what lies in the data directory, made at the first start. Raises `StartError`."""
    datadir.prepare(settings.data_dir)
    directory, master, previous = settings.data_dir, settings.secret, settings.secret_previous
    if master is None:
        master = datadir.master_secret(directory, settings.database_path)
        previous += datadir.master_before(directory)
    hs256 = (settings.hs256_secret or datadir.hs256_secret(directory)) if settings.policy.symmetric else None
    return Secrets(master, previous, hs256)


@asynccontextmanager
async def _as_it_is(env: Env) -> AsyncIterator[Env]:
    yield env
