"""`jotgate backup`: a whole copy of the database while it is in use, without the master secret.

A backup is one SQLite file, whichever database it is of: PostgreSQL's is read as of one moment and written to one.
"""

import asyncio
import os
import time
from pathlib import Path

import click

from jotgate.assemble import open_store
from jotgate.cli.options import settings_here, where
from jotgate.cli.places import alone, up_to_date
from jotgate.errors import DatabaseUnusable
from jotgate.settings import Settings
from jotgate.store import backup, copying, migrate, restores
from jotgate.store.copying import Side
from jotgate.store.ports import Store, Tx


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@where
def command(*, file: Path, config: Path | None, data_dir: str | None) -> None:
    """Copy the database to FILE while it is in use. The master secret is not in the copy."""
    os.umask(0o077)
    settings = settings_here(config, data_dir)
    if settings.database_path is None:
        asyncio.run(_write_down(settings, file))
    else:
        backup.backup(settings.database_path, file, now=int(time.time()))
    click.echo(f"{file} is a copy of {settings.database_name}, of {file.stat().st_size} bytes.")
    click.echo("The master secret is not in it, and without it no key in it can be used: keep that in another place.")


async def _write_down(settings: Settings, file: Path) -> None:
    source = await open_store(settings)
    try:
        if not await migrate.check(source):
            raise DatabaseUnusable("The database is of an older jotgate, or there is none: run `jotgate migrate` first")
        with backup.draft(file) as unfinished:
            target = alone(unfinished, durable=False)
            try:
                await up_to_date(target)
                await _copy(source, target)
            finally:
                await target.close()
    finally:
        await source.close()


async def _copy(source: Store, target: Store) -> None:
    async def read(tx: Tx) -> None:
        old = Side(source.dialect, tx)
        await copying.one_moment(old)
        now = int(time.time())
        await target.write(lambda new: _fill(old, new, now=now))

    await source.upgrade(read)


async def _fill(old: Side, new: Tx, *, now: int) -> None:
    await copying.copy(old, Side("sqlite", new))
    await restores.mark_backup(new, now)
