"""The revocation feed at rest: entries without a number, numbered by a sequencer once they are committed.

A reader that has read up to N must never miss an entry that commits later with a number below N. So `append` numbers
nothing; `sequence`, in a transaction of its own, takes the head row's lock first, then numbers what is committed,
densely and in order of arrival, and moves the head.
"""

from collections.abc import Iterable

from jotgate.store.ports import Tx
from jotgate.wire.feed import Entry

_LOCK_HEAD = "update feed_head set seq = seq where id = 1 returning seq"
_NUMBER = """update feed_entries set seq = numbered.seq
    from (select id, ? + row_number() over (order by id) as seq from feed_entries where seq is null) as numbered
    where feed_entries.id = numbered.id"""
_MOVE_HEAD = "update feed_head set seq = seq + ? where id = 1 returning seq"


async def append(tx: Tx, entries: Iterable[Entry]) -> None:
    """Tell the guards, once this transaction is committed and `sequence` has run."""
    for entry in entries:
        await tx.run(
            "insert into feed_entries (kind, digest, epoch, until_at) values (?, ?, ?, ?)",
            entry.kind,
            entry.digest,
            entry.epoch,
            entry.until,
        )


async def pending(tx: Tx) -> bool:
    """Whether entries wait for a number: look before taking the head's lock."""
    return await tx.one("select 1 from feed_entries where seq is null limit 1") is not None


async def sequence(tx: Tx) -> int:
    """Number what is committed; the new head. The first statements of a transaction of its own."""
    row = await tx.one(_LOCK_HEAD)
    head = row[0] if row else 0
    numbered = await tx.run(_NUMBER, head)
    moved = await tx.one(_MOVE_HEAD, numbered) if numbered else None
    return int(moved[0] if moved else head)


async def head(tx: Tx) -> int:
    """The last number given; 0 before the first."""
    row = await tx.one("select seq from feed_head where id = 1")
    return int(row[0]) if row else 0


async def incarnation(tx: Tx) -> str:
    """Which feed this is: numbers of another incarnation mean nothing here."""
    row = await tx.one("select incarnation from feed_head where id = 1")
    return str(row[0]) if row else ""


async def reincarnate(tx: Tx, incarnation: str) -> None:
    """From now on another feed (restore, move): every guard starts over with the whole snapshot."""
    await tx.run("update feed_head set incarnation = ? where id = 1", incarnation)


async def after(tx: Tx, seq: int, limit: int, now: int) -> tuple[tuple[int, Entry], ...]:
    """Up to `limit` numbered entries past `seq` that still matter, in order, each with its number."""
    rows = await tx.all(
        """select seq, kind, digest, epoch, until_at from feed_entries
        where seq > ? and until_at > ? order by seq limit ?""",
        seq,
        now,
        limit,
    )
    return tuple((number, Entry(*row)) for number, *row in rows)


async def forget(tx: Tx, now: int, limit: int = 1000) -> int:
    """Drop up to `limit` numbered entries that matter no more; how many went."""
    return await tx.run(
        """delete from feed_entries where id in
        (select id from feed_entries where until_at <= ? and seq is not null order by until_at limit ?)""",
        now,
        limit,
    )
