"""A backup: one moment's state of a database in use, in one new SQLite file that is there whole or not at all.

It is written beside its place, as `.NAME.XXXXXXXX.partial`, synced, and then gets its name: what is killed before may
leave such a file behind, but never half a backup under the name of a whole one.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from jotgate.errors import DatabaseUnusable, Invalid, Unavailable

_SIDES = ("", "-wal", "-shm", "-journal")


def backup(source: Path, target: Path, *, now: int) -> None:
    """Copy a SQLite file, sync and check; writers are not held up. `target` must not exist; it is made 0600.

    Raises `Invalid` (the target), `DatabaseUnusable` (the source), `Unavailable` (no space, for example).
    """
    if not source.is_file():
        raise DatabaseUnusable(f"There is no database {source}")
    with draft(target) as unfinished:
        duplicate(source, unfinished, now=now)


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """An empty 0600 file to write to, which then becomes `target`. Raises `Invalid`, `Unavailable`; it is gone then."""
    _refuse_existing(target)
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Invalid(f"{target} cannot be made: {error.strerror}", field="path") from error
    try:
        yield path
        _sync(path)
        _name(path, target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"{target} could not be written: {error}") from error
    finally:
        for side in _SIDES:
            path.with_name(path.name + side).unlink(missing_ok=True)


def duplicate(source: Path, target: Path, *, now: int | None = None) -> None:
    """One moment of a SQLite file into an empty one, checked, without a log beside it; `now`: it is a backup made then.

    Raises `DatabaseUnusable` (the source), `Unavailable`.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=5)) as old,
            closing(sqlite3.connect(target, isolation_level=None)) as new,
        ):
            old.backup(new)  # in one step: a single snapshot, read beside the writers
            new.execute("pragma journal_mode = delete").fetchone()
            (verdict,) = new.execute("pragma quick_check(1)").fetchone()
            if now is not None and verdict == "ok":
                _mark(new, now)
    except sqlite3.Error as error:
        raise Unavailable(f"The database {source} could not be copied to {target}: {error}") from error
    if verdict != "ok":
        raise DatabaseUnusable(f"The database {source} is damaged: {verdict}")


def _mark(copy: sqlite3.Connection, now: int) -> None:
    with suppress(sqlite3.OperationalError):  # a database that no `migrate` has brought up to date has no place for it
        copy.execute("update installation set backed_up_at = ?", (now,))


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Invalid(f"{target} exists: a backup never overwrites", field="path")


def _name(path: Path, target: Path) -> None:
    """Its own name, unless something has come to be there meanwhile."""
    try:
        os.link(path, target)
    except FileExistsError:
        _refuse_existing(target)
        raise
    except OSError:  # a file system without links
        _refuse_existing(target)
        path.rename(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
