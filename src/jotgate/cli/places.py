"""Databases that a command moves an installation from or to, and has for itself alone."""

import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from jotgate import datadir
from jotgate.assemble import env_on, find_secrets, open_store
from jotgate.errors import DatabaseUnusable, SettingsError, StartError
from jotgate.flows import vault
from jotgate.flows.env import Env
from jotgate.flows.hashing import HashingPool
from jotgate.setting_table import BY_NAME
from jotgate.settings import Settings
from jotgate.store import keys, migrate, sqlite_file, standstill
from jotgate.store.ports import Store
from jotgate.store.sqlite import SqliteStore


def reading(path: Path) -> SqliteStore:
    """A SQLite file that is only read. Raises `DatabaseUnusable`."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=5)
        connection.execute("pragma query_only = on")
        connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path} cannot be read: {error}") from error
    return SqliteStore(str(path), connection, None, patience_seconds=5)


def alone(path: Path, *, durable: bool = True) -> SqliteStore:
    """A SQLite file (made if need be) that nobody else has open.

    Raises `Unavailable` while somebody has it open, and `DatabaseUnusable`.
    """
    return SqliteStore(str(path), standstill.alone(path, durable=durable), None, patience_seconds=0)


@asynccontextmanager
async def opened_alone(settings: Settings) -> AsyncIterator[Store]:
    """The database of these settings, as it is; of SQLite nobody else has it open. Raises `DatabaseUnusable`."""
    path = settings.database_path
    if path is not None:
        sqlite_file.prepare(path)
    store = await open_store(settings) if path is None else alone(path)
    try:
        yield store
    finally:
        await store.close()


async def up_to_date(store: Store) -> None:
    """Bring the tables to this version. Raises `DatabaseUnusable`."""
    await migrate.migrate(store, now=int(time.time()), entropy=os.urandom)


@asynccontextmanager
async def env_alone(store: Store, settings: Settings) -> AsyncIterator[Env]:
    """What flows need on a database that no server works on. Raises `StartError` without a secret: none is made up."""
    kept, shared = settings.data_dir / datadir.MASTER, settings.data_dir / datadir.HS256
    if settings.policy.symmetric and settings.hs256_secret is None and not shared.exists():
        raise StartError(f"{shared} is missing: put it back, or give JOTGATE_HS256_SECRET")
    if settings.secret is None and not kept.exists():
        raise StartError(
            f"{kept} is missing, and no other secret can open the keys: put the file back that belongs to them, "
            "or give the secret in JOTGATE_SECRET or JOTGATE_SECRET_FILE"
        )
    secrets = find_secrets(settings)
    quiet = replace(settings, redis_url=None, nats_url=())
    async with AsyncExitStack() as stack:
        hasher = HashingPool(threads=1)
        stack.push_async_callback(hasher.close)
        env = env_on(store, quiet, secrets=secrets, hasher=hasher)
        stack.push_async_callback(env.throttle.close)
        yield env


async def see_that_it_opens(env: Env) -> None:
    """Raises `SecretMismatch` when the master secret is not that of the keys in the database."""
    tx = env.store.read()
    if await keys.secret_check(tx) is not None:
        await vault.master_of(env, tx)


def elsewhere(settings: Settings, url: str) -> Settings:
    """The same installation with another database. Raises `SettingsError`."""
    setting = BY_NAME["database_url"]
    try:
        return replace(settings, database=str(setting.read(url)))
    except ValueError:
        raise SettingsError((f"--to: allowed is {setting.allowed}",)) from None
