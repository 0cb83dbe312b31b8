"""A revocation feed of any length, written into a server's database beside it."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

LASTING_SECONDS = 7200
_ROW = "insert into feed_entries (seq, kind, digest, epoch, until_at) values (?, ?, ?, ?, ?)"


def lengthen(database: Path, entries: int) -> None:
    """So many live entries more, as so many logouts would have left them; every tenth is a user's."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute("begin immediate")
        ((head,),) = connection.execute("select seq from feed_head")
        connection.executemany(_ROW, _rows(head, entries))
        connection.execute("update feed_head set seq = ?", (head + entries,))


def begin_anew(database: Path) -> None:
    """The same entries in another feed, as after a restore: every guard starts over."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute("update feed_head set incarnation = ?", (os.urandom(8).hex(),))


def replace(database: Path) -> None:
    """Another feed with as many other entries: the worst that can happen to a guard's memory."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.execute("update feed_entries set digest = randomblob(16)")
    begin_anew(database)


def _rows(head: int, entries: int) -> Iterator[tuple[int, str, bytes, int | None, int]]:
    now = int(time.time())
    for number in range(1, entries + 1):
        kind, epoch = ("sub", now) if number % 10 == 0 else ("sid", None)
        yield head + number, kind, os.urandom(16), epoch, now + LASTING_SECONDS
