"""`jotgate backup`: a whole copy of the database while it is in use, without the master secret."""

import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from jotgate.cli.options import settings_here, where
from jotgate.errors import DatabaseUnusable, StartError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@where
def command(*, file: Path, config: Path | None, data_dir: str | None) -> None:
    """Copy the database to FILE while it is in use. The master secret is not in the copy."""
    settings = settings_here(config, data_dir)
    database = settings.database_path
    if database is None or not database.is_file():
        raise DatabaseUnusable(f"there is no database at {database or settings.database}")
    os.umask(0o077)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        _copy(database, draft)
        os.link(draft, file)
    except FileExistsError:
        raise StartError(f"{file} is there already: name another file") from None
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{database} cannot be copied: {error}") from None
    except OSError as error:
        raise StartError(f"{file} cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{file} is a copy of {database}, of {file.stat().st_size} bytes.")
    click.echo("The master secret is not in it, and without it no key in it can be used: keep that in another place.")


def _copy(database: Path, draft: Path) -> None:
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
        copy.execute("pragma journal_mode = delete")  # one file, nothing beside it
        (verdict,) = copy.execute("pragma quick_check(1)").fetchone()
    if verdict != "ok":
        raise DatabaseUnusable(f"{database} is damaged: {verdict}")
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
