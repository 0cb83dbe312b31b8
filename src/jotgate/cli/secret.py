"""`jotgate secret rotate`: wrap all keys anew under another master secret.

    the secret is             what happens
    -------------             ------------
    in the data directory     a new one is made and put there; the one before is kept beside it for older backups
    set by JOTGATE_SECRET     keys that JOTGATE_SECRET_PREVIOUS opens are wrapped under it

Killed at any point, the next start finds both secrets and opens the keys. Of two at once the second is refused.
"""

import asyncio
import os
from pathlib import Path

import click

from jotgate import datadir
from jotgate.assemble import opened
from jotgate.cli.options import ACTOR, settings_here, where
from jotgate.flows import secret
from jotgate.settings import Settings


@click.group()
def command() -> None:
    """Rotate the master secret."""


@command.command()
@where
def rotate(*, config: Path | None, data_dir: str | None) -> None:
    """Wrap all keys under a new master secret, beside running servers."""
    os.umask(0o077)
    settings = settings_here(config, data_dir)
    datadir.prepare(settings.data_dir)
    with datadir.alone(settings.data_dir):
        wrapped = asyncio.run(_rotate(settings))
    click.echo(f"{wrapped} keys are wrapped under the new secret.")
    if settings.secret is None:
        kept = settings.data_dir / datadir.MASTER_BEFORE
        click.echo(f"Backups from before need the secret from before: {kept}. Remove it when they are gone.")


async def _rotate(settings: Settings) -> int:
    async with opened(settings, upkeep=False) as env:
        # What was interrupted ends here, before its secret is gone.
        wrapped = await secret.rotate(env, actor=ACTOR)
        if settings.secret is None:
            wrapped = await secret.rotate(env, datadir.renew_master(settings.data_dir), actor=ACTOR)
        return wrapped
