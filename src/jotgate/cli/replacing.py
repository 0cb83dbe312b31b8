"""A backup in the place of the database, on SQLite or PostgreSQL, wherever it may be cut short.

    step                                          cut short there
    ----                                          ---------------
    is the backup ours, sound, and our secret's   nothing has changed
    a copy of it in a draft beside the database   a draft is left, which the next restore removes
    the draft made what a restored one must be    the same
    SQLite: the draft takes the file's place      the one or the other is there, whole
    PostgreSQL: copied in one transaction         the same

A SQLite database must be in use by nobody, and is kept aside. Nodes on PostgreSQL may go on: they wait meanwhile, and
see the other incarnation within a second.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from jotgate.assemble import open_store
from jotgate.cli.options import ACTOR
from jotgate.cli.places import alone, env_alone, reading, see_that_it_opens, up_to_date
from jotgate.errors import DatabaseUnusable, Refused, Unavailable
from jotgate.flows import keys, restore
from jotgate.flows.restore import Replaced
from jotgate.settings import Settings
from jotgate.store import backup, copying, migrate, placing, sqlite_file, standstill, users
from jotgate.store.copying import Side
from jotgate.store.ports import Tx
from jotgate.store.restores import Restore


async def restored(
    settings: Settings, file: Path, *, replace: bool, keep_sessions: bool
) -> tuple[Restore, Path | None]:
    """What was done, and where the file that was replaced is kept.

    Raises `StartError`, `Refused`, `Unavailable`; then the database is as it was.
    """
    await _see_that_it_fits(settings, file)
    path = settings.database_path or settings.data_dir / "postgresql"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sqlite_file.refuse_others(path.parent)
    with _draft(path) as draft:
        backup.duplicate(file, draft)
        wish = _Wish(settings, draft, replace=replace, keep_sessions=keep_sessions)
        if settings.database_path is None:
            return await _into_postgres(wish), None
        return await _into_file(wish, path)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for, and the draft that it is done to."""

    settings: Settings
    draft: Path
    replace: bool
    keep_sessions: bool


async def _see_that_it_fits(settings: Settings, file: Path) -> None:
    """Before anything is done: it is a backup of ours, and the master secret opens it."""
    if settings.database_path and settings.database_path.exists() and settings.database_path.samefile(file):
        raise Refused(f"{file} is the database itself, not a backup of it")
    store = reading(file)
    try:
        await migrate.check(store)
        if "jotgate_migrations" not in await store.tables():
            raise DatabaseUnusable(f"{file} is not a backup of jotgate's")
        async with env_alone(store, settings) as env:
            await see_that_it_opens(env)
    finally:
        await store.close()


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """An empty 0600 file beside `path`; those that were left there are removed: nobody else restores here now."""
    for left in path.parent.glob(f".{path.name}.*.restoring*"):
        left.unlink()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.restoring")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield draft
    finally:
        for left in path.parent.glob(f"{draft.name}*"):
            left.unlink()


async def _into_file(wish: _Wish, path: Path) -> tuple[Restore, Path | None]:
    """The draft in the place of the file, which is ours alone all the while; where the old one is kept."""
    aside = _free_name(f"{path}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    async with _left(path) as old:
        done = await _revive(wish, old)
        there = placing.put(wish.draft, path, aside=aside)
    return done, aside if there else None


@asynccontextmanager
async def _left(path: Path) -> AsyncIterator[Tx | None]:
    """What is in the file that is to go, which nobody else can open now. None: there is none, or it is damaged."""
    if not _is_there(path):
        yield None
        return
    try:
        old = alone(path, durable=False)
    except DatabaseUnusable:
        with standstill.hold(path):
            yield None
        return
    try:
        yield old.read()
    finally:
        await old.close()


def _free_name(name: str) -> Path:
    """This one, or with a number behind it."""
    names = chain((name,), (f"{name}-{number}" for number in count(2)))
    return next(path for path in map(Path, names) if not path.exists())


def _is_there(path: Path) -> bool:
    return path.exists()


async def _into_postgres(wish: _Wish) -> Restore:
    """The draft copied into the tables, in one transaction, which is repeated if it crosses others at its beginning."""
    target = await open_store(wish.settings)
    revived: list[Restore] = []

    async def change(tx: Tx) -> None:
        new = Side(target.dialect, tx)
        await copying.keep_out(new, readers=True)
        revived[:] = revived or [await _revive(wish, tx)]
        draft = alone(wish.draft, durable=False)
        try:
            await draft.write(lambda old: copying.copy(Side(draft.dialect, old), new))
        finally:
            await draft.close()

    try:
        await up_to_date(target)
        await target.upgrade(change)
    finally:
        await target.close()
    return revived[0]


async def _revive(wish: _Wish, old: Tx | None) -> Restore:
    """Make of the draft what takes the place of `old`."""
    before = await _last_words(wish, old)
    draft = alone(wish.draft, durable=False)
    try:
        await up_to_date(draft)
        async with env_alone(draft, wish.settings) as env:
            done = await restore.revive(env, before=before, keep_sessions=wish.keep_sessions, actor=ACTOR)
            await keys.load(env)
    finally:
        await draft.close()
    return done


async def _last_words(wish: _Wish, old: Tx | None) -> Replaced | None:
    """What must not be forgotten of the database that goes. Raises `Refused` when it must not go."""
    name, path = wish.settings.database_name, wish.settings.database_path
    damaged = f"{name} is damaged: with --replace the backup takes its place"
    try:
        if old is None:
            if path and path.exists() and not wish.replace:
                raise Refused(damaged)
            return None
        count = await users.count(old)
        if count and not wish.replace:
            raise Refused(f"{name} has {count} users: with --replace the backup takes its place")
        return await restore.replaced(old, now=int(time.time()))
    except sqlite3.OperationalError:  # no tables yet
        return None
    except Unavailable:
        if not wish.replace:
            raise Refused(damaged) from None
        return None
