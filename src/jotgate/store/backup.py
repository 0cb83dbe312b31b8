"""A copy of a SQLite database that is in use: one moment's state in one new file."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from jotgate.errors import DatabaseUnusable, Invalid, Unavailable


def backup(source: Path, target: Path) -> None:
    """Copy, sync and check; writers are not held up. `target` must not exist; it is made 0600, without a log beside it.

    Raises `Invalid` (the target), `DatabaseUnusable` (the source), `Unavailable` (no space, for example).
    """
    if not source.is_file():
        raise DatabaseUnusable(f"There is no database {source}")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise Invalid(f"{target} exists: a backup never overwrites", field="path") from error
    except OSError as error:
        raise Invalid(f"{target} cannot be made: {error.strerror}", field="path") from error
    try:
        _copy(source, target)
    except BaseException as error:
        for leftover in (target, Path(f"{target}-wal"), Path(f"{target}-shm"), Path(f"{target}-journal")):
            leftover.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise Unavailable(f"The database {source} could not be copied to {target}: {error}") from error
        raise


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=5, isolation_level=None)) as old,
        closing(sqlite3.connect(target, isolation_level=None)) as new,
    ):
        old.backup(new)  # in one step: a single snapshot, read beside the writers
        new.execute("pragma journal_mode = delete").fetchone()
        (verdict,) = new.execute("pragma quick_check(1)").fetchone()
    if verdict != "ok":
        raise DatabaseUnusable(f"The database {source} is damaged: {verdict}")
