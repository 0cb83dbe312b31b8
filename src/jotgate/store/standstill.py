"""A SQLite file that nobody else has open: what is true when a server "is stopped", asked of the locks of the system.

Whoever has a database open in WAL mode holds a shared lock on its file, at work or not. So the exclusive lock is given
only while nobody else has it open, and while we hold it nobody can open it; it ends with its process, however that
ends. POSIX drops a process's locks on a file when *any* of its descriptors of that file is closed: while one of these
is held, the file is opened by nothing else here.

    the file                answer
    --------                ------
    is open elsewhere       Unavailable: stop it first
    is no sound database    `alone` says DatabaseUnusable; `hold` keeps others away all the same
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jotgate.errors import DatabaseUnusable, JotgateError, Unavailable
from jotgate.store.sqlite_file import away, busy

_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510  # the bytes that SQLite locks (os_unix.c)


def alone(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """A connection to the file (made if need be), out of WAL mode, until whose end nobody else can open it.

    Without `durable` nothing is kept for a roll-back and nothing is synced: for drafts, and to read.

    Raises `Unavailable` while somebody has it open, and `DatabaseUnusable`.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        connection.execute("pragma locking_mode = exclusive")
        connection.execute(f"pragma journal_mode = {'delete' if durable else 'off'}")
        connection.execute("begin exclusive")
        connection.execute("commit")
        if not durable:
            connection.execute("pragma synchronous = off")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    return connection


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep everybody else from the file, whatever is in it. Raises `Unavailable` while somebody has it open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        yield
    except BlockingIOError:
        raise _in_use(path) from None
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: sqlite3.Error) -> JotgateError:
    if busy(error):
        return _in_use(path)
    return DatabaseUnusable(f"The database {path} {away(error) or 'cannot be used'}: {error}")


def _in_use(path: Path) -> Unavailable:
    return Unavailable(f"{path} is in use: stop the server, and every command at work on it, and try again")
