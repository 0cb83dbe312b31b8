"""Restores at rest: what one changes everywhere at once, and what it did, for `jotgate doctor` to tell."""

from dataclasses import dataclass

from jotgate.store.ports import Tx
from jotgate.wire.feed import Entry

_COLUMNS = "restored_at, backed_up_at, sessions_closed, sessions_kept, keys_revoked"
_TRACES = (
    "select max(rotated_at) from sessions",
    "select max(closed_at) from sessions",
    "select max(at) from audit",
    "select max(created_at) from signing_keys",
)


@dataclass(frozen=True, slots=True)
class Restore:
    """One of them: of what happened from `backed_up_at` to `restored_at` nothing is known here."""

    restored_at: int
    backed_up_at: int
    sessions_closed: int
    sessions_kept: int
    keys_revoked: tuple[str, ...]


async def note(tx: Tx, done: Restore) -> None:
    """Keep what was done."""
    await tx.run(
        f"insert into restores ({_COLUMNS}) values (?, ?, ?, ?, ?)",
        done.restored_at,
        done.backed_up_at,
        done.sessions_closed,
        done.sessions_kept,
        " ".join(done.keys_revoked),
    )


async def last(tx: Tx) -> Restore | None:
    """The newest one; None: this database was never restored."""
    row = await tx.one(f"select {_COLUMNS} from restores order by restored_at desc limit 1")
    if row is None:
        return None
    restored_at, backed_up_at, closed, kept, kids = row
    return Restore(restored_at, backed_up_at, closed, kept, tuple(kids.split()))


async def backed_up_at(tx: Tx) -> int:
    """When this backup was made; of a file that was copied otherwise, the newest instant that it holds."""
    row = await tx.one("select backed_up_at from installation where id = 1")
    if row and row[0]:
        return int(row[0])
    return max([int(row[0] or 0) for sql in _TRACES if (row := await tx.one(sql))])


async def mark_backup(tx: Tx, at: int | None) -> None:
    """In a backup alone: when it was made. None: it is none any more."""
    await tx.run("update installation set backed_up_at = ? where id = 1", at)


async def raise_epochs(tx: Tx, now: int) -> int:
    """As `users.raise_epoch`, of all users at once: max(epoch + 1, now); how many they are."""
    return await tx.run("update users set epoch = case when epoch >= ? then epoch + 1 else ? end", now, now)


async def close_sessions(tx: Tx, now: int) -> int:
    """End every session; how many were open."""
    still_open = await count_open(tx, now)
    await tx.run("update sessions set closed_at = ?, closed_by = 'restore' where closed_at is null", now)
    return still_open


async def count_open(tx: Tx, now: int) -> int:
    """Sessions that are neither closed nor over."""
    row = await tx.one(
        """select count(*) from sessions
        where closed_at is null and expires_at > ? and rotated_at + idle_seconds > ?""",
        now,
        now,
    )
    return int(row[0]) if row else 0


async def bump_beyond(tx: Tx, version: int) -> None:
    """A version of the keys that no process has seen, if none has seen a higher one than `version`."""
    await tx.run(
        """update installation set keyring_version =
        case when keyring_version > ? then keyring_version + 1 else ? end where id = 1""",
        version,
        version + 1,
    )


async def revoked_keys(tx: Tx, now: int) -> tuple[Entry, ...]:
    """What the feed says of keys, and still matters."""
    rows = await tx.all(
        "select kind, digest, epoch, until_at from feed_entries where kind = 'kid' and until_at > ?", now
    )
    return tuple(Entry(*row) for row in rows)
