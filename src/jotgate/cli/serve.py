"""`jotgate serve`: from settings to a graceful end, in one process or in several workers.

What can be wrong is found before the first request: settings, data directory, address, database, secrets. Each is one
sentence on standard error. For the operator's eyes (address, set-up link, the demonstration's passwords) is standard
output; the log, which others keep, is standard error.
"""

import gc
import os
import socket
from pathlib import Path

import click
import uvloop
from starlette.types import ASGIApp

from jotgate import datadir, logs
from jotgate.assemble import application, opened
from jotgate.cli import connection, first_start
from jotgate.cli.ending import Ending
from jotgate.cli.listen import bind, bound_port, hold
from jotgate.cli.options import settings_from, where
from jotgate.cli.server import run_until_told
from jotgate.cli.workers import Parent, Place
from jotgate.errors import SettingsError, StartError
from jotgate.flows.env import Env
from jotgate.server.app import Application
from jotgate.settings import Settings

_SQLITE = (
    "SQLite has one writer, so that workers wait for each other at the lock of the file, and each counts failed logins "
    "for itself; allowed is 1, or a postgresql:// JOTGATE_DATABASE_URL, or JOTGATE_SQLITE_WORKERS=on if it must be"
)


@click.command()
@click.option("--demo", is_flag=True, help="Make two users, roles and a small guarded API, and print curl lines.")
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", help="Port to listen on (8000); 0 takes any free one.")
@click.option("--workers", help="Worker processes (1).")
@where
def command(
    *, demo: bool, host: str | None, port: str | None, workers: str | None, config: Path | None, data_dir: str | None
) -> None:
    """Run the issuer until SIGTERM or Ctrl-C."""
    os.umask(0o077)
    flags = {"host": host, "port": port, "workers": workers}
    settings = settings_from(config, data_dir, **flags)
    if complaints := _complaints(settings, demo=demo):
        raise SettingsError(complaints)
    connection.allow_many()
    listener = bind(settings.host, settings.port)
    if settings.port == 0:
        settings = settings_from(config, data_dir, **flags | {"port": bound_port(listener)})
    logs.start(log_format=settings.log_format, level=settings.log_level)
    if settings.workers > 1:
        _serve_by_workers(settings, listener)
    else:
        uvloop.run(_serve(settings, listener, demo=demo))


def _complaints(settings: Settings, *, demo: bool) -> tuple[str, ...]:
    """What serving cannot do with these settings."""
    several = settings.workers > 1
    in_memory = settings.postgres is None and settings.database_path is None
    rules = (
        (
            demo and settings.policy.transport == "cookie",
            "--demo: its curl lines need tokens in the answers; allowed is JOTGATE_TRANSPORT=bearer or both",
        ),
        (demo and several, f"--demo: runs in one process; JOTGATE_WORKERS is {settings.workers}, allowed is 1"),
        (several and in_memory, "JOTGATE_WORKERS: a database in memory is one process's own; allowed is 1"),
        (
            several and not (in_memory or settings.postgres or settings.sqlite_workers),
            f"JOTGATE_WORKERS = {settings.workers}: {_SQLITE}",
        ),
    )
    return tuple(sentence for wrong, sentence in rules if wrong)


# --- one process


async def _serve(settings: Settings, listener: socket.socket, *, demo: bool) -> None:
    async with opened(settings) as env:
        link = await _first_start(env, settings)
        issuer = application(settings, env)
        app, shown = await _with_demo(issuer, env, settings) if demo else (issuer, "")
        await issuer.start()
        gc.collect()
        gc.freeze()  # what the start made stays to the end: no collection needs to look at it
        try:
            await run_until_told(
                app, listener, ending=Ending(issuer, settings.drain), ready=lambda: _say_ready(settings, link, shown)
            )
        finally:
            await issuer.stop()


async def _first_start(env: Env, settings: Settings) -> str | None:
    """What is done once, before anybody is served; the set-up link if one was made."""
    datadir.note_issuer(settings.data_dir, settings.policy.issuer)
    return await first_start.administrator(env, settings)


async def _with_demo(issuer: Application, env: Env, settings: Settings) -> tuple[ASGIApp, str]:

    from jotgate.cli.demo import stage

    return await stage.build(issuer, env, settings)


# --- several workers


def _serve_by_workers(settings: Settings, listener: socket.socket) -> None:
    try:
        from jotgate.cli import worker
    except ImportError as error:
        raise StartError(f"several workers need granian: pip install 'jotgate[workers]' ({error})") from error

    def first(_place: Place) -> None:
        uvloop.run(_prepare(settings))

    def one(place: Place) -> None:
        uvloop.run(worker.work(settings, address, place))

    def say_ready() -> None:
        _say_ready(settings, first_start.link_here(settings), "")

    with hold(listener) as held:
        address = worker.Address(held.getsockname()[0], bound_port(held))
        gc.freeze()  # shared with the workers: no collection of theirs needs to look at it
        parent = Parent()
        parent.once(first)
        parent.keep(settings.workers, one, drain_seconds=settings.drain, ready=say_ready)


async def _prepare(settings: Settings) -> None:
    async with opened(settings) as env:
        await _first_start(env, settings)


def _say_ready(settings: Settings, link: str | None, shown: str) -> None:
    """For the operator: where, what, and what to mind."""
    policy = settings.policy
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    where = f"profile {policy.profile}, database {settings.database_name}{workers}"
    click.echo(f"jotgate is ready at {policy.issuer} ({where})")
    if policy.symmetric:
        click.echo(f"Mind: under {policy.algorithm} whoever holds the shared secret, every guard too, can mint tokens.")
    if policy.transport != "bearer" and policy.issuer.startswith("http:"):
        click.echo("Mind: on plain http the cookies have neither prefix nor Secure; that is for loopback only.")
    if link:
        click.echo(f"Nobody can administrate yet. Within 30 minutes, open: {link}")
        click.echo(f"(kept in {first_start.link_file(settings)}; or `jotgate user add --email YOU --role admin`)")
    if shown:
        click.echo(f"\n{shown}")
