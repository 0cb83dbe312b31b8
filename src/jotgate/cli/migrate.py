"""`jotgate migrate`: bring the database up to this version, without starting the server (which does it too)."""

import asyncio
import os
import time
from pathlib import Path

import click

from jotgate import datadir
from jotgate.assemble import open_store
from jotgate.cli.options import settings_here, where
from jotgate.settings import Settings
from jotgate.store import migrate


@click.command()
@where
def command(*, config: Path | None, data_dir: str | None) -> None:
    """Bring the database up to this version; `serve` does it too."""
    os.umask(0o077)
    taken = asyncio.run(_migrate(settings_here(config, data_dir)))
    click.echo(f"{taken} steps taken." if taken else "The database is up to date.")


async def _migrate(settings: Settings) -> int:
    datadir.prepare(settings.data_dir)
    if settings.secret is None:
        datadir.master_secret(settings.data_dir, settings.database_path)
    store = await open_store(settings)
    try:
        return await migrate.migrate(store, now=int(time.time()), entropy=os.urandom)
    finally:
        await store.close()
