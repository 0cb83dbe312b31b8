"""Options that commands share, and how those that work on the database get at it."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from jotgate import datadir
from jotgate.assemble import opened
from jotgate.errors import StartError
from jotgate.flows.env import Env
from jotgate.settings import Settings, load

_P = ParamSpec("_P")
_Command = TypeVar("_Command", bound=Callable[..., Any])

ACTOR = "command line"  # who did it, in the audit

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def where(command: _Command) -> _Command:
    """The options that say which installation is meant."""
    config = click.option("--config", type=click.Path(path_type=Path), help="TOML file; ./jotgate.toml if it is there.")
    data_dir = click.option("--data-dir", help="Directory of database and secrets.")
    return config(data_dir(command))


def settings_from(config: Path | None, data_dir: str | None, **flags: Any) -> Settings:
    """The settings of this call. Raises `SettingsError`."""
    return load(os.environ, file=config, flags={"data_dir": data_dir, **flags})


def settings_here(config: Path | None, data_dir: str | None) -> Settings:
    """The settings of an installation: the issuer is the server's, whatever flags it was started with.

    What is told to the guards is told in the issuer's name; under another nobody would hear it. Raises `StartError`.
    """
    settings = settings_from(config, data_dir)
    if settings.database_path is None and settings.postgres is None:
        raise StartError(
            "JOTGATE_DATABASE_URL: this database is in the memory of its server: nobody else can work on it"
        )
    url = datadir.issuer(settings.data_dir)
    return settings if url is None else load(os.environ, file=config, flags={"data_dir": data_dir}, issuer=url)


def on_database(work: Callable[Concatenate[Env, _P], Awaitable[None]]) -> Callable[..., None]:
    """Make a command of a coroutine that takes an `Env`; it works beside a running server."""

    @where
    @wraps(work)
    def command(*args: _P.args, config: Path | None, data_dir: str | None, **kwargs: _P.kwargs) -> None:  # type: ignore[valid-type]
        async def run() -> None:
            async with opened(settings_here(config, data_dir), upkeep=False) as env:
                await work(env, *args, **kwargs)

        os.umask(0o077)
        asyncio.run(run())

    return command
