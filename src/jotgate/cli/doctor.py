"""`jotgate doctor`: what is wrong here, and what to do about it. It changes nothing.

check              looks at
-----              --------
settings           every complaint
data directory     owner and mode
disk               room for what comes
database           its pages
PostgreSQL ...     what its server says: see `reach`
schema ...         what the tables say: see `checkup`
Valkey, NATS       whether they answer: see `reach`
"""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from jotgate import datadir
from jotgate.cli.checkup import inside
from jotgate.cli.findings import Finding
from jotgate.cli.options import as_json, settings_here, where
from jotgate.cli.output import rows
from jotgate.errors import SettingsError
from jotgate.settings import Settings

_ROOM = 200 * 2**20  # bytes


@click.command()
@as_json
@where
def command(*, as_json: bool, config: Path | None, data_dir: str | None) -> None:
    """Say what is wrong here and what to do about it; exit code 1 if anything is. Changes nothing."""
    try:
        settings = settings_here(config, data_dir)
    except SettingsError as error:
        findings = [Finding("settings", "wrong", complaint) for complaint in error.complaints]
    else:
        findings = [Finding("settings", "ok", "no complaint"), *_examine(settings)]
    rows([asdict(finding) for finding in findings], ("check", "state", "finding"), as_json=as_json)
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(1)


def _examine(settings: Settings) -> Iterator[Finding]:
    directory, database = settings.data_dir, settings.database_path
    if directory.exists():
        yield from _directory(settings)
        yield _disk(directory)
    else:
        yield Finding("data directory", "note", f"{directory} is not there yet: the first `jotgate serve` makes it")
    if database is None:
        yield from asyncio.run(inside(settings))
        return
    if not database.exists():
        yield Finding("database", "note", f"{database}: not there yet: the first `jotgate serve` makes it")
        return
    damage = _damage(database)
    yield Finding("database", "wrong" if damage else "ok", damage or f"{database} is sound")
    if not damage:
        yield from asyncio.run(inside(settings))


def _directory(settings: Settings) -> Iterator[Finding]:
    complaint = datadir.unfit(settings.data_dir, settings.data_dir.stat())
    yield Finding("data directory", "wrong" if complaint else "ok", complaint or f"{settings.data_dir} is ours alone")


def _disk(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free
    state = "ok" if free >= _ROOM else "wrong"
    return Finding("disk", state, f"{free // 2**20} MiB are free" + ("" if state == "ok" else ": make room"))


def _damage(database: Path) -> str | None:
    """What SQLite says about its pages; None: they are sound."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (verdict,) = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.Error as error:
        verdict = str(error)
    return None if verdict == "ok" else f"{database}: {verdict}: stop jotgate and restore a backup"
