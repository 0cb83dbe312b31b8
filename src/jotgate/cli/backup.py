"""`jotgate backup`: a whole copy of the database while it is in use, without the master secret."""

from pathlib import Path

import click

from jotgate.cli.options import settings_here, where
from jotgate.errors import DatabaseUnusable
from jotgate.store.backup import backup


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@where
def command(*, file: Path, config: Path | None, data_dir: str | None) -> None:
    """Copy the database to FILE while it is in use. The master secret is not in the copy."""
    database = settings_here(config, data_dir).database_path
    if database is None:
        raise DatabaseUnusable("the database is in the memory of its server")
    backup(database, file)
    click.echo(f"{file} is a copy of {database}, of {file.stat().st_size} bytes.")
    click.echo("The master secret is not in it, and without it no key in it can be used: keep that in another place.")
