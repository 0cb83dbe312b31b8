"""`jotgate restore`: put a backup in the place of the database, so that nothing that ended after it lives again.

How it is done, and what holds wherever it is cut short, stands in `replacing`.
"""

import asyncio
import os
from pathlib import Path

import click

from jotgate import datadir
from jotgate.cli.options import as_json, settings_here, where
from jotgate.cli.output import facts, instant
from jotgate.cli.replacing import restored
from jotgate.errors import Unavailable
from jotgate.settings import Settings
from jotgate.store.restores import Restore


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--replace", is_flag=True, help="Even if there are users in the database: they and all else are replaced."
)
@click.option(
    "--keep-sessions",
    is_flag=True,
    help="Leave sessions open as the backup has them. Risk: who logged out, was disabled, or changed a stolen password "
    "after the backup was made is logged in again, and so is the thief.",
)
@as_json
@where
def command(
    *, file: Path, replace: bool, keep_sessions: bool, as_json: bool, config: Path | None, data_dir: str | None
) -> None:
    """Put the backup FILE in the place of the database. Everybody logs in again, and every earlier token is refused."""
    os.umask(0o077)
    settings = settings_here(config, data_dir)
    datadir.prepare(settings.data_dir)
    with datadir.alone(settings.data_dir):
        try:
            done, aside = asyncio.run(restored(settings, file, replace=replace, keep_sessions=keep_sessions))
        except OSError as error:
            raise Unavailable(f"Nothing was restored: {error}") from error
    if as_json:
        facts({**_shown(done), "kept_aside": aside and str(aside), "issuer": settings.policy.issuer}, as_json=True)
    else:
        _tell(settings, done, aside)


def _shown(done: Restore) -> dict[str, object]:
    return {name: getattr(done, name) for name in Restore.__dataclass_fields__}


def _tell(settings: Settings, done: Restore, aside: Path | None) -> None:
    made = instant(done.backed_up_at)
    click.echo(f"{settings.database_name} is as it was at {made}. What happened after that is not in it.")
    if done.sessions_kept:
        click.echo(
            f"{done.sessions_kept} sessions live on as they were then. Mind: who logged out, was disabled or was"
        )
        click.echo("thrown out after that is logged in again. See `jotgate session list`, and end what should not be.")
    else:
        click.echo(f"{done.sessions_closed} sessions are closed: everybody logs in again.")
    if done.keys_revoked:
        click.echo(f"Signing keys revoked, so that no access token from before counts: {' '.join(done.keys_revoked)}")
    if settings.policy.symmetric:
        click.echo(
            f"Mind: the secret of {settings.policy.algorithm} is the same. Tokens from before that the feed cannot"
        )
        click.echo("name are good until they expire: set another HS256_SECRET here and at the guards.")
    click.echo(f"Guards are told in the name of {settings.policy.issuer}.")
    if aside is not None:
        click.echo(f"The database that was there is kept: {aside}. Remove it when nothing in it is wanted.")
