"""The revocation feed at rest: entries without a number, numbered by a sequencer once they are committed.

A reader that has read up to N must never miss an entry that commits later with a number below N. So `append` numbers
nothing; `sequence`, in a transaction of its own, takes the head row's lock first, then numbers what is committed,
densely, and moves the head. Among those numbered together the order says nothing.
"""

from collections.abc import Iterable

from jotgate.store.ports import Stretch, Tx
from jotgate.wire.feed import Entry

_LOCK_HEAD = "update feed_head set seq = seq where id = 1 returning seq, incarnation"
_NUMBER = """update feed_entries set seq = numbered.seq
    from (select id, ? + row_number() over (order by id) as seq from feed_entries where seq is null
        order by id limit ?) as numbered
    where feed_entries.id = numbered.id"""
BATCH = 5000  # entries that are numbered at once: a statement that takes seconds is not waited for
_MOVE_HEAD = "update feed_head set seq = seq + ? where id = 1"


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


async def sequence(tx: Tx, limit: int = BATCH) -> Stretch:
    """Number what is committed, up to `limit` of it; which numbers were given. In a transaction of its own."""
    row = await tx.one(_LOCK_HEAD)
    head, incarnation = row or (0, "")
    numbered = await tx.run(_NUMBER, head, limit)
    if numbered:
        await tx.run(_MOVE_HEAD, numbered)
    return Stretch(incarnation, head, head + numbered)


async def head(tx: Tx) -> tuple[int, str]:
    """The last number given (0 before the first), and which feed it is: elsewhere the number means nothing."""
    row = await tx.one("select seq, incarnation from feed_head where id = 1")
    return (int(row[0]), str(row[1])) if row else (0, "")


async def state(tx: Tx) -> tuple[int, str, bool]:
    """What `head` and `pending` say, at once."""
    row = await tx.one(
        """select seq, incarnation, exists (select 1 from feed_entries where seq is null)
        from feed_head where id = 1"""
    )
    return (int(row[0]), str(row[1]), bool(row[2])) if row else (0, "", False)


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
