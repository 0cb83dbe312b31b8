"""`jotgate migrate`: bring the database up to this version; with `--to`, move the installation to another database.

    the old database    the new one            what happens
    ----------------    -----------            ------------
    is in use           any                    refused
    is not              empty                  all is copied in one transaction, then the old one is marked
    is not              holds this very copy   a move that was cut short after the copying: the old one is marked
    is not              holds anything else    refused

Killed at any point, the new one is empty or whole, and the old one works until it is marked: it can be said again. A
database that is marked starts no more, under any version. Nobody is logged out: keys, sessions, and the feed with its
numbers move as they are.
"""

import asyncio
import os
import time
from pathlib import Path

import click

from jotgate import datadir
from jotgate.assemble import open_store
from jotgate.cli.options import as_json, settings_here, where
from jotgate.cli.output import rows
from jotgate.cli.places import elsewhere, env_alone, opened_alone, see_that_it_opens, up_to_date
from jotgate.errors import DatabaseUnusable, Refused
from jotgate.settings import Settings
from jotgate.store import copying, feed, keys, migrate, restores, users
from jotgate.store.copying import Side
from jotgate.store.ports import Store, Tx


@click.command()
@click.option("--to", metavar="URL", help="Move the stopped installation to this database (postgresql://, sqlite:///).")
@as_json
@where
def command(*, to: str | None, as_json: bool, config: Path | None, data_dir: str | None) -> None:
    """Bring the database up to this version, which `serve` does too; or move it to another one, with all sessions."""
    os.umask(0o077)
    settings = settings_here(config, data_dir)
    if to is None:
        taken = asyncio.run(_migrate(settings))
        click.echo(f"{taken} steps taken." if taken else "The database is up to date.")
        return
    datadir.prepare(settings.data_dir)
    with datadir.alone(settings.data_dir):
        copied = asyncio.run(_move(settings, elsewhere(settings, to)))
    rows([{"table": table, "rows": count} for table, count in copied.items()], ("table", "rows"), as_json=as_json)
    if not as_json:
        _say_what_is_next(settings)


async def _migrate(settings: Settings) -> int:
    datadir.prepare(settings.data_dir)
    if settings.secret is None:
        datadir.master_secret(settings.data_dir, settings.database_path)
    store = await open_store(settings)
    try:
        return await migrate.migrate(store, now=int(time.time()), entropy=os.urandom)
    finally:
        await store.close()


def _say_what_is_next(settings: Settings) -> None:
    click.echo(f"The installation has moved. {settings.database_name} stays as it was, and is refused by every start.")
    click.echo("Set JOTGATE_DATABASE_URL to the new database, and give every node the same master secret:")
    kept = "JOTGATE_SECRET" if settings.secret else settings.data_dir / datadir.MASTER
    click.echo(f"it is in {kept}, and not in the database.")


async def _move(settings: Settings, target: Settings) -> dict[str, int]:
    if settings.database_path is not None and not settings.database_path.is_file():
        raise DatabaseUnusable(f"There is no database {settings.database_path}")
    if target.database_name == settings.database_name or target.database == ":memory:":
        raise Refused("--to: name another database than the one that there is")
    async with opened_alone(settings) as old:
        if not await migrate.check(old):
            raise DatabaseUnusable("The database is of an older jotgate: run `jotgate migrate` first, without --to")
        async with env_alone(old, settings) as env:
            await see_that_it_opens(env)
        async with opened_alone(target) as new:
            await up_to_date(new)
            return await _copy(old, new, target.database_name)


async def _copy(old: Store, new: Store, name: str) -> dict[str, int]:
    """One transaction on each side, the new one's inside of the old one's."""

    async def leave(tx: Tx) -> dict[str, int]:
        source = Side(old.dialect, tx)
        await copying.keep_out(source, readers=False)
        if others := await copying.others(source):
            raise DatabaseUnusable(f"{others} connections are open to the old database: stop all its nodes first")
        copied = await new.upgrade(lambda fresh: _fill(source, Side(new.dialect, fresh)))
        await copying.leave(tx, name, now=int(time.time()))
        return copied

    return await old.upgrade(leave)


async def _fill(source: Side, target: Side) -> dict[str, int]:
    await copying.keep_out(target, readers=True)
    if await users.count(target.tx):
        if await copying.likeness(source.tx) == await copying.likeness(target.tx):
            return {}
        same = (await feed.head(source.tx))[1] == (await feed.head(target.tx))[1]
        whose = "this installation already, and was worked on since" if same else "another installation"
        raise Refused(f"The new database holds {whose}: nothing was copied")
    version = await keys.version(target.tx)  # nodes that wait there have seen it
    copied = await copying.copy(source, target)
    await restores.bump_beyond(target.tx, version)
    return copied
