"""A SQLite file on opening: whose it is, whether it is one at all, and what its errors mean."""

import os
import sqlite3
from pathlib import Path
from time import monotonic, sleep

from jotgate.errors import DatabaseUnusable

_OLDEST = (3, 37, 0)
_PRAGMAS = (
    "journal_mode = wal",
    "synchronous = normal",
    "wal_autocheckpoint = 0",
    "journal_size_limit = 16777216",
    "cache_size = -8000",
)
_AWAY = {
    sqlite3.SQLITE_PERM: "may not be touched",
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_FULL: "finds no space",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "is locked",
    sqlite3.SQLITE_NOTADB: "is not a database",
}


def away(error: sqlite3.Error) -> str | None:
    """What is the matter with the database; None: nothing, the statement is wrong."""
    return _AWAY.get(_primary(error))


def busy(error: sqlite3.Error) -> bool:
    """Whether it is worth trying again in a moment."""
    return _primary(error) == sqlite3.SQLITE_BUSY


def no_room(error: sqlite3.Error) -> bool:
    """Whether something could not be written that an emptied log might have room for."""
    return _primary(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def refuse_old(version: tuple[int, int, int]) -> None:
    """Raises `DatabaseUnusable` when this SQLite lacks what our statements need."""
    if version < _OLDEST:
        raise DatabaseUnusable(f"SQLite {'.'.join(map(str, version))} is too old: jotgate needs 3.37 or newer")


def connect(path: str, *, patience_seconds: float) -> sqlite3.Connection:
    """In autocommit mode, to `:memory:` or a file, which is made if need be. Raises `DatabaseUnusable`."""
    refuse_old(sqlite3.sqlite_version_info)
    if path != ":memory:":
        prepare(Path(path))
    deadline = monotonic() + patience_seconds
    while True:
        try:
            return _configured(path)
        except sqlite3.Error as error:
            if not busy(error) or monotonic() >= deadline:
                why = away(error) or "cannot be used"
                raise DatabaseUnusable(f"The database {path} {why}: {error}") from error
        sleep(0.01)


def _configured(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False, cached_statements=256)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"pragma {pragma}")
        connection.execute("select count(*) from sqlite_master").fetchone()  # the first read makes the log
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> None:
    """Make the file (0600, its folder 0700) if need be, and see that it is ours. Raises `DatabaseUnusable`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_others(path.parent)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            refuse_others(path)
        if not path.is_file():
            raise DatabaseUnusable(f"{path} is not a file")
    except OSError as error:
        raise DatabaseUnusable(f"The database {path} cannot be made: {error.strerror}") from error


def refuse_others(path: Path) -> None:
    """Where we can write only because we are root, our files would lock out whose place it is.

    Raises `DatabaseUnusable`.
    """
    owner, us = path.stat().st_uid, os.geteuid()
    if owner not in {us, 0}:
        raise DatabaseUnusable(f"{path} belongs to another user (id {owner}, we are {us}): run jotgate as that user")
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise DatabaseUnusable(f"{path} may not be read and written by this user (id {us})")


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # complaints of the module itself have no code
